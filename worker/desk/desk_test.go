package desk_test

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob/dirblob"
	"github.com/millrace/millrace/worker/desk"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// newDesk is a desk on an empty store and a queue of such messages, the latest first.
func newDesk(t *testing.T, waiting ...queue.Waiting) *desk.Desk {
	t.Helper()
	store, err := dirblob.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return &desk.Desk{Records: record.New(store, time.Now), Queue: &desk.Queue{
		Find: func(_ context.Context, id string) (queue.Waiting, error) {
			for _, w := range waiting {
				if w.ID == id {
					return w, nil
				}
			}
			return queue.Waiting{}, queue.ErrNotFound
		},
		Newest: func(context.Context, string) iter.Seq2[queue.Waiting, error] {
			return func(yield func(queue.Waiting, error) bool) {
				for _, w := range waiting {
					if !yield(w, nil) {
						return
					}
				}
			}
		},
	}}
}

func message(id string, at time.Time) queue.Waiting {
	return queue.Waiting{ID: id, Enqueued: at, Body: []byte(`{"pipeline": "p", "id": "` + id + `"}`)}
}

func claim(t *testing.T, d *desk.Desk, id string, at time.Time) *record.Attempt {
	t.Helper()
	a, err := d.Records.Claim(t.Context(), &job.Job{ID: id, Pipeline: "p", Enqueued: at}, record.Claim{Worker: "w"})
	require.NoError(t, err)
	return a
}

// ids are those of all pages of so many jobs.
func ids(t *testing.T, d *desk.Desk, q desk.Query) (all []string) {
	t.Helper()
	for {
		p, err := d.List(t.Context(), q)
		require.NoError(t, err)
		for _, r := range p.Jobs {
			all = append(all, r.ID)
		}
		if q.After = p.Next; q.After == (record.Place{}) {
			return all
		}
	}
}

func TestRecordsAndQueueAreOneListWhateverThePages(t *testing.T) {
	at := func(s int) time.Time { return noon.Add(time.Duration(s) * time.Second) }
	// The queue has them in the order of its commits, which is not quite that of their times.
	d := newDesk(t, message("q9", at(9)), message("late", at(5).Add(2*time.Millisecond)), message("early", at(5).Add(3*time.Millisecond)),
		message("both", at(4)), message("q1", at(1)))
	for i, id := range []string{"r0", "r2", "both", "r5", "r8"} {
		claim(t, d, id, at([]int{0, 2, 4, 5, 8}[i]))
	}
	want := []string{"q9", "r8", "early", "late", "r5", "both", "r2", "q1", "r0"}
	for limit := range len(want) + 2 {
		require.Equal(t, want, ids(t, d, desk.Query{Limit: limit}), limit)
	}
	require.Equal(t, want[:6], ids(t, d, desk.Query{Since: at(4), Limit: 2}))
	require.Equal(t, []string{"q9", "early", "late", "q1"}, ids(t, d, desk.Query{Status: []record.Status{record.Queued}, Limit: 3}))
	require.Equal(t, []string{"r8", "r5", "r2", "r0"}, ids(t, d, desk.Query{Prefix: "r", Effort: 1}), "page by page, though most pass over what is no r")
}

// Who asks by a prefix may be somebody who must not know of others' jobs.
func TestNoPlaceInAListNamesAJobThatIsPassedOver(t *testing.T) {
	d := newDesk(t)
	var own []string
	for i, id := range []string{"a.1", "m.1", "z.1", "m.2", "a.2", "z.2", "z.3"} {
		claim(t, d, id, noon.Add(-time.Duration(i/3)*time.Hour)) // three of one moment each
		if id[0] == 'm' {
			own = append(own, id)
		}
	}
	q, found := desk.Query{Prefix: "m.", Effort: 1}, []string(nil)
	for pages := 0; ; pages++ {
		require.Less(t, pages, 20, "it never ends")
		p, err := d.List(t.Context(), q)
		require.NoError(t, err)
		for _, r := range p.Jobs {
			found = append(found, r.ID)
		}
		if q.After = p.Next; q.After == (record.Place{}) {
			break
		}
		require.Regexp(t, `^m\.`, q.After.ID)
	}
	require.Equal(t, own, found)
}

func TestACanceledJobThatWaitsIsListedAndSaysSo(t *testing.T) {
	d := newDesk(t, message("waits", noon))
	done, err := d.Cancel(t.Context(), "waits", "sent twice")
	require.NoError(t, err)
	require.Equal(t, record.Queued, done.Status)
	require.Equal(t, []string{"waits"}, ids(t, d, desk.Query{}))
	r, err := d.Load(t.Context(), "waits")
	require.NoError(t, err)
	require.Equal(t, "sent twice", r.CancelRequested.Why)

	_, err = d.Cancel(t.Context(), "nothing", "")
	missing, ok := errors.AsType[*desk.NoJobError](err)
	require.True(t, ok)
	require.Equal(t, "nothing", missing.ID)
	d.Queue, d.Unsearched = nil, []string{"sqs:jobs"}
	done, err = d.Cancel(t.Context(), "nothing", "")
	require.NoError(t, err, "it may wait where nobody can look")
	require.Contains(t, done.Detail, "sqs:jobs can't be searched")

	_, err = claim(t, d, "over", noon).Commit(t.Context(), record.Outcome{Status: record.Succeeded})
	require.NoError(t, err)
	_, err = d.Cancel(t.Context(), "over", "")
	over, ok := errors.AsType[*record.FinalError](err)
	require.True(t, ok)
	require.Equal(t, record.Succeeded, over.Final.Status)
}

func TestAMessageThatIsNoJobIsShownWithTheReason(t *testing.T) {
	for body, why := range map[string]string{"": "empty", `{"a": 1}`: "no job"} {
		rs := desk.Queued(queue.Waiting{ID: "m", Body: []byte(body), Enqueued: noon})
		require.Len(t, rs, 1)
		require.Equal(t, "m", rs[0].ID)
		require.Contains(t, rs[0].Message, why)
	}
}

// A list that is cut anywhere goes on without a gap, also where many jobs are of one moment.
func TestPagesOfOneMomentLoseNoJob(t *testing.T) {
	var waiting []queue.Waiting
	for i := range 50 {
		waiting = append(waiting, message("j"+strconv.Itoa(i), noon))
	}
	d := newDesk(t, waiting...)
	all := ids(t, d, desk.Query{Limit: 7})
	require.Len(t, all, len(waiting))
	require.IsIncreasing(t, all)
}
