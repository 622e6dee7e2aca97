package findasset_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/findasset"
	"github.com/millrace/millrace/modules/moduletest"
)

func filled(t *testing.T, names ...string) *modules.Call {
	t.Helper()
	c, _ := moduletest.Call(t)
	require.NoError(t, c.Workspace.MkdirAll("in"))
	for _, name := range names {
		require.NoError(t, c.Workspace.WriteFile(name, []byte(name)))
	}
	return c
}

func TestWhatIsFoundIsNeverAnOption(t *testing.T) {
	c := filled(t, "--python-expr=x.obj", "-a.ply")
	out, err := findasset.Module.Run(t.Context(), c, map[string]any{"src": "."})
	require.NoError(t, err)
	require.Equal(t, "./--python-expr=x.obj", out["dest"])
	require.Equal(t, []any{"./-a.ply"}, out["others"])
}

func TestTheWinnerIsTheSameEachTime(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files []string
		props map[string]any
		want  string
		why   string // nothing: it is the only one
	}{
		{"the only asset", []string{"in/a/readme.txt", "in/a/part.STEP"}, nil, "in/a/part.STEP", ""},
		{
			"the better type, however deep",
			[]string{"in/part.ply", "in/a/b/part.glb"},
			nil,
			"in/a/b/part.glb", "2 files fit; in/a/b/part.glb is taken, for .glb comes before .ply",
		},
		{
			"the order of the task's own list",
			[]string{"in/part.fbx", "in/part.glb", "in/part.obj"},
			map[string]any{"extension": []any{".GLB", "obj"}},
			"in/part.glb", "2 files fit; in/part.glb is taken, for .glb comes before .obj",
		},
		{
			"the higher folder",
			[]string{"in/a/b/x.glb", "in/long name of a file.glb"},
			nil,
			"in/long name of a file.glb", "2 files fit; in/long name of a file.glb is taken, for its path is the shortest",
		},
		{
			"the shorter path",
			[]string{"in/a/longer.glb", "in/b/x.glb"},
			nil,
			"in/b/x.glb", "2 files fit; in/b/x.glb is taken, for its path is the shortest",
		},
		{
			"the alphabet",
			[]string{"in/b.glb", "in/a.glb"},
			nil,
			"in/a.glb", "2 files fit; in/a.glb is taken, for it is the first by the alphabet",
		},
		{
			"the name, whatever the type",
			[]string{"in/other.fbx", "in/chair.ply"},
			map[string]any{"name": "chair"},
			"in/chair.ply", "",
		},
		{
			"the name to the letter",
			[]string{"in/Chair.fbx", "in/a/chair.ply"},
			map[string]any{"name": "chair"},
			"in/a/chair.ply", "2 files fit; in/a/chair.ply is taken, for its name fits to the letter",
		},
		{
			"the name with its extension",
			[]string{"in/chair.fbx", "in/chair.ply"},
			map[string]any{"name": "CHAIR.PLY"},
			"in/chair.ply", "",
		},
		{"no shadow and nothing hidden", []string{"in/__MACOSX/._x.fbx", "in/._x.fbx", "in/.git/y.fbx", "in/x.ply"}, nil, "in/x.ply", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := filled(t, tt.files...)
			props := map[string]any{"src": "/home/workspace/in"}
			for k, v := range tt.props {
				props[k] = v
			}
			out, err := findasset.Module.Run(t.Context(), c, props)
			require.NoError(t, err)
			require.Equal(t, tt.want, out["dest"])
			data, err := c.Workspace.ReadFile(out["dest"].(string))
			require.NoError(t, err, "dest is a name that the next task can use")
			require.Equal(t, tt.want, string(data))
			warnings := []any{}
			if tt.why != "" {
				warnings = append(warnings, tt.why)
			}
			require.Equal(t, warnings, out["warnings"])
		})
	}
}

func TestWhatWasFoundIsDescribed(t *testing.T) {
	c := filled(t, "in/a.glb", "in/b.GLB", "in/c.obj")
	out, err := findasset.Module.Run(t.Context(), c, map[string]any{"src": "in", "extension": []any{"obj", "glb"}})
	require.NoError(t, err)
	require.Equal(t, "in", out["src"])
	require.Equal(t, "in/c.obj", out["dest"])
	require.Equal(t, "8", out["size"])
	require.Equal(t, "obj", out["extension"])
	require.Equal(t, []any{"in/a.glb", "in/b.GLB"}, out["others"])
	require.Equal(t, map[string]any{"extension": []any{"obj", "glb"}, "name": ""}, out["config"])
}

func TestALinkIsNoAsset(t *testing.T) {
	c := filled(t, "in/a/b.txt")
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(c.Workspace.Real(), "in", "x.glb")))
	_, err := findasset.Module.Run(t.Context(), c, map[string]any{"src": "in"})
	require.EqualError(t, err, `there is no asset in "in"; its files are: 1 txt`)
}

func TestNothingFoundSaysWhatIsThere(t *testing.T) {
	for _, tt := range []struct {
		name  string
		props map[string]any
		want  string
	}{
		{"other types", map[string]any{"src": "in", "extension": "glb"}, `there is no asset of type glb in "in"; its files are: 2 txt, 1 without extension, 1 obj`},
		{"other names", map[string]any{"src": "in", "name": "chair", "extension": []any{"obj"}}, `there is no asset called "chair" of type obj in "in"; its files are: 2 txt,`},
		{"an empty folder", map[string]any{"src": "in/empty"}, `there is no asset in "in/empty": no file is there`},
		{"no folder", map[string]any{"src": "nowhere"}, `there is no file "nowhere"; check the path`},
		{"outside", map[string]any{"src": "../x"}, `path "../x" is outside the workspace`},
		{"no extension", map[string]any{"src": "in", "extension": []any{"*.glb"}}, `prop "extension" must be an extension like glb`},
		{"a path for a name", map[string]any{"src": "in", "name": "a/b.glb"}, `prop "name" must be a file's name without a folder`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := filled(t, "in/a.txt", "in/b/c.TXT", "in/README", "in/x.obj")
			require.NoError(t, c.Workspace.MkdirAll("in/empty"))
			_, err := findasset.Module.Run(t.Context(), c, tt.props)
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
		})
	}
}

func TestASearchStopsWhenItIsTold(t *testing.T) {
	c := filled(t, "in/x.obj")
	lost := errors.New("lease lost")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(lost)
	_, err := findasset.Module.Run(ctx, c, map[string]any{"src": "in"})
	require.ErrorIs(t, err, lost)
}
