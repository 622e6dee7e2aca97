package assetconverter

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/blender"
	"github.com/millrace/millrace/modules/glb"
	"github.com/millrace/millrace/modules/workspace"
)

// A work is one conversion, in a folder of its own beside the workspace.
type work struct {
	call   *modules.Call // its workspace is the archive, where src is one
	props  Props
	kind   kind   // of the asset
	src    string // in call.Workspace
	real   string // where src lies
	format string // to write
	dest   string
	dir    string         // out lies in it, where what is to be published is made, and what was unpacked
	inner  *workspace.Dir // what was unpacked; nil where nothing was

	by       []string // what did the work
	warnings []string
	stats    modules.Stats // the highest of any program
	made     facts
}

// facts are what a file was measured to hold.
type facts struct {
	triangles                       int64
	materials, textures, animations int
	min, max                        glb.Vec // of what is drawn at rest, Y is up
	lacks                           []string
}

func newWork(c *modules.Call, p Props) (*work, error) {
	w := &work{call: c, props: p, kind: p.asset.kind, src: p.Src}
	w.format, w.dest = p.target()
	var err error
	if w.dir, err = os.MkdirTemp("", "assetconverter-"); err != nil {
		return nil, err
	}
	if err = os.Mkdir(w.out(), 0o700); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// close takes the folder away. What stays goes with the job's own folder.
func (w *work) close() {
	if w.inner != nil {
		_ = w.inner.Close()
	}
	_ = os.RemoveAll(w.dir)
}

func (w *work) out() string { return filepath.Join(w.dir, "out") }

// product is the file that is made. Its extension is in lower case, which is what programs go by.
func (w *work) product() string {
	name := path.Base(w.dest)
	return filepath.Join(w.out(), strings.TrimSuffix(name, path.Ext(name))+"."+w.format)
}

// find makes src the file that is meant, which may lie in an archive.
func (w *work) find(ctx context.Context) (err error) {
	if w.kind == kindZIP {
		if err := w.unpack(ctx); err != nil {
			return err
		}
	}
	w.real, err = w.call.Workspace.Path(w.src)
	return err
}

func (w *work) assetName() string {
	if w.inner == nil {
		return w.props.Src
	}
	return w.src
}

// roots are the folders in which what the asset refers to must lie.
func (w *work) roots() []string {
	roots := []string{w.call.Workspace.Real(), w.out()}
	if rel, err := filepath.Rel(roots[0], w.real); err != nil || !filepath.IsLocal(rel) {
		roots = append(roots, filepath.Dir(w.real)) // that a person named
	}
	return roots
}

func (w *work) did(by string) {
	if !slices.Contains(w.by, by) {
		w.by = append(w.by, by)
	}
}

func (w *work) used(s modules.Stats) {
	w.stats.MaxMem, w.stats.MaxCPU = max(w.stats.MaxMem, s.MaxMem), max(w.stats.MaxCPU, s.MaxCPU)
}

func (w *work) warn(text string) {
	const most = 200
	if len(w.warnings) < most && !slices.Contains(w.warnings, text) {
		w.warnings = append(w.warnings, text)
	}
}

func (w *work) allow() bool { return w.props.Config[allowMissing] == true }

func (w *work) still() bool { return w.props.Config[animations] == false }

// convert makes the product.
func (w *work) convert(ctx context.Context) error {
	if err := w.references(ctx); err != nil {
		return err
	}
	switch w.format {
	case "glb", "gltf":
		return w.toGLTF(ctx, w.product())
	case "3ds":
		return w.to3DS(ctx)
	}
	w.ignore("")
	return w.toBlender(ctx)
}

// ignore warns of the keys of config that the converter has no use for.
func (w *work) ignore(except string) {
	if except == "FBX2glTF" {
		return
	}
	for key := range w.props.Config {
		if key != allowMissing && key != animations {
			w.warn("config." + key + " changes nothing: it is an option of FBX2glTF, which does not do this work")
		}
	}
	slices.Sort(w.warnings)
}

// blend runs Blender over an asset, or a step on the way.
func (w *work) blend(ctx context.Context, j blender.Job) (blender.Result, error) {
	b := blender.Blender{Tools: w.call.Tools, Exec: w.call.Exec, Env: w.call.Env, Warm: w.call.Blender}
	j.Roots, j.AllowMissing, j.Still = w.roots(), w.allow(), w.still()
	if filepath.Dir(j.Src) == w.dir {
		j.Roots = append(j.Roots, w.dir)
	}
	r, stats, err := b.Convert(ctx, j)
	w.used(modules.StatsOf(stats))
	if err == nil {
		w.did("Blender")
	}
	for _, text := range r.Warnings {
		w.warn(text)
	}
	return r, err
}

// readGLB reads what a program made in the work's own folder. What it refers to lies beside it, or where the asset does.
func (w *work) readGLB(name string) (*glb.Document, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, permanent("nothing was written")
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return glb.Read(f, glb.Source{Open: w.beside})
}

// beside opens a picture that a document refers to.
func (w *work) beside(name string) (fs.File, error) {
	for _, at := range []string{path.Join(path.Dir(w.src), name), path.Join(path.Dir(w.src), path.Base(name))} {
		f, err := w.call.Workspace.Open(at)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if w.allow() {
		w.warn("texture \"" + name + "\" is not there: a white one is in its place")
		return &whiteFile{Reader: bytes.NewReader(white())}, nil
	}
	return nil, permanent("texture %q is not there; put it where the file says, or set config.%s", name, allowMissing)
}

// publish moves what was made to its place in the workspace, what it refers to first.
func (w *work) publish(c *modules.Call) (size int64, err error) {
	root, err := os.OpenRoot(w.out())
	if err != nil {
		return 0, err
	}
	defer root.Close()
	var beside []string
	err = fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && name != filepath.Base(w.product()) {
			beside = append(beside, name)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, name := range beside {
		if _, err := move(c, root, name, path.Join(path.Dir(w.dest), name)); err != nil {
			return 0, err
		}
	}
	return move(c, root, filepath.Base(w.product()), w.dest)
}

func move(c *modules.Call, from *os.Root, name, to string) (size int64, err error) {
	in, err := from.Open(name)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	err = c.Workspace.Replace(to, func(f *os.File) error {
		size, err = io.Copy(f, in)
		return err
	})
	return size, err
}
