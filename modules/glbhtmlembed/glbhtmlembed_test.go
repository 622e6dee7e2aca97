package glbhtmlembed_test

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/glbhtmlembed"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/tool"
)

const models = "/usr/share/assimp/models/glTF2/"

func TestConformance(t *testing.T) { moduletest.Conform(t, glbhtmlembed.Module) }

func call(t *testing.T) *modules.Call {
	t.Helper()
	c, _ := moduletest.Call(t)
	text, err := os.ReadFile(models + "BoxTextured-glTF-Binary/BoxTextured.glb")
	require.NoError(t, err)
	require.NoError(t, c.Workspace.WriteFile("<box>.glb", text))
	return c
}

func TestThePageShowsTheModelInABrowserWithoutANetwork(t *testing.T) {
	c := call(t)
	out, err := glbhtmlembed.Module.Run(t.Context(), c, map[string]any{
		"src": "<box>.glb", "dest": "box.html", "inline": true,
		"config": map[string]any{"autoRotate": true, "background": "#102030", "camera-orbit": "10deg 80deg", "toneMapping": "aces"},
	})
	require.NoError(t, err)
	require.Equal(t, []any{}, out["warnings"])
	require.EqualValues(t, 12, out["triangles"])
	page, err := c.Workspace.Path("box.html")
	require.NoError(t, err)
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Contains(t, string(text), "<title>&lt;box&gt;.glb</title>")
	require.NotRegexp(t, regexp.MustCompile(`<(script|link|img)[^>]*(src|href)=`), string(text))

	found, err := moduletest.Tools(t).Find(t.Context(), tool.Chromium())
	require.NoError(t, err)
	own := t.TempDir()
	var dom []byte
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); { // a dump may come before the model is read
		browser := exec.CommandContext(t.Context(), found.Path, "--headless", "--no-sandbox", "--disable-dev-shm-usage", "--user-data-dir="+own,
			"--use-gl=angle", "--use-angle=gl-egl", "--ignore-gpu-blocklist", "--host-resolver-rules=MAP * ~NOTFOUND",
			"--virtual-time-budget=20000", "--window-size=320,240", "--dump-dom", "file://"+page)
		browser.Env = append(os.Environ(), "HOME="+own, "TMPDIR="+own)
		dom, err = browser.Output()
		require.NoError(t, err)
		if bytes.Contains(dom[:min(len(dom), 200)], []byte("data-triangles")) {
			break
		}
	}
	require.Contains(t, string(dom[:min(len(dom), 200)]), `data-triangles="12"`)
	require.Contains(t, string(dom[len(dom)-4000:]), `"azimuth":10`)
}

func TestChoicesThatAreNoneAreWarnings(t *testing.T) {
	out, err := glbhtmlembed.Module.Run(t.Context(), call(t), map[string]any{
		"src": "<box>.glb", "dest": "box.html", "inline": false, "version": "3.5.0", "cdn": "jsdelivr", "config": `{"ar": true}`,
	})
	require.NoError(t, err)
	require.Equal(t, []any{
		`the viewer's setting "ar" was not used; known are autoRotate, autoRotateSpeed, background, cameraOrbit, environment, environmentIntensity, exposure, lights and toneMapping`,
		"inline: false was not used; the page always holds the model and the viewer",
		"cdn: jsdelivr was not used; the page fetches nothing from anywhere",
		"version: 3.5.0 was not used; the viewer is the one that Millrace holds",
	}, out["warnings"])
}

func TestWhatMakesNoPageIsRefusedForGood(t *testing.T) {
	for _, tt := range []struct {
		name  string
		props map[string]any
		want  string
	}{
		{"a page of another name", map[string]any{"dest": "box.png"}, `prop "dest" is "box.png", and a page ends in .html`},
		{"no model", map[string]any{"src": "bad.glb"}, "read bad.glb: "},
		{"a model of nothing", map[string]any{"src": "empty.gltf"}, "empty.gltf draws no triangle"},
		{"a model that is too large", map[string]any{"src": "huge.gltf"}, "huge.gltf draws 21000000 triangles, more than the 10000000 that a page shows"},
		{"settings that break out", map[string]any{"config": map[string]any{"toneMapping": "</script>"}}, `the viewer's setting "toneMapping": </script> is not known`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := call(t)
			for name, text := range map[string]string{
				"bad.glb": "hello", "empty.gltf": `{"asset": {"version": "2.0"}}`,
				"huge.gltf": `{"asset": {"version": "2.0"}, "accessors": [{"componentType": 5126, "count": 3000000, "type": "VEC3"}],
					"meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}], "scene": 0, "scenes": [{"nodes": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]}],
					"nodes": [{"mesh": 0}, {"mesh": 0}, {"mesh": 0}, {"mesh": 0}, {"mesh": 0}, {"mesh": 0}, {"mesh": 0}, {"mesh": 0}, {"mesh": 0}, {"mesh": 0}, {"mesh": 0}, {"mesh": 0}, {"mesh": 0}, {"mesh": 0}, {"mesh": 0}, {"mesh": 0}, {"mesh": 0}, {"mesh": 0}, {"mesh": 0}, {"mesh": 0}, {"mesh": 0}]}`,
			} {
				require.NoError(t, c.Workspace.WriteFile(name, []byte(text)))
			}
			props := map[string]any{"src": "<box>.glb", "dest": "out.html"}
			for key, v := range tt.props {
				props[key] = v
			}
			_, err := glbhtmlembed.Module.Run(t.Context(), c, props)
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
			_, err = c.Workspace.Stat("out.html")
			require.Error(t, err, "nothing was written")
		})
	}
}
