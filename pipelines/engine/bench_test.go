package engine_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/redact"
	"github.com/millrace/millrace/modules/show"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/pipelines/render"
)

// do is a module that does what its props say.
type do struct {
	Print  string        `json:"print,omitzero" doc:"Line to print."`
	Fail   string        `json:"fail,omitzero" doc:"Error to fail with."`
	Times  int           `json:"times,omitzero" doc:"Fail only so often."`
	Sleep  time.Duration `json:"sleep,omitzero" doc:"How long to take."`
	Panic  string        `json:"panic,omitzero" doc:"What to panic with."`
	Never  bool          `json:"never,omitzero" doc:"The failure is permanent."`
	Secret string        `json:"secret,omitzero" secret:"true" doc:"A secret."`
	Set    string        `json:"set,omitzero" doc:"State key to set."`
}

type done struct {
	Said string `json:"said" doc:"What it printed."`
}

// A bench runs pipelines whose modules are Do (tasks) and Tell (callbacks), and notes what happens.
type bench struct {
	mu     sync.Mutex
	told   []string // what callbacks said, in order
	events []engine.Event
	fails  int
}

// failed counts a failure.
func (b *bench) failed() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fails++
	return b.fails
}

func (b *bench) module() modules.Module {
	return modules.Define(modules.Spec{Name: "Do", Summary: "Does what its props say.", Example: "- module: Do\n"},
		func(ctx context.Context, c *modules.Call, p do) (done, error) {
			if p.Print != "" {
				fmt.Fprintln(c.Stdout, p.Print)
			}
			if p.Panic != "" {
				panic(p.Panic)
			}
			if p.Set != "" {
				c.State.Set(p.Set, "set")
			}
			select {
			case <-time.After(p.Sleep):
			case <-ctx.Done():
				return done{}, ctx.Err()
			}
			if p.Fail != "" && (p.Times == 0 || b.failed() <= p.Times) {
				err := errors.New(p.Fail)
				if p.Never {
					err = fault.As(fault.Permanent, err)
				}
				return done{}, err
			}
			return done{Said: p.Print}, nil
		})
}

func (b *bench) needy() modules.Module {
	type props struct {
		Src string `json:"src" doc:"Required, so it must not be empty."`
	}
	return modules.Define(modules.Spec{Name: "Need", Summary: "Needs a prop.", Example: "- module: Need\n  props: {src: x}\n"},
		func(context.Context, *modules.Call, props) (done, error) { return done{}, nil })
}

func (b *bench) callback() modules.Module {
	type props struct {
		Say  string `json:"say" doc:"What to note."`
		Fail bool   `json:"fail,omitzero" doc:"Fail after that."`
	}
	return modules.Define(modules.Spec{
		Name: "Tell", Summary: "Notes what it is told.", Example: "- module: Tell\n  props: {say: x}\n",
		Plugin: map[string]any{"say": show.Event},
	},
		func(_ context.Context, _ *modules.Call, p props) (struct{}, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.told = append(b.told, p.Say)
			if p.Fail {
				return struct{}{}, errors.New("no answer")
			}
			return struct{}{}, nil
		})
}

// input parses a document and makes what an engine needs of it.
func (b *bench) input(t *testing.T, doc string) (*engine.Engine, engine.Input) {
	t.Helper()
	p, err := pipelines.Parse("test.yaml", []byte(doc))
	require.NoError(t, err)
	state, err := render.NewState(t.Context(), render.Config{Document: p.State, Job: map[string]any{"id": "job-1"}})
	require.NoError(t, err)
	mods, err := modules.NewRegistry(b.module(), b.needy())
	require.NoError(t, err)
	cbs, err := modules.NewRegistry(b.callback())
	require.NoError(t, err)
	return engine.New(engine.Config{Modules: mods, Callbacks: cbs}), engine.Input{
		Pipeline: p, State: state, Redact: new(redact.Set),
		Report: engine.ReporterFunc(func(_ context.Context, ev engine.Event) { b.events = append(b.events, ev) }),
	}
}

func (b *bench) run(t *testing.T, doc string) *engine.Run {
	e, in := b.input(t, doc)
	return e.Run(t.Context(), in)
}
