//go:build linux

package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/record"
)

// seeing has a task that says which GPUs its programs see.
const seeing = `tasks:
  - {name: first, module: StdOut, props: {msg: it has begun}}
  - {name: draw, module: Shell, gpu: GPU, register: drawn, props: {command: sh, args: [-c, 'echo "sees [${CUDA_VISIBLE_DEVICES-all}]"']}}
`

func TestE4V55RunSaysHowMuchItsTasksWantAGPU(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("required.yaml", strings.ReplaceAll(seeing, "gpu: GPU", "gpu: "+"{count: 2, memory: 16Gi}"))
	p.write("preferred.yaml", strings.ReplaceAll(seeing, "gpu: GPU", "gpu: "+"preferred"))
	for _, tt := range []struct {
		name, pipeline, flag string
		code                 int
		out, err             string
	}{
		{"required", "required.yaml", "auto", 1, "", `✗  required.yaml:3:33: task "draw" needs 2 GPUs with 16 GiB each: this binary was built without cgo`},
		{"required, and let do without", "required.yaml", "preferred", 0, "it has begun\nsees []\n", `!  task "draw" runs on the CPU: this binary was built without cgo`},
		{"required, and wanted by nobody", "required.yaml", "none", 0, "it has begun\nsees []\n", ""},
		{"preferred", "preferred.yaml", "auto", 0, "it has begun\nsees []\n", "on the CPU"},
		{"preferred, and kept away", "preferred.yaml", "off", 0, "it has begun\nsees []\n", "on the CPU: no job here gets one (--gpu=off)"},
		{"preferred, and insisted on", "preferred.yaml", "required", 1, "", `✗  preferred.yaml:3:33: task "draw" needs a GPU: `},
		{"a word that is none", "preferred.yaml", "please", 2, "", `--gpu: "please" is none of auto, off, required, preferred, none`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := p.millrace("run", tt.pipeline, "--gpu="+tt.flag)
			require.Equal(t, tt.code, r.code, r.stderr)
			require.Equal(t, tt.out, r.stdout)
			require.Contains(t, r.stderr, tt.err)
		})
	}
	var run engine.Run
	lines := p.succeeds("run", "preferred.yaml", "--logger=json")
	require.NoError(t, json.Unmarshal([]byte(lines[strings.LastIndex(strings.TrimSpace(lines), "\n")+1:]), &run))
	require.Equal(t, "cpu", run.Result["drawn"].(map[string]any)["device"])
	require.Equal(t, "cpu", run.Tasks[1].Device)
}

// It would win every race for a message that needs a GPU, only to hide it from those that have one.
func TestF44AWorkerForGPUsThatHasNoneEnds(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.millrace("work", "--labels=class=gpu", "--exit-when-idle=1s")
	require.Equal(t, 6, r.code, r.stderr)
	require.Contains(t, r.stderr, "millrace: this worker is of no use any more: no GPU of this machine works: this binary was built without cgo")
	require.Contains(t, r.stderr, "--gpu-lost=stay")
	require.Equal(t, 0, p.millrace("work", "--labels=class=gpu", "--exit-when-idle=100ms", "--gpu-lost=stay").code)
}

// It goes back before it has cost anything, and CPU jobs go on.
func TestE4F43AWorkerWithoutAGPUHandsBackWhatNeedsOneAndRunsTheRest(t *testing.T) {
	t.Parallel()
	m := newMill(t)
	folder := t.TempDir()
	for name, use := range map[string]string{"needs": "required", "likes": "preferred"} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name+".yaml"), []byte(strings.ReplaceAll(seeing, "gpu: GPU", "gpu: "+use)), 0o600))
	}
	addr := freeAddr(t)
	m.job("needs", "needs", nil)
	w := m.start("--pipelines", folder, "--slots=1", "--status", addr)
	w.until("message released")
	m.job("brings", strings.ReplaceAll(seeing, "gpu: GPU", "gpu: required"), nil)
	w.until("message released")
	m.job("likes", "likes", nil)
	w.until("job settled")

	text := ""
	for !strings.Contains(text, `millrace_jobs_total{outcome="succeeded",pipeline="likes"} 1`) {
		_, text = statusOf(t, addr, "/metrics")
	}
	require.Contains(t, text, `millrace_jobs_total{outcome="released",pipeline="needs"} 1`)
	w.signal()
	w.end()

	waits := m.record("needs")
	require.Equal(t, record.Queued, waits.Status, "what the catalogue says that can't run here is not even claimed")
	require.Contains(t, waits.Message, `task "draw" needs a GPU: `)
	require.Empty(t, waits.Attempts)
	needs := m.record("brings")
	require.Equal(t, record.Retrying, needs.Status)
	require.Equal(t, engine.Unfit, needs.Reason)
	require.Equal(t, record.AttemptInterrupted, needs.Attempts[0].Status)
	require.Contains(t, needs.Message, `task "draw" needs a GPU: `)
	require.Empty(t, needs.Tasks)
	require.NotContains(t, m.log("brings"), "it has begun")
	likes := m.record("likes")
	require.Equal(t, record.Succeeded, likes.Status, likes.Message)
	require.Equal(t, "cpu", likes.Tasks[1].Device)
	require.Positive(t, likes.LatencyMs)
	require.Contains(t, likes.Warnings[0], `task "draw" runs on the CPU: `)
	require.Contains(t, m.log("likes"), "sees []")
	depth, err := m.queue.Depth(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, depth.Delayed)
}

func TestE4AJobThatNoWorkerCouldRunSaysSo(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("needs.yaml", strings.ReplaceAll(seeing, "gpu: GPU", "gpu: required"))
	p.succeeds("jobs", "run", "needs", "--id", "order-7", "--pipelines", ".")
	p.succeeds("work", "--pipelines", ".", "--exit-when-idle=100ms")
	shown := p.succeeds("jobs", "describe", "order-7")
	require.Contains(t, shown, "QUEUED")
	require.Contains(t, strings.Join(strings.Fields(shown), " "), ` can't: task "draw" needs a GPU: `)
	rows := decoded[[]map[string]any](t, p.succeeds("jobs", "list", "--json"))
	require.Len(t, rows, 1)
	require.Equal(t, "QUEUED", rows[0]["status"])
	require.NotEqual(t, 0, p.millrace("jobs", "logs", "order-7").code)
	require.Contains(t, p.succeeds("jobs", "cancel", "order-7"), "it waits for a worker that can run it; ")
}
