package worker_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/dirblob"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/launch"
	"github.com/millrace/millrace/worker/record"
)

// uploads gives the plant's worker a store with these objects, which no other test has.
func (p *plant) uploads(objects map[string]string) *dirblob.Store {
	p.t.Helper()
	s, err := dirblob.Open(p.t.TempDir())
	require.NoError(p.t, err)
	p.t.Cleanup(func() { s.Close() })
	for key, text := range objects {
		_, err := s.Put(p.t.Context(), key, strings.NewReader(text), blob.PutOptions{})
		require.NoError(p.t, err)
	}
	p.cfg.Uploads = s
	return s
}

func inputs(all ...job.Input) map[string]any {
	return map[string]any{"id": "j", "pipeline": "p", "inputs": all}
}

func TestInputsLieInTheWorkspaceBeforeTheJobBegins(t *testing.T) {
	t.Parallel()
	var got []string
	p := newPlant(t, func(ctx context.Context, workspace string, req *launch.Request) *engine.Run {
		for _, name := range []string{"gear.stl", "in/Räder +1.stl", ".inputs/2.zip"} {
			b, err := os.ReadFile(filepath.Join(workspace, name))
			got = append(got, string(b))
			if err != nil {
				got = append(got, err.Error())
			}
		}
		return succeed(ctx, workspace, req)
	})
	p.uploads(map[string]string{"uploads/j/inputs/gear.stl": "a", "uploads/j/inputs/Räder +1.stl": "b", "uploads/k/inputs/x.zip": "c"})
	id := p.send(inputs(
		job.Input{Key: "uploads/j/inputs/gear.stl", Name: "gear.stl"},
		job.Input{Key: "uploads/j/inputs/Räder +1.stl", Name: "in/Räder +1.stl"},
		job.Input{Key: "uploads/k/inputs/x.zip", Name: ".", Unpack: true},
	))
	p.run()
	require.Equal(t, record.Succeeded, p.load(id).Status)
	require.Equal(t, []string{"a", "b", "c"}, got)
}

func TestAJobWhoseInputsCanNeverBeHadFailsWithASentence(t *testing.T) {
	t.Parallel()
	p := newPlant(t, succeed)
	p.uploads(map[string]string{"uploads/j/inputs/a": "aaaa", "uploads/j/inputs/b": strings.Repeat("b", 3<<20)})
	p.cfg.MaxInput = 2 << 20
	a := job.Input{Key: "uploads/j/inputs/a", Name: "a"}
	for name, tt := range map[string]struct {
		in    []job.Input
		wrong string
	}{
		"missing":    {[]job.Input{a, {Key: "uploads/j/inputs/gone", Name: "gone"}}, `"gone": nothing stands under uploads/j/inputs/gone`},
		"too-large":  {[]job.Input{a, {Key: "uploads/j/inputs/b", Name: "b"}}, "MILLRACE_MAX_INPUT"},
		"in-the-way": {[]job.Input{a, {Key: "uploads/j/inputs/a", Name: "a/b"}}, "give the inputs other names"},
	} {
		body := inputs(tt.in...)
		body["id"] = name
		p.send(body)
		p.run()
		final := p.load(name)
		require.Equal(t, record.Failed, final.Status, name)
		require.Contains(t, final.Message, tt.wrong, name)
	}
	require.Zero(t, p.runs.Load())
}

// faulty is a store that fails some times.
type faulty struct {
	blob.Store
	times int
}

func (f *faulty) Open(ctx context.Context, key string) (io.ReadCloser, blob.Info, error) {
	if f.times--; f.times >= 0 {
		return nil, blob.Info{}, errors.New("the network is down")
	}
	return f.Store.Open(ctx, key)
}

func TestAStoreThatFailsWhileInputsAreFetchedCostsTheJobNoAttempt(t *testing.T) {
	t.Parallel()
	p := newPlant(t, succeed)
	p.cfg.Uploads = &faulty{p.uploads(map[string]string{"uploads/j/inputs/a": "a"}), 1}
	p.fetchesAgain(job.Input{Key: "uploads/j/inputs/a", Name: "a"})
}

// fetchesAgain sees that a job whose input can't be fetched costs no attempt, and that the next delivery of its message runs it.
func (p *plant) fetchesAgain(in job.Input) {
	p.t.Helper()
	body := inputs(in)
	id := p.send(body)
	p.run()
	require.Zero(p.t, p.runs.Load())
	require.Equal(p.t, record.AttemptInterrupted, p.load(id).Attempts[0].Status)
	p.send(body)
	p.run()
	require.Equal(p.t, record.Succeeded, p.load(id).Status)
}

// growing is a store in which an object is replaced by a larger one after it was looked at for the first time.
type growing struct {
	blob.Store
	looked bool
}

func (g *growing) Open(ctx context.Context, key string) (io.ReadCloser, blob.Info, error) {
	if g.looked {
		if _, err := g.Put(ctx, key, strings.NewReader("larger"), blob.PutOptions{}); err != nil {
			return nil, blob.Info{}, err
		}
	}
	g.looked = !g.looked
	return g.Store.Open(ctx, key)
}

func TestAnInputThatGrowsTakesNoMoreRoomThanItWasGiven(t *testing.T) {
	t.Parallel()
	p := newPlant(t, succeed)
	p.cfg.Uploads = &growing{Store: p.uploads(map[string]string{"files/a": "a"})}
	p.fetchesAgain(job.Input{Key: "files/a", Name: "a"}) // by then it has its size
}

// endless is a store whose objects come for ever. began is closed when one does.
type endless struct {
	blob.Store
	began chan struct{}
}

func (e *endless) Open(ctx context.Context, key string) (io.ReadCloser, blob.Info, error) {
	r, in, err := e.Store.Open(ctx, key)
	if err != nil {
		return nil, in, err
	}
	return &endlessObject{r, ctx, e.began}, in, nil
}

type endlessObject struct {
	io.ReadCloser
	ctx   context.Context
	began chan struct{}
}

func (o *endlessObject) Read([]byte) (int, error) {
	close(o.began)
	<-o.ctx.Done()
	return 0, o.ctx.Err()
}

func TestACancelStopsTheFetchingOfInputs(t *testing.T) {
	t.Parallel()
	p := newPlant(t, succeed)
	e := &endless{p.uploads(map[string]string{"uploads/j/inputs/a": "a"}), make(chan struct{})}
	p.cfg.Uploads = e
	id := p.send(inputs(job.Input{Key: "uploads/j/inputs/a", Name: "a"}))
	go func() {
		<-e.began
		_ = p.records.Cancel(context.Background(), id, "not needed")
	}()
	p.run()
	require.Equal(t, record.Cancelled, p.load(id).Status)
	require.Equal(t, "not needed", p.load(id).Message)
	require.Zero(t, p.runs.Load())
}
