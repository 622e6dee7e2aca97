package record_test

import (
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/record"
)

func TestAJobThatHasNotBegunHasNoRecord(t *testing.T) {
	b := newBook(newStore(t))
	_, err := b.Load(t.Context(), "j")
	require.ErrorIs(t, err, record.ErrNotFound)
	_, err = b.Final(t.Context(), "j")
	require.ErrorIs(t, err, record.ErrNotFound)
	for _, err := range b.Logs(t.Context(), "j", false) {
		require.ErrorIs(t, err, record.ErrNotFound)
	}
	require.NoError(t, b.Cancel(t.Context(), "j", "too late to matter"))
	r, err := b.Load(t.Context(), "j")
	require.NoError(t, err)
	require.Equal(t, record.Queued, r.Status)
	require.Equal(t, record.Waiting, r.ProcessingState)
	require.Equal(t, "too late to matter", r.CancelRequested.Why)
}

func TestTheRecordOfARunningJobSaysWhoseItIs(t *testing.T) {
	b := newBook(newStore(t))
	j := &job.Job{
		ID: "j", Name: "gear", Title: "Gear", CID: "c-1", LinkID: "l-1", Customer: "cu-1", External: "e-1",
		Pipeline: "hello", MaxAttempts: 5, Enqueued: noon,
	}
	_, err := b.Claim(t.Context(), j, worker)
	require.NoError(t, err)
	r, err := b.Load(t.Context(), "j")
	require.NoError(t, err)
	require.NotEmpty(t, r.Owner)
	r.Owner = ""
	require.Equal(t, &record.Record{
		ID: "j", Name: "gear", Title: "Gear", CID: "c-1", LinkID: "l-1", CustomerID: "cu-1", ExternalID: "e-1",
		Pipeline: "hello", Digest: "sha256:d", Status: record.Running, Phase: record.PhaseRunning, MaxAttempts: 5,
		Enqueued: noon, Started: noon.Add(time.Second), Updated: noon.Add(time.Second), PodName: "pod-1",
		Attempts: []record.AttemptRecord{{
			N: 1, Status: record.AttemptRunning, Started: noon.Add(time.Second), Worker: "w1", Host: "pod-1",
		}},
		ProcessingState: record.Executing,
	}, r)
}

func TestTheFinalCarriesWhatTheRunMade(t *testing.T) {
	b := newBook(newStore(t))
	a := claim(t, b, "j")
	run := &engine.Run{
		Digest: "sha256:other", Status: engine.Succeeded, Total: 1, Warnings: []string{"soft"},
		Tasks:  []engine.TaskRun{{Name: "a", Module: "Debug", Status: engine.Succeeded, Output: map[string]any{"n": int64(1)}}},
		Result: map[string]any{"a": map[string]any{"n": int64(1)}},
	}
	_, err := a.Commit(t.Context(), record.Outcome{Status: record.Succeeded, Run: run})
	require.NoError(t, err)
	r, err := b.Load(t.Context(), "j")
	require.NoError(t, err)
	require.Equal(t, run.Tasks, r.Tasks)
	require.Equal(t, run.Result, r.Result)
	require.Equal(t, run.Warnings, r.Warnings)
	require.Equal(t, "sha256:d", r.Digest, "the claim's")
	require.Equal(t, []any{record.PhaseSucceeded, record.Complete, "succeeded", 100},
		[]any{r.Phase, r.ProcessingState, r.ProcessingStateMessage, r.PercentComplete})
	require.Empty(t, r.Message)
	require.Nil(t, r.Callback)
	final, err := b.Final(t.Context(), "j")
	require.NoError(t, err)
	require.Equal(t, r, final)
}

func TestACancelShowsUntilItIsObeyed(t *testing.T) {
	b := newBook(newStore(t))
	a := claim(t, b, "j")
	require.NoError(t, b.Cancel(t.Context(), "j", "wrong file"))
	r, err := b.Load(t.Context(), "j")
	require.NoError(t, err)
	require.Equal(t, "wrong file", r.CancelRequested.Why)
	_, err = a.Commit(t.Context(), record.Outcome{Status: record.Cancelled})
	require.NoError(t, err)
	r, err = b.Load(t.Context(), "j")
	require.NoError(t, err)
	require.Equal(t, record.Cancelled, r.Status)
	require.Nil(t, r.CancelRequested)
	require.Equal(t, record.AttemptCanceled, r.Attempts[0].Status)
}

func TestAProgressThatAPowerCutTookIsPassedOver(t *testing.T) {
	store := newStore(t)
	b := newBook(store)
	claim(t, b, "j")
	key := strings.Replace(keysOf(t, store, "jobs/")[0], "attempt-1", "progress-1-1", 1)
	_, err := store.Put(t.Context(), key, strings.NewReader("\x00\x00"), blob.PutOptions{})
	require.NoError(t, err)
	r, err := b.Load(t.Context(), "j")
	require.NoError(t, err)
	require.Equal(t, record.Running, r.Status)
}

// list reads the jobs of the index; one that was cleared away is passed over.
func list(t *testing.T, b *record.Book, from time.Time, after record.Place) iter.Seq2[record.Summary, error] {
	return func(yield func(record.Summary, error) bool) {
		for e, err := range b.Index(t.Context(), from, after) {
			require.NoError(t, err)
			s, err := b.Summarize(t.Context(), e.ID)
			if errors.Is(err, record.ErrNotFound) {
				continue
			}
			s.ID = e.ID
			if !yield(s, err) {
				return
			}
		}
	}
}

func TestAListingIsNewestFirstOverAllDays(t *testing.T) {
	store := newStore(t)
	b := newBook(store)
	at := func(hours float64) time.Time { return noon.Add(time.Duration(hours * float64(time.Hour))) }
	sent := map[string]time.Time{
		"same-day-late": at(3), "same-day": at(0), "a-breath-later": noon.Add(time.Nanosecond), "midnight": at(12),
		"week-ago": at(-7 * 24), "year-ago": at(-365 * 24),
	}
	for id, enqueued := range sent {
		a, err := b.Claim(t.Context(), &job.Job{ID: id, Enqueued: enqueued}, worker)
		require.NoError(t, err)
		if id == "week-ago" {
			_, err := a.Commit(t.Context(), record.Outcome{Status: record.Dead, Failure: &engine.Failure{Message: "why"}})
			require.NoError(t, err)
		}
	}
	_, err := store.Put(t.Context(), "index/2026-03-14/readme", strings.NewReader(""), blob.PutOptions{})
	require.NoError(t, err)
	gone := fmt.Sprintf("index/2026-03-14/%014d-gone", int64(5))
	_, err = store.Put(t.Context(), gone, strings.NewReader(""), blob.PutOptions{})
	require.NoError(t, err)

	sent["same-moment"] = noon
	_, err = b.Claim(t.Context(), &job.Job{ID: "same-moment", Enqueued: noon}, worker)
	require.NoError(t, err)

	for _, tt := range []struct {
		name  string
		from  time.Time
		after record.Place
		want  []string
	}{
		{"all", time.Time{}, record.Place{}, []string{"midnight", "same-day-late", "a-breath-later", "same-day", "same-moment", "week-ago", "year-ago"}},
		{"from is in", noon, record.Place{}, []string{"midnight", "same-day-late", "a-breath-later", "same-day", "same-moment"}},
		{"after one of several of a moment", time.Time{}, record.Place{ID: "same-day", Enqueued: noon}, []string{"same-moment", "week-ago", "year-ago"}},
		{"after the first of a moment", noon, record.Place{Enqueued: noon}, []string{"same-day", "same-moment"}},
		{"within a day", at(-1), record.Place{ID: "same-day-late", Enqueued: at(3)}, []string{"a-breath-later", "same-day", "same-moment"}},
		{"after the last", time.Time{}, record.Place{ID: "year-ago", Enqueued: at(-365 * 24)}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for s, err := range list(t, b, tt.from, tt.after) {
				require.NoError(t, err)
				require.True(t, sent[s.ID].Equal(s.Enqueued))
				if s.ID == "week-ago" {
					require.Equal(t, []any{record.Dead, "why", 1}, []any{s.Status, s.Message, s.Attempts})
				}
				got = append(got, s.ID)
			}
			require.Equal(t, tt.want, got)
		})
	}
	for e := range b.Index(t.Context(), time.Time{}, record.Place{}) {
		require.Equal(t, "midnight", e.ID)
		break
	}
}

func TestOneUnreadableJobDoesNotEndAListing(t *testing.T) {
	store := newStore(t)
	b := newBook(store)
	for i := range 3 {
		_, err := b.Claim(t.Context(), &job.Job{ID: fmt.Sprint("j", i), Enqueued: noon.Add(time.Duration(i))}, worker)
		require.NoError(t, err)
	}
	for _, key := range keysOf(t, store, "jobs/") {
		if strings.Contains(key, "/j1/") {
			_, err := store.Put(t.Context(), key, strings.NewReader("{"), blob.PutOptions{})
			require.NoError(t, err)
		}
	}
	var good, bad []string
	for s, err := range list(t, b, time.Time{}, record.Place{}) {
		if err != nil {
			bad = append(bad, s.ID)
			continue
		}
		good = append(good, s.ID)
	}
	require.Equal(t, []string{"j2", "j0"}, good)
	require.Equal(t, []string{"j1"}, bad)
}
