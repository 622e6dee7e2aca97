package gltfvalidator_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/gltfvalidator"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/proc"
)

// real is a call that runs the real tool, with a model in its workspace.
func real(t *testing.T, model string) (*modules.Call, *moduletest.Recorder) {
	t.Helper()
	c, r := moduletest.Call(t)
	c.Exec, c.Tools = &proc.Local{}, moduletest.Tools(t)
	data, err := os.ReadFile("/usr/share/assimp/models/glTF2/" + model)
	require.NoError(t, err)
	require.NoError(t, c.Workspace.WriteFile("in/model.glb", data))
	return c, r
}

func TestTheReportIsAFileAnOutputAndAValueOfTheState(t *testing.T) {
	c, r := real(t, "BoxBadNormals-glTF-Binary/BoxBadNormals.glb")
	out, err := gltfvalidator.Module.Run(t.Context(), c, map[string]any{
		"src": "/home/workspace/in/model.glb", "dest": "out/report.json", "resultKey": "validation",
	})
	require.NoError(t, err, "a file that breaks rules is an outcome")
	require.Equal(t, out, r.State["validation"])
	require.Equal(t, false, out["valid"])
	issues := out["issues"].(map[string]any)
	require.EqualValues(t, 10, issues["numErrors"])
	require.Equal(t, "ACCESSOR_VECTOR3_NON_UNIT", issues["messages"].([]any)[0].(map[string]any)["code"])
	require.EqualValues(t, 12, out["info"].(map[string]any)["totalTriangleCount"])
	require.Positive(t, out["stats"].(map[string]any)["maxmem"])
	require.Contains(t, r.Stdout.String(), "/home/workspace/in/model.glb: 10 errors, 0 warnings")

	text, err := c.Workspace.ReadFile("out/report.json")
	require.NoError(t, err)
	var report struct {
		URI    string `json:"uri"`
		Issues struct {
			NumErrors int `json:"numErrors"`
		} `json:"issues"`
	}
	require.NoError(t, json.Unmarshal(text, &report))
	require.Equal(t, "/home/workspace/in/model.glb", report.URI)
	require.Equal(t, 10, report.Issues.NumErrors)
	require.NotContains(t, string(text), "validatedAt")
}

func TestOptionsOfTheCommandLineAreUnderstood(t *testing.T) {
	c, r := real(t, "BoxBadNormals-glTF-Binary/BoxBadNormals.glb")
	out, err := gltfvalidator.Module.Run(t.Context(), c, map[string]any{"src": "in/model.glb", "config": map[string]any{
		"max-issues": 3, "ignore": []any{"ACCESSOR_MIN_MISMATCH"}, "override": map[string]any{"ACCESSOR_VECTOR3_NON_UNIT": 1},
		"write-timestamp": true, "o": true, "messages": true, "all": false, "p": true, "threads": 4,
	}})
	require.NoError(t, err)
	issues := out["issues"].(map[string]any)
	require.EqualValues(t, 3, issues["numWarnings"])
	require.Equal(t, true, issues["truncated"])
	require.NotEmpty(t, out["validatedAt"])
	require.Equal(t, "", out["dest"])
	require.Len(t, out["warnings"], 3)
	require.Contains(t, r.Stdout.String(), `"validatorVersion": "2.0.0-dev.3.10"`)
}

func TestWithoutNodeTheReportIsTheSame(t *testing.T) {
	c, _ := real(t, "BoxTextured-glTF-Binary/BoxTextured.glb")
	with, err := gltfvalidator.Module.Run(t.Context(), c, map[string]any{"src": "in/model.glb"})
	require.NoError(t, err)
	c.Tools.Path, c.Tools.Folder = "/nowhere", ""
	without, err := gltfvalidator.Module.Run(t.Context(), c, map[string]any{"src": "in/model.glb"})
	require.NoError(t, err)
	require.Positive(t, without["stats"].(map[string]any)["maxmem"])
	delete(with, "stats")
	delete(without, "stats")
	require.Equal(t, with, without)
}

func TestWhatIsTooLargeIsRefusedBeforeItIsRead(t *testing.T) {
	c, _ := moduletest.Call(t)
	require.NoError(t, c.Workspace.WriteFile("big.glb", nil))
	path, err := c.Workspace.Path("big.glb")
	require.NoError(t, err)
	require.NoError(t, os.Truncate(path, 1<<31))
	_, err = modules.Probe(t.Context(), gltfvalidator.Module, c, map[string]any{"src": "big.glb"})
	require.EqualError(t, err, "read big.glb: it has 2048 MiB, more than the 1024 that are checked")
	require.Equal(t, fault.Permanent, fault.Of(err))

	require.NoError(t, os.Truncate(path, 1<<20))
	w, err := modules.Probe(t.Context(), gltfvalidator.Module, c, map[string]any{"src": "big.glb"})
	require.NoError(t, err)
	require.Equal(t, modules.Demand{Input: 1 << 20, Memory: 68 << 20}, w.Demand)
}

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config map[string]any
		want   string
	}{
		{"no issues", map[string]any{"maxIssues": 0}, `prop "config.maxIssues" must be 1 to 10000, got 0`},
		{"some and not some", map[string]any{"only": []any{"A"}, "ignore": []any{"B"}}, "exclude each other"},
		{"a severity that is none", map[string]any{"severityOverrides": map[string]any{"A": 4}}, `prop "config.severityOverrides.A" must be 0 (error), 1, 2 or 3 (hint), got 4`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := modules.Check(gltfvalidator.Module, map[string]any{"src": "a.glb", "config": tt.config})
			require.ErrorContains(t, err, tt.want)
		})
	}
}
