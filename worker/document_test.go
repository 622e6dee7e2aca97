package worker_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/dirblob"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/launch"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

const (
	first  = "name: first\ntasks: []\n"
	second = "name: second\ntasks: []\n"
)

// A shelf is a plant whose catalogue is a folder with the pipeline p.yaml, whose jobs note what they ran and then fail
// as long as failing says so.
type shelf struct {
	*plant
	folder  string
	ran     []string
	trusted bool
	failing bool
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{folder: t.TempDir()}
	s.plant = newPlant(t, func(_ context.Context, _ string, req *launch.Request) *engine.Run {
		s.ran = append(s.ran, req.Source+" "+string(req.Document))
		s.trusted = req.Trusted
		if s.failing {
			return &engine.Run{Status: engine.Failed, Failure: &engine.Failure{Kind: fault.Transient, Task: "t", Message: "it broke"}}
		}
		return &engine.Run{Status: engine.Succeeded}
	})
	s.cfg.Pipelines = pipelines.NewCatalogue(s.folder)
	s.write(first)
	return s
}

func (s *shelf) write(doc string) {
	s.t.Helper()
	require.NoError(s.t, os.WriteFile(filepath.Join(s.folder, "p.yaml"), []byte(doc), 0o600))
}

func TestALaterAttemptRunsTheDocumentThatTheFirstRan(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.failing = true
	id := s.send(map[string]any{"pipeline": "p"})
	s.run()
	s.write(second)
	s.again(id)
	s.run()
	require.NoError(t, os.Remove(filepath.Join(s.folder, "p.yaml")))
	s.failing = false
	s.again(id)
	s.run()
	require.Equal(t, []string{"p.yaml " + first, "p.yaml " + first, "p.yaml " + first}, s.ran)
	require.True(t, s.trusted)
	r := s.load(id)
	require.Equal(t, record.Succeeded, r.Status)
	require.Equal(t, pipelines.Digest([]byte(first)), r.Digest)

	s.write(second)
	s.run() // the messages that again sent are owed an ack alone
	next := s.send(map[string]any{"pipeline": "p"})
	s.run()
	require.Equal(t, "p.yaml "+second, s.ran[len(s.ran)-1])
	require.Equal(t, pipelines.Digest([]byte(second)), s.load(next).Digest)
}

func TestAMessageGetsTheVersionThatItAsksFor(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.send(map[string]any{"pipeline": "p"})
	s.run()
	s.write(second)
	old := s.send(map[string]any{"pipeline": "p", "version": pipelines.Digest([]byte(first))})
	s.run()
	s.send(map[string]any{"pipeline": "p@" + pipelines.Digest([]byte(second))})
	s.run()
	require.Equal(t, []string{"p.yaml " + first, "p.yaml " + first, "p.yaml " + second}, s.ran)
	require.Equal(t, pipelines.Digest([]byte(first)), s.load(old).Digest)

	never := "sha256:" + strings.Repeat("0", 64)
	id := s.send(map[string]any{"pipeline": "p", "version": never})
	s.run()
	r := s.load(id)
	require.Equal(t, record.Failed, r.Status)
	require.Contains(t, r.Message, "the message asks for p.yaml in the version "+never+"; the catalogue has "+pipelines.Digest([]byte(second)))

	id = s.send(map[string]any{"pipeline": first, "version": never})
	s.run()
	require.Contains(t, s.load(id).Message, "the message asks for the version "+never+", and the pipeline that it brings is "+pipelines.Digest([]byte(first)))
	id = s.send(map[string]any{"pipeline": first, "version": pipelines.Digest([]byte(first))})
	s.run()
	require.Equal(t, record.Succeeded, s.load(id).Status)
	require.False(t, s.trusted)
}

// What a message brings is not the operator's: no other message may have it run as if it were.
func TestAnInlinePipelineIsNotKeptForOthers(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	inline := "name: inline\ntasks: []\n"
	s.send(map[string]any{"pipeline": inline})
	s.run()
	require.Len(t, s.ran, 1)
	id := s.send(map[string]any{"pipeline": "p", "version": pipelines.Digest([]byte(inline))})
	s.run()
	require.Equal(t, record.Failed, s.load(id).Status)
	require.Len(t, s.ran, 1)
}

// A noShelf is a store that keeps no pipelines.
type noShelf struct{ blob.Store }

func (s noShelf) Create(ctx context.Context, key string, b []byte) error {
	if strings.HasPrefix(key, "pipelines/") {
		return errors.New("no space left")
	}
	return s.Store.Create(ctx, key, b)
}

func TestAJobWhosePipelineCanNotBeKeptIsHandedBack(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	store, err := dirblob.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { store.Close() })
	s.cfg.Records = record.New(noShelf{store}, time.Now)
	s.send(map[string]any{"pipeline": "p"})
	s.run()
	require.Empty(t, s.ran)
	require.Equal(t, queue.Depth{Delayed: 1}, s.depth())
}

func TestAJobWhosePipelineIsGoneFromTheStoreSaysSo(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	store, err := dirblob.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { store.Close() })
	s.records = record.New(store, time.Now)
	s.cfg.Records = s.records
	s.failing = true
	id := s.send(map[string]any{"pipeline": "p"})
	s.run()
	s.write(second)
	key := "pipelines/p/" + strings.TrimPrefix(pipelines.Digest([]byte(first)), "sha256:")
	require.NoError(t, store.Delete(t.Context(), key))
	s.again(id)
	s.run()
	require.Len(t, s.ran, 1)
	require.Contains(t, s.load(id).Message, "the job began with p.yaml in the version "+pipelines.Digest([]byte(first))+", which is neither in the catalogue nor in the store any more")
}
