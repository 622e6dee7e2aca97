package modules_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/moduletest"
)

// workOutput is what a module returns that makes pictures and a model of a model.
type workOutput struct {
	modules.ToolOutput
	Before   int64    `json:"before" fact:"read.triangles" doc:"."`
	After    int64    `json:"after" fact:"made.triangles" doc:"."`
	Size     string   `json:"originalSize" fact:"read.bytes" doc:"."`
	Pictures []string `json:"pictures" fact:"made" doc:"."`
	Width    int      `json:"width" fact:"made.width" doc:"."`
}

// factsOf runs a module that returns out in a workspace with files.
func factsOf(t *testing.T, files map[string]string, out workOutput) (f modules.Facts) {
	t.Helper()
	c, _ := moduletest.Call(t)
	for name, text := range files {
		require.NoError(t, c.Workspace.MkdirAll(filepath.Dir(name)))
		require.NoError(t, c.Workspace.WriteFile(name, []byte(text)))
	}
	c.Facts = func(got modules.Facts) { f = got }
	m := modules.Define(modules.Spec{Name: "Work", Summary: "Works."}, func(context.Context, *modules.Call, struct{}) (workOutput, error) { return out, nil })
	_, err := m.Run(t.Context(), c, nil)
	require.NoError(t, err)
	return f
}

func TestFactsAreTheFilesThatAnOutputNames(t *testing.T) {
	f := factsOf(t, map[string]string{"a.stl": "1234", "b.glb": "12", "p_0.png": "1", "p_1.png": "123"}, workOutput{
		ToolOutput: modules.ToolOutput{Src: "a.stl", Dest: "b.glb"},
		Before:     9, After: 3, Size: "77", Pictures: []string{"p_0.png", "p_1.png", "gone.png", "./b.glb", ""}, Width: 64,
	})
	require.Equal(t, modules.Facts{
		Read: []modules.File{{Path: "a.stl", Bytes: 77, Triangles: 9}},
		Made: []modules.File{
			{Path: "b.glb", Bytes: 2, Triangles: 3, Width: 64}, {Path: "p_0.png", Bytes: 1, Width: 64}, {Path: "p_1.png", Bytes: 3, Width: 64},
		},
	}, f)
}

func TestWhatIsNoFileOfTheWorkspaceIsNoFact(t *testing.T) {
	f := factsOf(t, map[string]string{"folder/a": "1"}, workOutput{ToolOutput: modules.ToolOutput{Src: "https://example.com/a.stl", Dest: "folder"}})
	require.Empty(t, f)
	f = factsOf(t, nil, workOutput{ToolOutput: modules.ToolOutput{Src: "/etc/hostname", Dest: "../a"}})
	require.Empty(t, f)
}

func TestAFileThatWasWrittenOverIsMadeAndNotRead(t *testing.T) {
	f := factsOf(t, map[string]string{"a.glb": "1"}, workOutput{ToolOutput: modules.ToolOutput{Src: "a.glb", Dest: "./a.glb"}})
	require.Empty(t, f.Read)
	require.Len(t, f.Made, 1)
}

func TestOfManyFilesTheFirstAreFacts(t *testing.T) {
	files, out := map[string]string{}, workOutput{}
	for i := range 360 {
		name := string(rune('a'+i%26)) + string(rune('a'+i/26)) + ".png"
		files[name] = "1"
		out.Pictures = append(out.Pictures, name)
	}
	f := factsOf(t, files, out)
	require.Len(t, f.Made, 16)
	require.Equal(t, out.Pictures[0], f.Made[0].Path)
}
