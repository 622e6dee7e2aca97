package lint

import (
	"path"
	"slices"
	"strings"

	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/render"
)

// cadExtensions are formats that only a CAD kernel reads.
func cadExtensions() []string {
	return strings.Fields("3dm 3dxml arc asm catdrawing catpart catproduct catshape cgr dgn dlv dwf dwfx dwg dxf exp iam ifc ifczip iges igs" +
		" ipt jt mf1 model neu nwd par pkg prc prt psm pwd rfa rvt sab sat session sldasm sldprt step stp stpx stpxz stpz u3d unv vda x_b x_t" +
		" xax xmt xmt_txt xpr")
}

// cad refuses what AssetConverter would need a CAD kernel for.
func (l *linter) cad(module string, props map[string]any, at place) {
	if module != "AssetConverter" && module != "GlTFConverter" {
		return
	}
	for _, key := range []string{"src", "extension"} {
		text, _ := props[key].(string)
		if s, ok := props[key].(render.Scoped); ok {
			text = s.Text
		}
		ext := strings.ToLower(strings.TrimPrefix(path.Ext(text), "."))
		if key == "extension" && ext == "" {
			ext = strings.ToLower(text)
		}
		if slices.Contains(cadExtensions(), ext) {
			l.errorf(at.in(key).key(), "%s%q is a CAD format: %s", at.what, ext, pipelines.NoCAD)
		}
	}
	if config, ok := props["config"].(map[string]any); ok && config["hoops_bin_path"] != nil {
		l.errorf(at.in("config.hoops_bin_path").key(), "%shoops_bin_path asks for a CAD kernel: %s", at.what, pipelines.NoCAD)
	}
}
