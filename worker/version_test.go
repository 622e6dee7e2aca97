package worker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/dirblob"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

var errStore = errors.New("store timed out")

// A frail store fails at pipelines as often as it is told to, and for good when its writes are used up.
type frail struct {
	blob.Store
	opens  int   // of pipelines that fail
	keep   error // why pipelines can't be kept
	writes int   // that take place before the store is gone; negative for any number
	mu     sync.Mutex
}

// on puts a frail store under the shelf's records.
func (s *shelf) on(f *frail) *frail {
	s.t.Helper()
	store, err := dirblob.Open(filepath.Join(s.folder, "store"))
	require.NoError(s.t, err)
	s.t.Cleanup(func() { store.Close() })
	f.Store = store
	s.records = record.New(f, time.Now)
	s.cfg.Records = s.records
	return f
}

func (f *frail) Open(ctx context.Context, key string) (io.ReadCloser, blob.Info, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.opens > 0 && strings.HasPrefix(key, "pipelines/") {
		f.opens--
		return nil, blob.Info{}, errStore
	}
	if f.writes == 0 {
		return nil, blob.Info{}, errStore
	}
	return f.Store.Open(ctx, key)
}

// gone takes a write off those that take place.
func (f *frail) gone() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.writes == 0 {
		return true
	}
	f.writes--
	return false
}

func (f *frail) Create(ctx context.Context, key string, b []byte) error {
	if f.keep != nil && strings.HasPrefix(key, "pipelines/") {
		return f.keep
	}
	if f.gone() {
		return errStore
	}
	return f.Store.Create(ctx, key, b)
}

func (f *frail) Put(ctx context.Context, key string, r io.Reader, o blob.PutOptions) (blob.Info, error) {
	if f.gone() {
		return blob.Info{}, errStore
	}
	return f.Store.Put(ctx, key, r, o)
}

// begin leaves what a worker leaves that is killed between its claim of a job and the run: a claim without an end.
func (s *shelf) begin(id string) {
	s.t.Helper()
	require.NoError(s.t, s.records.KeepDocument(s.t.Context(), "p", digest(first), []byte(first)))
	_, err := s.records.Claim(s.t.Context(), &job.Job{ID: id, Pipeline: "p"}, record.Claim{Pipeline: "p.yaml", Digest: digest(first)})
	require.NoError(s.t, err)
}

func digest(doc string) string { return pipelines.Digest([]byte(doc)) }

func TestAVersionIsNotReplacedWhenTheStoreFailsOnce(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	store := s.on(&frail{writes: -1})
	s.send(map[string]any{"pipeline": "p"})
	s.run()
	s.write(second)
	asked := map[string]any{"id": "pinned", "pipeline": "p", "version": digest(first)}
	store.opens = 1
	s.send(asked)
	s.run()
	require.Len(t, s.ran, 1)
	require.Empty(t, s.load("pinned").Digest, "nothing has begun")
	s.send(asked)
	s.run()
	require.Equal(t, []string{"p.yaml " + first, "p.yaml " + first}, s.ran)
	require.Equal(t, digest(first), s.load("pinned").Digest)
}

func TestTheVersionThatAMessageAsksForWinsOverTheOneThatTheJobBeganWith(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	store := s.on(&frail{writes: -1})
	s.send(map[string]any{"pipeline": "p"})
	s.run()
	s.write(second)
	s.failing = true
	id := s.send(map[string]any{"pipeline": "p"})
	s.run()
	s.failing = false
	asked := map[string]any{"id": id, "pipeline": "p", "version": digest(first)}
	store.opens = 1
	s.send(asked)
	s.run()
	require.Len(t, s.ran, 2, "not the one that it began with either")
	s.send(asked)
	s.run()
	require.Equal(t, "p.yaml "+first, s.ran[len(s.ran)-1])
	require.Equal(t, digest(first), s.load(id).Digest, "the record names what ran")
}

func TestAVersionOfARemovedPipelineRunsOnlyInJobsThatHadBegun(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.failing = true
	asked := map[string]any{"id": "begun", "pipeline": "p", "version": digest(first)}
	s.send(asked)
	s.run()
	s.failing = false
	require.NoError(t, os.Remove(filepath.Join(s.folder, "p.yaml")))

	s.send(map[string]any{"id": "new", "pipeline": "p", "version": digest(first)})
	s.run()
	require.Len(t, s.ran, 1)
	r := s.load("new")
	require.Equal(t, record.Failed, r.Status)
	require.Contains(t, r.Message, "the message asks for version "+digest(first)+" of a pipeline that is not there, and a version that was kept runs only in jobs that had begun: "+
		`pipeline "p" is not in the catalogue`)

	s.send(asked)
	s.run()
	require.Equal(t, []string{"p.yaml " + first, "p.yaml " + first}, s.ran)
	require.Equal(t, record.Succeeded, s.load("begun").Status)
}

// Another worker may have read the message otherwise.
func TestAMessageThatIsNoJobRunsNothingThoughItHadBegun(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	id, err := s.driver.Send(t.Context(), queue.Draft{Body: []byte("{")})
	require.NoError(t, err)
	s.begin(id)
	s.run()
	require.Empty(t, s.ran)
	require.Equal(t, record.Failed, s.load(id).Status)
}

func TestAPipelineThatTheStoreRefusesCostsItsJobsNothing(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.on(&frail{writes: -1, keep: fault.As(fault.Permanent, errors.New("the bucket is read-only"))})
	id := s.send(map[string]any{"pipeline": "p"})
	s.run()
	require.Empty(t, s.ran)
	require.Equal(t, record.AttemptInterrupted, s.load(id).Attempts[0].Status)
	require.Equal(t, "keep pipeline p: the bucket is read-only", s.load(id).Message)
	require.Equal(t, queue.Depth{Delayed: 1}, s.depth())
}

// TestAStoreMayBeGoneAfterAnyWrite takes the store away from a worker after its k-th write: before the pipeline is kept,
// between that and the claim, between the claim and the run, and later. The worker that follows finds another document
// in the catalogue.
func TestAStoreMayBeGoneAfterAnyWrite(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"", digest(first)} {
		for k := range 6 {
			t.Run(fmt.Sprintf("version %.10q, %d writes", version, k), func(t *testing.T) {
				t.Parallel()
				s := newShelf(t)
				store := s.on(&frail{writes: k})
				s.failing = true
				body := map[string]any{"id": "job", "pipeline": "p"}
				if version != "" {
					body["version"] = version
				}
				s.send(body)
				s.run()
				store.writes = -1
				claimed := ""
				if r, err := s.records.Load(t.Context(), "job"); err == nil {
					claimed = r.Digest
					_, err := s.records.Document(t.Context(), "p", r.Digest)
					require.NoError(t, err, "what is claimed is kept")
				}
				require.Equal(t, k >= 2, claimed != "", "the first write keeps the pipeline, the second claims")

				s.write(second)
				before := len(s.ran)
				s.failing = false
				s.send(body)
				s.run()
				r := s.load("job")
				switch {
				case claimed != "", version != "" && k > 0:
					require.Equal(t, []string{"p.yaml " + first}, s.ran[before:])
					require.Equal(t, digest(first), r.Digest)
				case version != "": // gone before any worker had kept it
					require.Empty(t, s.ran[before:])
					require.Contains(t, r.Message, record.ErrNoDocument.Error())
				default: // nothing had begun
					require.Equal(t, []string{"p.yaml " + second}, s.ran[before:])
					require.Equal(t, digest(second), r.Digest)
				}
			})
		}
	}
}

func TestAWorkerMayDieBetweenItsClaimAndTheRun(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	id := s.send(map[string]any{"pipeline": "p"})
	s.begin(id)
	s.write(second)
	var died atomic.Int64
	s.cfg.Bereft = func() { died.Add(1) }
	s.run()
	require.EqualValues(t, 1, died.Load())
	require.Equal(t, []string{"p.yaml " + first}, s.ran)
	r := s.load(id)
	require.Equal(t, record.Succeeded, r.Status)
	require.Equal(t, []record.AttemptStatus{record.AttemptDied, record.AttemptSucceeded}, []record.AttemptStatus{r.Attempts[0].Status, r.Attempts[1].Status})
}
