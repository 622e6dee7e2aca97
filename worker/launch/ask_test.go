package launch_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/disk"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/modules/tool"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/launch"
)

const reserved = 1 << 30 // bytes of disk that jobs of these tests ask for

// askFor is what behave does for jobs that want something of their machine.
func askFor(ctx context.Context, req *launch.Request, rep engine.Reporter, run *engine.Run) {
	arg, _ := req.Job.State["arg"].(string)
	fail := func(err error) {
		run.Failure = engine.Fail(ctx, "it", err)
		run.Status = engine.Failed
		if run.Failure.Reason.Interruption() {
			run.Status = engine.Canceled
		}
	}
	take := func() error {
		_, err := req.Host.Reserve(ctx, engine.Need{Task: "it", Disk: reserved})
		return err
	}
	switch req.Job.State["do"] {
	case "fit":
		if err := req.Host.Fit(ctx, engine.Need{Task: "it", Tools: strings.Fields(arg)}); err != nil {
			fail(err)
		}
	case "be unfit twice":
		err := req.Host.Fit(ctx, engine.Need{Task: "it", GPU: gpu.Need{Use: gpu.Required}})
		_ = req.Host.Fit(ctx, engine.Need{Task: "other", Tools: []string{"ImageMagick"}})
		fail(err)
	case "hold memory":
		mib, _ := strconv.ParseInt(arg, 10, 64)
		if _, err := req.Host.Reserve(ctx, engine.Need{Task: "it", Memory: mib << 20}); err != nil {
			fail(err)
		}
	case "be unfit when stopped":
		err := req.Host.Fit(ctx, engine.Need{Task: "it", GPU: gpu.Need{Use: gpu.Required, Count: 64}})
		rep.Report(ctx, engine.Event{Kind: engine.TaskStdout, Line: "refused"})
		<-ctx.Done()
		run.Status, run.Failure = engine.Canceled, engine.Fail(context.Background(), "it", err)
	case "keys":
		keys, err := req.Keys(ctx, cloud.Service(arg))
		run.Result["id"], run.Result["error"] = keys.ID, fmt.Sprint(err)
		if err != nil {
			fail(err)
		}
	case "keys for a moment":
		ctx, cancel := context.WithTimeoutCause(ctx, 100*time.Millisecond, errors.New("too slow"))
		defer cancel()
		_, err := req.Keys(ctx, cloud.Service(arg))
		run.Result["error"] = fmt.Sprint(err)
	case "hold and die":
		fmt.Fprintln(os.Stderr, "panic:", take())
		os.Exit(3)
	case "hold and end":
		run.Result["error"] = fmt.Sprint(take())
	case "hold twice":
		if err := errors.Join(take(), take()); err != nil {
			fail(err)
		}
	case "hold and give back":
		for range 10 {
			g, err := req.Host.Reserve(ctx, engine.Need{Task: "it", Disk: reserved})
			if err != nil {
				fail(err)
				return
			}
			g.Release()
		}
	case "want a gpu":
		g, err := req.Host.Reserve(ctx, engine.Need{Task: "it", GPU: gpu.Need{Use: gpu.Use(arg)}})
		if err != nil {
			fail(err)
			return
		}
		defer g.Release()
		run.Result["why"], run.Result["devices"] = g.Why, len(g.Devices)
	case "gpus":
		if err := holdGPUs(ctx, req, rep, run); err != nil {
			fail(err)
		}
	case "use devices":
		run.Result = useDevices(arg)
	case "run on a gpu":
		if err := runHolding(ctx, req, arg, run); err != nil {
			fail(err)
		}
	case "say":
		fmt.Println(arg)
		<-ctx.Done()
		time.Sleep(time.Hour)
	}
}

// holdGPUs is what behave does for jobs that have GPUs.
func holdGPUs(ctx context.Context, req *launch.Request, rep engine.Reporter, run *engine.Run) error {
	var count int
	var then string
	_, _ = fmt.Sscan(req.Job.State["arg"].(string), &count, &then)
	g, err := req.Host.Reserve(ctx, engine.Need{Task: "it", GPU: gpu.Need{Use: gpu.Required, Count: count}})
	if err != nil {
		return err
	}
	defer g.Release()
	var ids []string
	for _, d := range g.Devices {
		ids = append(ids, d.UUID)
	}
	run.Result["has"] = strings.Join(ids, " ")
	rep.Report(ctx, engine.Event{Kind: engine.TaskStdout, Line: "has them"})
	if then != "wait" {
		time.Sleep(50 * time.Millisecond)
	}
	switch then {
	case "die":
		panic("with all of them")
	case "wait":
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return nil
}

// holding returns a disk on which no two jobs get what they ask for.
func holding(t *testing.T) *disk.Space {
	t.Helper()
	dir := t.TempDir()
	free, err := disk.New(dir, 0).Free()
	require.NoError(t, err)
	return disk.New(dir, free-reserved*3/2)
}

// launchers are both kinds on one machine.
func launchers(t *testing.T, m *launch.Machine) map[string]launch.Launcher {
	t.Helper()
	return map[string]launch.Launcher{
		"pool":   newPool(t, func(c *launch.Config) { c.Machine = m }),
		"inline": &launch.Inline{Root: t.TempDir(), Run: behave, Machine: m},
	}
}

// By name, and in a sentence that the worker wrote.
func TestK16AJobWhoseToolIsMissingIsUnfitWhereItWasLaunched(t *testing.T) {
	machine := &launch.Machine{Tools: &tool.Set{Declared: []tool.Tool{{Name: "ImageMagick", Programs: []string{"magick"}, Get: "install it"}}}}
	for name, l := range launchers(t, machine) {
		t.Run(name, func(t *testing.T) {
			run, _ := launchOne(t, l, request("fit", "ImageMagick"))
			require.Equal(t, engine.Canceled, run.Status)
			require.Equal(t, engine.Unfit, run.Failure.Reason)
			require.Equal(t, fault.Canceled, run.Failure.Kind)
			require.Contains(t, run.Failure.Message, `task "it": ImageMagick is missing: `)
			require.Contains(t, run.Failure.Message, "; install it")
			require.Equal(t, "it", run.Failure.Task)
		})
	}
}

// This machine has no driver, or its worker was told to use none.
func TestE4F43AJobThatRequiresAGPUIsUnfitWhereThereIsNoneAndOneThatPrefersItIsNot(t *testing.T) {
	for name, l := range launchers(t, nil) {
		t.Run(name, func(t *testing.T) {
			run, _ := launchOne(t, l, request("want a gpu", string(gpu.Required)))
			require.Equal(t, engine.Unfit, run.Failure.Reason)
			require.Equal(t, engine.GPUClass, run.Failure.Class)
			require.Contains(t, run.Failure.Message, `task "it" needs a GPU: no job here gets one (--gpu=off)`)
			run, _ = launchOne(t, l, request("want a gpu", string(gpu.Preferred)))
			require.Equal(t, engine.Succeeded, run.Status)
			require.Equal(t, "no job here gets one (--gpu=off)", run.Result["why"])
		})
	}
}

// Its class is where the job goes next.
func TestAJobIsUnfitForTheReasonThatItsTaskWasTold(t *testing.T) {
	machine := &launch.Machine{Tools: &tool.Set{Declared: []tool.Tool{{Name: "ImageMagick", Programs: []string{"no-such-magick"}, Get: "install it"}}}}
	run, _ := launchOne(t, newPool(t, func(c *launch.Config) { c.Machine = machine }), request("be unfit twice", ""))
	require.Equal(t, engine.Unfit, run.Failure.Reason)
	require.Contains(t, run.Failure.Message, `task "it" needs a GPU`)
	require.Equal(t, engine.GPUClass, run.Failure.Class)
}

func TestWhatAJobHoldsGoesBackWhenItEndsOrDies(t *testing.T) {
	machine := &launch.Machine{Disk: holding(t)}
	for name, l := range launchers(t, machine) {
		for _, do := range []string{"hold and end", "hold and give back", "hold and die"} {
			if name == "inline" && do == "hold and die" {
				continue // it would be us who die
			}
			t.Run(name+": "+do, func(t *testing.T) {
				run, _ := launchOne(t, l, request(do, ""))
				if do == "hold and die" {
					require.Contains(t, run.Failure.Message, "panic: <nil>", "it had it")
				} else {
					require.Equal(t, engine.Succeeded, run.Status, "%+v", run.Failure)
				}
				release, err := machine.Disk.Reserve("", reserved)
				require.NoError(t, err, "all of it is free again")
				release()
			})
		}
	}
}

// It is none of the job's doing.
func TestF23ADiskThatIsTakenCostsAJobNothing(t *testing.T) {
	machine := &launch.Machine{Disk: holding(t)}
	release, err := machine.Disk.Reserve("", reserved)
	require.NoError(t, err)
	defer release()
	for name, l := range launchers(t, machine) {
		t.Run(name, func(t *testing.T) {
			run, _ := launchOne(t, l, request("hold and give back", ""))
			require.Equal(t, engine.Canceled, run.Status)
			require.Equal(t, engine.Unfit, run.Failure.Reason)
			require.Equal(t, fault.Canceled, run.Failure.Kind)
			require.True(t, run.Failure.Busy)
			require.Contains(t, run.Failure.Message, `task "it": the task needs 1024 MiB of disk`)
		})
	}
}

// To send the job back would be free for ever, and never better.
func TestADiskThatAJobHasTakenItselfIsWorthAnotherTry(t *testing.T) {
	for name, l := range launchers(t, &launch.Machine{Disk: holding(t)}) {
		t.Run(name, func(t *testing.T) {
			run, _ := launchOne(t, l, request("hold twice", ""))
			require.Equal(t, engine.Failed, run.Status)
			require.Equal(t, engine.DiskFull, run.Failure.Reason)
			require.Equal(t, fault.Transient, run.Failure.Kind)
			require.Contains(t, run.Failure.Message, "the task needs 1024 MiB of disk")
		})
	}
}

func TestADiskThatNoJobCouldHaveIsAnotherWorkers(t *testing.T) {
	_, s := (&launch.Machine{Disk: holding(t)}).Share(t.Context(), new(launch.Request), launch.Dir{})
	defer s.Close()
	_, err := s.Reserve(t.Context(), engine.Need{Task: "it", Disk: math.MaxInt64})
	stop := new(engine.Stop)
	require.ErrorAs(t, err, &stop)
	require.Equal(t, engine.Unfit, stop.Reason)
	require.False(t, stop.Busy, "it need not come back here")
}

func TestAJobGetsItsKeysFromItsWorker(t *testing.T) {
	machine := &launch.Machine{Keys: func(_ context.Context, req *launch.Request, s cloud.Service) (cloud.Keys, error) {
		if s != cloud.ServiceAWS || !req.Trusted {
			return cloud.Keys{}, fault.As(fault.Permanent, errors.New("jobs get no keys of "+string(s)))
		}
		return cloud.Keys{ID: "AKIA"}, nil
	}}
	for name, l := range launchers(t, machine) {
		t.Run(name, func(t *testing.T) {
			trusted := request("keys", "aws")
			trusted.Trusted = true
			run, _ := launchOne(t, l, trusted)
			require.Equal(t, "AKIA", run.Result["id"])
			run, _ = launchOne(t, l, request("keys", "aws"))
			require.Equal(t, "jobs get no keys of aws", run.Failure.Message, "what the worker knows of the request counts")
			run, _ = launchOne(t, l, request("keys", "gcs"))
			require.Equal(t, "jobs get no keys of gcs", run.Failure.Message)
			require.Equal(t, fault.Permanent, run.Failure.Kind)
		})
	}
}

// A slow source of keys answers when whoever asks has given up.
func slow(ended *sync.WaitGroup) *launch.Machine {
	return &launch.Machine{Keys: func(ctx context.Context, _ *launch.Request, _ cloud.Service) (cloud.Keys, error) {
		ended.Add(1)
		defer ended.Done()
		<-ctx.Done()
		return cloud.Keys{}, context.Cause(ctx)
	}}
}

func TestAnAskOfAStoppedJobIsAnsweredAtOnce(t *testing.T) {
	var stop context.CancelCauseFunc
	machine := &launch.Machine{Keys: func(ctx context.Context, _ *launch.Request, _ cloud.Service) (cloud.Keys, error) {
		stop(&engine.Stop{Reason: engine.Shutdown, Message: "going away"}) // while it is asked
		<-ctx.Done()
		return cloud.Keys{}, context.Cause(ctx)
	}}
	for name, l := range launchers(t, machine) {
		t.Run(name, func(t *testing.T) {
			var ctx context.Context
			ctx, stop = context.WithCancelCause(t.Context())
			out, err := l.Launch(ctx, request("keys", "aws"), new(lines))
			require.NoError(t, err)
			out.Close()
			require.Equal(t, engine.Canceled, out.Run.Status)
			require.Equal(t, engine.Shutdown, out.Run.Failure.Reason)
		})
	}
}

func TestAJobEndsWhoseKeysNeverCome(t *testing.T) {
	came := make(chan struct{})
	var ended sync.WaitGroup
	ended.Add(1)
	machine := &launch.Machine{Keys: func(context.Context, *launch.Request, cloud.Service) (cloud.Keys, error) { // heeds no context
		defer ended.Done()
		<-came
		return cloud.Keys{}, nil
	}}
	l := newPool(t, func(c *launch.Config) { c.Machine, c.Grace = machine, 50*time.Millisecond })
	run, _ := launchOne(t, l, request("keys for a moment", "aws"))
	require.Equal(t, "too slow", run.Result["error"])
	run, _ = launchOne(t, l, request("", ""))
	require.Equal(t, engine.Succeeded, run.Status, "its slot is free")
	close(came)
	ended.Wait()
}

func TestAnAskThatItsTaskGaveUpIsWithdrawn(t *testing.T) {
	var ended sync.WaitGroup
	l := newPool(t, func(c *launch.Config) { c.Machine, c.Reuse = slow(&ended), 5 })
	for range 2 { // in one process: an answer to the first is nobody's
		run, _ := launchOne(t, l, request("keys for a moment", "aws"))
		require.Equal(t, "too slow", run.Result["error"])
		ended.Wait()
	}
}

func TestAChildThatAsksForNonsenseIsEnded(t *testing.T) {
	many := make([]string, 300)
	for i := range many {
		many[i] = fmt.Sprintf(`{"ask":{"id":%d,"keys":"aws"}}`, i+1)
	}
	var ended sync.WaitGroup
	p := newPool(t, func(c *launch.Config) { c.Machine = slow(&ended) })
	for _, tt := range []struct{ name, says, want string }{
		{"nothing", `{"ask":{"id":1}}`, "it asked for what makes no sense"},
		{"no ID", `{"ask":{"fit":{"task":"x"}}}`, "it asked for what makes no sense"},
		{"more GPUs than there are anywhere", `{"ask":{"id":1,"reserve":{"task":"x","gpu":{"use":"required","count":65}}}}`, "it asked for what makes no sense"},
		{"a use that is none", `{"ask":{"id":1,"fit":{"task":"x","gpu":{"use":"please"}}}}`, "it asked for what makes no sense"},
		{"less than nothing", `{"ask":{"id":1,"reserve":{"task":"x","disk":-1}}}`, "it asked for what makes no sense"},
		{"less memory than none", `{"ask":{"id":1,"reserve":{"task":"x","memory":-1}}}`, "it asked for what makes no sense"},
		{"the same twice", many[0] + "\n" + many[0], "it asked for what makes no sense"},
		{"two things at once", `{"ask":{"id":1,"keys":"aws","fit":{"task":"x"}}}`, "it asked for what makes no sense"},
		{"to give back what it asks for", `{"ask":{"id":1,"keys":"aws","release":true}}`, "it asked for what makes no sense"},
		{"more than it can need to say", `{"ask":{"id":1,"fit":{"task":"` + strings.Repeat("x", 65<<10) + `"}}}`, "it asked for more than any job needs"},
		{"too much at once", strings.Join(many, "\n"), "it asked for more than any job needs"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run, _ := launchOne(t, p, request("say", tt.says))
			require.Equal(t, engine.Crash, run.Failure.Reason)
			require.Contains(t, run.Failure.Message, tt.want)
			ended.Wait()
		})
	}
}

func TestAChildThatReadsNoAnswersHoldsNobodyUp(t *testing.T) {
	// Each answer is an error of some length: together they are more than a pipe holds.
	long := errors.New(strings.Repeat("no ", 2000))
	machine := &launch.Machine{Keys: func(context.Context, *launch.Request, cloud.Service) (cloud.Keys, error) { return cloud.Keys{}, long }}
	var script strings.Builder
	for i := range 200 {
		fmt.Fprintf(&script, `{"ask":{"id":%d,"keys":"aws"}}`+"\n", i+1)
	}
	p := newPool(t, func(c *launch.Config) {
		c.Machine, c.Env, c.Log = machine, []string{childVar + "=shouts", "SCRIPT=" + script.String()}, slog.New(slog.DiscardHandler)
	})
	out, err := p.Launch(t.Context(), request("", ""), new(lines))
	require.NoError(t, err)
	out.Close()
	require.Equal(t, engine.Succeeded, out.Run.Status)
}

func TestAChildThatReadsNoAnswersHasNotManyOfThemWait(t *testing.T) {
	long := errors.New(strings.Repeat("no ", 2000))
	machine := &launch.Machine{Keys: func(context.Context, *launch.Request, cloud.Service) (cloud.Keys, error) { return cloud.Keys{}, long }}
	var script strings.Builder
	for i := range 600 {
		fmt.Fprintf(&script, `{"ask":{"id":%d,"keys":"aws"}}`+"\n", i+1)
	}
	p := newPool(t, func(c *launch.Config) {
		c.Machine, c.Env = machine, []string{childVar + "=shouts", "SCRIPT=" + script.String()}
	})
	out, err := p.Launch(t.Context(), request("", ""), new(lines))
	require.NoError(t, err)
	out.Close()
	require.NotNil(t, out.Run.Failure)
	require.Contains(t, out.Run.Failure.Message, "it asked for more than any job needs")
}

// shout is a child that asks for much, reads no answer, and says that its job has ended.
func shout() {
	deafen := make([]byte, 1<<10)
	_, _ = os.Stdin.Read(deafen) // its setup
	fmt.Println(`{"ready":{"confined":"no"}}`)
	_, _ = os.Stdin.Read(deafen) // the request
	fmt.Print(os.Getenv("SCRIPT"))
	fmt.Println(`{"done":{"pipeline":"p","status":"succeeded","started":"2026-01-01T00:00:00Z","tasks":[],"total":0}}`)
	time.Sleep(time.Hour)
}
