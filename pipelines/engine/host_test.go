package engine_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/modules/tool"
	"github.com/millrace/millrace/pipelines/engine"
)

// A shop is a machine with so many GPUs, which says who asked for what.
type shop struct {
	gpus  int
	gone  bool // those that it has are gone after the tasks were asked for
	tools map[string]bool
	end   context.CancelCauseFunc // ends the run, as the loss of a device does
	late  time.Duration           // after which it does

	mu    sync.Mutex
	asked []string
	out   int // devices that somebody has
}

func (s *shop) note(what string, n engine.Need) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, fmt.Sprintf("%s %s: %s %s %v", what, n.Task, n.GPU.Use, n.GPU, n.Tools))
}

func (s *shop) Fit(_ context.Context, n engine.Need) error {
	s.note("fit", n)
	for _, name := range n.Tools {
		if !s.tools[name] || s.gone && len(s.asked) > 1 {
			return &engine.Stop{Reason: engine.Unfit, Message: fmt.Sprintf("task %q needs %s, which is missing", n.Task, name)}
		}
	}
	if n.GPU.Use == gpu.Required && n.GPU.Count > s.gpus {
		return engine.NoGPU(n, "there are too few")
	}
	return nil
}

func (s *shop) Reserve(_ context.Context, n engine.Need) (engine.Grant, error) {
	s.note("reserve", n)
	if n.GPU.Count > s.gpus || s.gone {
		if n.GPU.Use == gpu.Preferred {
			return engine.Grant{Why: "there are too few", Release: func() {}}, nil
		}
		return engine.Grant{}, engine.NoGPU(n, "it is out of service")
	}
	s.add(n.GPU.Count)
	if s.end != nil {
		time.AfterFunc(s.late, func() { s.end(&engine.Stop{Reason: engine.GPULost, Message: "GPU-0 fell off the bus"}) })
	}
	var all []gpu.Device
	for i := range n.GPU.Count {
		all = append(all, gpu.Device{UUID: fmt.Sprintf("GPU-%d", i), Name: "NVIDIA L4"})
	}
	return engine.Grant{Devices: all, Release: func() { s.add(-n.GPU.Count) }}, nil
}

func (s *shop) add(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out += n
}

// look is a module that says which GPUs it sees.
func look(spec modules.Spec) modules.Module {
	type props struct {
		Fail bool `json:"fail,omitzero" doc:"Whether to fail."`
		Gone bool `json:"gone,omitzero" doc:"Whether its tool is gone."`
	}
	type output struct {
		Sees  string `json:"sees" doc:"What its programs see."`
		Wants string `json:"wants,omitzero" doc:"How much its task wants a GPU."`
	}
	spec.Summary, spec.Example = "Looks.", "- module: "+spec.Name+"\n"
	return modules.Define(spec, func(_ context.Context, c *modules.Call, p props) (output, error) {
		if p.Fail {
			return output{}, errors.New("it broke")
		}
		if p.Gone {
			return output{}, fault.As(fault.Permanent, &tool.MissingError{Tool: spec.Tools[0], Reason: "it is gone"})
		}
		return output{Sees: fmt.Sprintf("%d %v", len(c.Devices), c.Env), Wants: string(c.GPU.Use)}, nil
	})
}

// visit runs a document on a machine.
func (b *bench) visit(t *testing.T, s *shop, doc string, change func(*engine.Input)) *engine.Run {
	t.Helper()
	_, in := b.input(t, doc)
	magick := []tool.Tool{{Name: "ImageMagick"}}
	mods, err := modules.NewRegistry(
		look(modules.Spec{Name: "Look"}), look(modules.Spec{Name: "Draw", GPU: gpu.Need{Use: gpu.Preferred, Count: 1, Memory: 4 << 30}}),
		look(modules.Spec{Name: "Convert", Tools: magick}))
	require.NoError(t, err)
	cbs, err := modules.NewRegistry(b.callback())
	require.NoError(t, err)
	in.Host = s
	in.Call.Env = []string{"PATH=/bin", "CUDA_VISIBLE_DEVICES=3"}
	if change != nil {
		change(&in)
	}
	planned := func(name string) bool { return name == "Optimise" }
	run := engine.New(engine.Config{Modules: mods, Callbacks: cbs, Planned: planned}).Run(t.Context(), in)
	require.Zero(t, s.out, "all was given back")
	return run
}

// By UUID, and a task that asks for none sees none.
func TestE5V55ATaskSeesTheDevicesThatItWasGivenAndNoOthers(t *testing.T) {
	var b bench
	run := b.visit(t, &shop{gpus: 2}, `
tasks:
  - {name: two, module: Look, gpu: 2, register: two}
  - {name: none, module: Look, register: none}
`, nil)
	require.Equal(t, engine.Succeeded, run.Status)
	require.Equal(t, map[string]any{"sees": "2 [PATH=/bin CUDA_VISIBLE_DEVICES=GPU-0,GPU-1]", "device": "2 × NVIDIA L4", "wants": "required"}, run.Result["two"])
	require.Equal(t, map[string]any{"sees": "0 [PATH=/bin CUDA_VISIBLE_DEVICES=]"}, run.Result["none"])
	require.Equal(t, []string{"2 × NVIDIA L4", ""}, []string{run.Tasks[0].Device, run.Tasks[1].Device})
	require.GreaterOrEqual(t, run.GPUSeconds, run.Tasks[0].GPUSeconds)
}

// Before anything has run, and nobody is told of an outcome.
func TestE4F43AJobThatAMachineCannotEndWellDoesNotBegin(t *testing.T) {
	var b bench
	run := b.visit(t, &shop{gpus: 1}, `
callbacks: {onStart: [{module: Tell, props: {say: start}}], onEnd: [{module: Tell, props: {say: end}}], onError: [{module: Tell, props: {say: error}}]}
tasks:
  - {module: Look}
  - {name: render, module: Look, gpu: {count: 2, memory: 16Gi}}
`, nil)
	require.Equal(t, engine.Canceled, run.Status)
	require.Empty(t, run.Tasks)
	require.Empty(t, b.told)
	require.Equal(t, &engine.Failure{
		Kind: fault.Canceled, Reason: engine.Unfit, Task: "render", Place: "test.yaml:5:34", Class: engine.GPUClass,
		Message: `test.yaml:5:34: task "render" needs 2 GPUs with 16 GiB each: there are too few; or let it run on the CPU by gpu: preferred (millrace run --gpu=preferred)`,
	}, run.Failure)
}

func TestWhatEveryTaskNeedsIsAskedForOnceBeforeTheFirst(t *testing.T) {
	var b bench
	s := &shop{gpus: 1, tools: map[string]bool{"ImageMagick": true}}
	run := b.visit(t, s, `
tasks:
  - {name: a, module: Convert}
  - {name: b, module: Convert}
  - {name: c, module: Draw, gpu: required}
  - {name: d, module: Draw, when: false, gpu: 8}
  - {name: s, module: Draw, when: missing, gpu: 8}
  - {name: e, module: Look, throw: false, gpu: 8}
  - {name: f, module: Draw, gpu: none}
`, nil)
	require.Equal(t, engine.Succeeded, run.Status)
	require.Equal(t, []string{
		"fit a:  a GPU [ImageMagick]", "fit c: required a GPU with 4 GiB []",
		"reserve c: required a GPU with 4 GiB []", "reserve e: required 8 GPUs []",
	}, s.asked)
	require.Equal(t, []string{
		`task "e" failed and was let pass (throw: false): task "e" needs 8 GPUs: it is out of service; or let it run on the CPU by gpu: preferred (millrace run --gpu=preferred)`,
	}, run.Warnings)
}

// A download of hours is not begun for a job that can't end well; and no machine of another kind has the module either.
func TestAModuleThatIsNotThereEndsTheRunBeforeItsFirstTask(t *testing.T) {
	for _, tt := range []struct{ name, task, want string }{
		{"of a later version", "module: Optimise", "test.yaml:5:18: task \"last\": module \"Optimise\" is known, but this version does not have it yet (`millrace modules` lists those it has)"},
		{"a slip", "module: Loook", `test.yaml:5:18: task "last": module "Loook" is unknown, did you mean "Look"?`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b bench
			run := b.visit(t, &shop{}, `
callbacks: {onStart: [{module: Tell, props: {say: start}}], onError: [{module: Tell, props: {say: "{{ current_task }}"}}]}
tasks:
  - {name: first, module: Look, gpu: 1}
  - {name: last, `+tt.task+`}
`, nil)
			require.Equal(t, &engine.Failure{Kind: fault.Permanent, Task: "last", Place: "test.yaml:5:18", Message: tt.want}, run.Failure)
			require.Empty(t, run.Tasks)
			require.Equal(t, []string{"last"}, b.told)
		})
	}
	for name, task := range map[string]string{"may fail": "throw: false", "is skipped": "when: false", "may be skipped": "when: missing"} {
		t.Run("one that "+name+" is let come", func(t *testing.T) {
			var b bench
			run := b.visit(t, &shop{}, "tasks: [{module: Look}, {module: Optimise, "+task+"}]", nil)
			require.Equal(t, engine.Succeeded, run.Status)
		})
	}
}

// D3.
func TestK16AMachineWithoutATaskToolDoesNotBeginTheJob(t *testing.T) {
	var b bench
	run := b.visit(t, &shop{}, "tasks: [{module: Look}, {name: shrink, module: Convert}]", nil)
	require.Equal(t, engine.Unfit, run.Failure.Reason)
	require.Empty(t, run.Failure.Class)
	require.Empty(t, run.Tasks)
	require.Equal(t, "test.yaml:1:40", run.Failure.Place)
	require.Contains(t, run.Failure.Message, `test.yaml:1:40: task "shrink" needs ImageMagick`)
}

func TestATaskThatPrefersAGPURunsOnTheCPUAndSaysSo(t *testing.T) {
	var b bench
	run := b.visit(t, &shop{}, "tasks: [{name: draw, module: Draw, register: drawn, retry: 1}]", nil)
	require.Equal(t, engine.Succeeded, run.Status)
	require.Equal(t, "cpu", run.Tasks[0].Device)
	require.Equal(t, "cpu", run.Result["drawn"].(map[string]any)["device"])
	require.Equal(t, "preferred", run.Result["drawn"].(map[string]any)["wants"], "its module knows that the CPU will do")
	require.Equal(t, []string{`task "draw" runs on the CPU: there are too few`}, run.Warnings)
}

func TestWhoRunsAPipelineSaysHowMuchItsTasksWantAGPU(t *testing.T) {
	const doc = "tasks: [{name: draw, module: Draw}, {name: look, module: Look}, {name: hard, module: Look, gpu: 1}]"
	for _, tt := range []struct {
		use    gpu.Use
		status engine.Status
		on     []string
	}{
		{gpu.None, engine.Succeeded, []string{"", "", ""}},
		{gpu.Preferred, engine.Succeeded, []string{"cpu", "", "cpu"}},
		{gpu.Required, engine.Canceled, nil},
		{"", engine.Canceled, nil},
	} {
		t.Run(string(tt.use), func(t *testing.T) {
			var b bench
			run := b.visit(t, &shop{}, doc, func(in *engine.Input) { in.GPU = tt.use })
			require.Equal(t, tt.status, run.Status)
			var on []string
			for _, task := range run.Tasks {
				on = append(on, task.Device)
			}
			require.Equal(t, tt.on, on)
		})
	}
}

func TestAGPUThatIsInsistedOnAndThatNoTaskHasAUseForIsAWarning(t *testing.T) {
	const warning = "no task of this pipeline has a use for a GPU: it is required in vain (millrace run --gpu=required)"
	for doc, want := range map[string][]string{
		"tasks: [{module: Look}, {module: Look, gpu: none}]":                      {warning},
		"tasks: [{module: Look}, {name: draw, when: false, module: Draw}]":        nil,
		"tasks: [{module: Look}, {name: late, module: Look, gpu: {memory: 1Gi}}]": nil,
		"tasks: [{module: Look}, {name: later, module: Optimise, when: missing}]": {warning},
	} {
		var b bench
		run := b.visit(t, &shop{gpus: 1}, doc, func(in *engine.Input) { in.GPU = gpu.Required })
		require.Equal(t, engine.Succeeded, run.Status)
		require.Equal(t, want, run.Warnings)
	}
}

// What a machine had when the run began may be gone at a task's turn.
func TestF43ADeviceThatIsGoneAtATasksTurnEndsTheRunAtNoCost(t *testing.T) {
	var b bench
	run := b.visit(t, &shop{gpus: 1, gone: true}, "tasks: [{module: Look}, {name: draw, module: Draw, gpu: required, retry: 5}]", nil)
	require.Equal(t, engine.Canceled, run.Status)
	require.Equal(t, engine.Unfit, run.Failure.Reason)
	require.Equal(t, 1, run.Tasks[1].Tries)
}

// It was there when the run began. Where its machine still has it, the failure is the task's own.
func TestK16AToolThatIsGoneAtATasksTurnEndsTheRunAtNoCost(t *testing.T) {
	for _, tt := range []struct {
		name   string
		gone   bool
		soft   string
		status engine.Status
		reason engine.Reason
	}{
		{"it is gone", true, "true", engine.Canceled, engine.Unfit},
		{"it is there", false, "true", engine.Failed, ""},
		{"of a task that may fail", true, "false", engine.Succeeded, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b bench
			s := &shop{tools: map[string]bool{"ImageMagick": true}, gone: tt.gone}
			run := b.visit(t, s, "tasks: [{name: shrink, module: Convert, throw: "+tt.soft+", retry: 5, props: {gone: true}}]", nil)
			require.Equal(t, tt.status, run.Status)
			require.Equal(t, 1, run.Tasks[0].Tries)
			if tt.status != engine.Succeeded {
				require.Equal(t, tt.reason, run.Failure.Reason)
			}
		})
	}
}

// What its program makes of that may be known first.
func TestF44ALostDeviceInterruptsTheRun(t *testing.T) {
	for _, tt := range []struct{ name, props string }{
		{"while its task runs", "{sleep: 1h}"},
		{"after the task has failed for it", "{fail: CUDA error 999}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b bench
				ctx, end := context.WithCancelCause(t.Context())
				defer end(nil)
				s := &shop{gpus: 1, end: end, late: 100 * time.Millisecond}
				e, in := b.input(t, `
callbacks: {onError: [{module: Tell, props: {say: error}}]}
tasks: [{name: draw, module: Do, throw: false, gpu: 1, props: `+tt.props+`}]`)
				in.Host = s
				run := e.Run(ctx, in)
				require.Equal(t, engine.Canceled, run.Status)
				require.Equal(t, engine.GPULost, run.Failure.Reason)
				require.Equal(t, "GPU-0 fell off the bus", run.Failure.Message)
				require.Empty(t, b.told)
				require.Zero(t, s.out)
			})
		})
	}
}

// A slow machine is asked as somebody cancels the job.
type slow struct {
	shop
	stop context.CancelCauseFunc
}

func (s *slow) Fit(ctx context.Context, _ engine.Need) error {
	s.stop(&engine.Stop{Reason: engine.Cancel, Message: "no more"})
	return context.Cause(ctx)
}

func TestARunThatIsStoppedAsItsMachineIsAskedIsNotTheFaultOfAPlace(t *testing.T) {
	var b bench
	ctx, stop := context.WithCancelCause(t.Context())
	e, in := b.input(t, "tasks: [{module: Do, gpu: 1}]")
	in.Host = &slow{stop: stop}
	run := e.Run(ctx, in)
	require.Equal(t, engine.Cancel, run.Failure.Reason)
	require.Equal(t, "no more", run.Failure.Message)
	require.Empty(t, run.Failure.Place)
}
