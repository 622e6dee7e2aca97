package record_test

import (
	"context"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/record"
)

func stdout(line string) engine.Event {
	return engine.Event{Kind: engine.TaskStdout, Time: noon, Line: line}
}

// linesOf returns what a job's log says: its lines, and the errors of its other events.
func linesOf(t *testing.T, b *record.Book, id string) []string {
	t.Helper()
	var lines []string
	for ev, err := range b.Logs(t.Context(), id, false) {
		require.NoError(t, err)
		lines = append(lines, ev.Line+ev.Error)
	}
	return lines
}

func TestTheLogAndTheProgressAreReadableWhileTheJobRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := record.New(newStore(t), time.Now)
		log := claim(t, b, "j").NewLog(t.Context())
		log.Report(t.Context(), engine.Event{Kind: engine.RunStarted, Total: 4})
		log.Report(t.Context(), engine.Event{Kind: engine.TaskStarted, Task: 0, Name: "one", Module: "Shell"})
		log.Report(t.Context(), stdout("hello"))
		log.Report(t.Context(), engine.Event{Kind: engine.TaskEnded, Task: 0, TaskRun: &engine.TaskRun{
			Name: "one", Module: "Shell", Status: engine.Succeeded, Output: map[string]any{"big": "output"},
		}})
		log.Report(t.Context(), engine.Event{Kind: engine.TaskStarted, Task: 3, Name: "two", Module: "Http"})
		log.Report(t.Context(), engine.Event{Kind: engine.TaskProgress, Task: 3, Progress: 0.5})
		log.Report(t.Context(), engine.Event{Kind: engine.Warning, Task: -1, Error: "mind the gap"})
		require.Empty(t, linesOf(t, b, "j"))
		time.Sleep(1500 * time.Millisecond)
		require.Equal(t, []string{"", "", "hello", "", "", "mind the gap"}, linesOf(t, b, "j"))

		r, err := b.Load(t.Context(), "j")
		require.NoError(t, err)
		require.Equal(t, record.Running, r.Status)
		require.Equal(t, record.Executing, r.ProcessingState)
		require.Equal(t, 37, r.PercentComplete, "one of four, and half of another")
		require.Equal(t, []string{"mind the gap"}, r.Warnings)
		require.Equal(t, []engine.TaskRun{
			{Name: "one", Module: "Shell", Status: engine.Succeeded},
			{Index: 3, Name: "two", Module: "Http", Status: engine.Running, Progress: 0.5},
		}, r.Tasks, "in the order they started, whatever stands between them in the document")
		require.NoError(t, log.Close())
	})
}

func TestALongLogIsInFewChunksAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newStore(t)
		b := record.New(store, time.Now)
		log := claim(t, b, "j").NewLog(t.Context())
		var want []string
		for i := range 600 {
			want = append(want, fmt.Sprint("second ", i))
			log.Report(t.Context(), stdout(want[i]))
			time.Sleep(time.Second)
		}
		require.NoError(t, log.Close())
		require.NoError(t, log.Close(), "closing twice is closing once")
		require.Equal(t, want, linesOf(t, b, "j"))
		chunks := 0
		for _, key := range keysOf(t, store, "jobs/") {
			require.NotContains(t, key, "progress", "no task has changed")
			if strings.Contains(key, "/log-1-") {
				chunks++
			}
		}
		require.InDelta(t, 25, chunks, 3, "a second at first, 30 s in the end: 600/30 and a few")
	})
}

func TestAFullChunkIsNotKeptWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := record.New(newStore(t), time.Now)
		log := claim(t, b, "j").NewLog(t.Context())
		for range 20 {
			log.Report(t.Context(), stdout(strings.Repeat("x", 64<<10)))
		}
		synctest.Wait()
		require.NotEmpty(t, linesOf(t, b, "j"), "no time has passed")
		require.NoError(t, log.Close())
		require.Len(t, linesOf(t, b, "j"), 20)
	})
}

func TestAFollowerSeesAllAttemptsAndThenTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := record.New(newStore(t), time.Now)
		var got []string
		var followErr error
		done := make(chan struct{})
		go func() {
			defer close(done)
			for ev, err := range b.Logs(t.Context(), "j", true) {
				got, followErr = append(got, ev.Line), err
			}
		}()
		for i, line := range []string{"first try", "second try"} {
			time.Sleep(time.Minute)
			a := claim(t, b, "j")
			log := a.NewLog(t.Context())
			log.Report(t.Context(), stdout(line))
			if i == 0 {
				require.NoError(t, a.End(t.Context(), record.Outcome{Attempt: record.AttemptFailed}))
				require.NoError(t, log.Close())
				continue
			}
			_, err := a.Commit(t.Context(), record.Outcome{Status: record.Succeeded})
			require.NoError(t, err)
			require.NoError(t, log.Close())
		}
		<-done
		require.NoError(t, followErr)
		require.Equal(t, []string{"first try", "second try"}, got)
	})
}

func TestAFollowerStopsWhenItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := record.New(newStore(t), time.Now)
		log := claim(t, b, "j").NewLog(t.Context())
		log.Report(t.Context(), stdout("a"))
		log.Report(t.Context(), stdout("b"))
		require.NoError(t, log.Close())
		for ev, err := range b.Logs(t.Context(), "j", true) {
			require.NoError(t, err)
			require.Equal(t, "a", ev.Line)
			break
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var last error
		for _, err := range b.Logs(ctx, "j", true) {
			last = err
		}
		require.ErrorIs(t, last, context.DeadlineExceeded)
	})
}

// stuck is a store whose puts hang while the gate is shut.
type stuck struct {
	blob.Store
	gate chan struct{} // closed when open
}

func (s stuck) Put(ctx context.Context, key string, r io.Reader, o blob.PutOptions) (blob.Info, error) {
	if strings.Contains(key, "/log-") {
		select {
		case <-s.gate:
		case <-ctx.Done():
			return blob.Info{}, context.Cause(ctx)
		}
	}
	return s.Store.Put(ctx, key, r, o)
}

func TestAStoreThatHangsDoesNotHoldUpTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := stuck{newStore(t), make(chan struct{})}
		b := record.New(store, time.Now)
		a := claim(t, b, "j")
		log := a.NewLog(t.Context())
		line := strings.Repeat("x", 64<<10)
		for range 200 { // 12.5 MiB, more than may wait
			log.Report(t.Context(), stdout(line))
		}
		log.Report(t.Context(), engine.Event{Kind: engine.RunEnded, Task: -1})
		log.Finish()
		start := time.Now()
		_, err := a.Commit(t.Context(), record.Outcome{Status: record.Succeeded})
		require.NoError(t, err)
		require.Less(t, time.Since(start), time.Second)
		close(store.gate)
		require.NoError(t, log.Close())
		lines := linesOf(t, b, "j")
		require.Len(t, lines, 129)
		require.Equal(t, "73 lines left out here: the job prints more than its log takes", lines[127])
	})
}

func TestALogThatCannotBeWrittenSaysSoAndNothingElseFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := record.New(stuck{newStore(t), make(chan struct{})}, time.Now)
		a := claim(t, b, "j")
		log := a.NewLog(t.Context())
		log.Report(t.Context(), stdout("lost"))
		failed := record.Outcome{Status: record.Dead, Failure: &engine.Failure{Message: "why"}}
		final, err := a.Commit(t.Context(), failed)
		require.NoError(t, err)
		require.Equal(t, "why\nlost", final.Message)
		require.ErrorContains(t, log.Close(), "write log of job j: ")
	})
}

func TestALogHasAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := record.New(newStore(t), time.Now)
		log := claim(t, b, "j").NewLog(t.Context())
		line := strings.Repeat("x", 256<<10)
		for range 150 { // 37.5 MiB
			log.Report(t.Context(), stdout(line))
			synctest.Wait()
		}
		log.Report(t.Context(), engine.Event{Kind: engine.RunEnded, Task: -1})
		require.NoError(t, log.Close())
		lines := linesOf(t, b, "j")
		require.Len(t, lines, 128+2)
		require.Contains(t, lines[128], "22 lines left out here")
	})
}

func TestAnEventWithoutJSONFormIsNamedInTheLog(t *testing.T) {
	b := newBook(newStore(t))
	log := claim(t, b, "j").NewLog(t.Context())
	log.Report(t.Context(), engine.Event{Kind: engine.TaskEnded, Name: "calc", TaskRun: &engine.TaskRun{
		Output: map[string]any{"value": math.NaN()},
	}})
	require.NoError(t, log.Close())
	require.Contains(t, linesOf(t, b, "j")[0], "event can't be logged: json: unsupported value: NaN")
}

func TestWhatAPowerCutLeftOfALogIsRead(t *testing.T) {
	store := newStore(t)
	b := newBook(store)
	log := claim(t, b, "j").NewLog(t.Context())
	log.Report(t.Context(), stdout("whole"))
	log.Report(t.Context(), stdout("cut off"))
	require.NoError(t, log.Close())
	for _, key := range keysOf(t, store, "jobs/") {
		if !strings.Contains(key, "/log-") {
			continue
		}
		body, err := blob.ReadAll(t.Context(), store, key, 1000)
		require.NoError(t, err)
		torn := string(body[:len(body)-5]) + "\x00\x00\x00"
		_, err = store.Put(t.Context(), key, strings.NewReader(torn), blob.PutOptions{})
		require.NoError(t, err)
	}
	require.Equal(t, []string{"whole"}, linesOf(t, b, "j"))
}

func TestAFailureCarriesTheEndOfTheLog(t *testing.T) {
	b := newBook(newStore(t))
	a := claim(t, b, "j")
	log := a.NewLog(t.Context())
	for i := range 2000 {
		log.Report(t.Context(), stdout(fmt.Sprintf("line %d é", i)))
	}
	run := &engine.Run{Total: 2, Tasks: []engine.TaskRun{{Status: engine.Succeeded}, {Status: engine.Failed}}, Failure: &engine.Failure{
		Message: "task render: exit code 3", Reason: engine.Timeout,
	}}
	final, err := a.Commit(t.Context(), record.Outcome{Status: record.Dead, Run: run})
	require.NoError(t, err)
	require.NoError(t, log.Close())
	tail, ok := strings.CutPrefix(final.Message, "task render: exit code 3\n")
	require.True(t, ok)
	lines := strings.Split(tail, "\n")
	require.Len(t, lines, 20)
	require.Equal(t, []string{"line 1980 é", "line 1999 é"}, []string{lines[0], lines[19]})
	require.Len(t, final.Diagnostics, 10)
	require.Equal(t, record.Diagnostic{Time: noon, Message: "line 1999 é"}, final.Diagnostics[9])
	require.Equal(t, engine.Timeout, final.Reason)
	require.Equal(t, engine.Timeout, final.Attempts[0].Reason)
	require.Equal(t, 50, final.PercentComplete, "the failed task is not complete")
	require.Equal(t, "failed", final.ProcessingStateMessage)
}

func TestTheEndOfTheLogIsCutToFiveHundredCharacters(t *testing.T) {
	b := newBook(newStore(t))
	a := claim(t, b, "j")
	log := a.NewLog(t.Context())
	for range 3 {
		log.Report(t.Context(), stdout(strings.Repeat("é", 400)))
	}
	final, err := a.Commit(t.Context(), record.Outcome{Status: record.Dead, Failure: &engine.Failure{Message: "why"}})
	require.NoError(t, err)
	require.NoError(t, log.Close())
	require.Equal(t, "why\n"+strings.Repeat("é", 99)+"\n"+strings.Repeat("é", 400), final.Message)
}

func TestARunThatDiedIsRecordedAsFarAsTheLogSaw(t *testing.T) {
	b := newBook(newStore(t))
	a := claim(t, b, "j")
	log := a.NewLog(t.Context())
	log.Report(t.Context(), engine.Event{Kind: engine.RunStarted, Total: 3})
	log.Report(t.Context(), engine.Event{Kind: engine.TaskEnded, Task: 0, TaskRun: &engine.TaskRun{Name: "a", Status: engine.Succeeded}})
	log.Report(t.Context(), engine.Event{Kind: engine.TaskStarted, Task: 1, Name: "b"})
	log.Report(t.Context(), engine.Event{Kind: engine.TaskStarted, Task: 1 << 30, Name: "hostile"})
	log.Report(t.Context(), engine.Event{Kind: engine.TaskStarted, Task: -7, Name: "hostile"})
	crash := &engine.Failure{Message: "the process died", Reason: engine.Crash}
	require.NoError(t, a.End(t.Context(), record.Outcome{Attempt: record.AttemptFailed, Failure: crash}))
	require.NoError(t, a.End(t.Context(), record.Outcome{Attempt: record.AttemptFailed, Failure: crash}), "twice is once")
	require.NoError(t, log.Close())

	r, err := b.Load(t.Context(), "j")
	require.NoError(t, err)
	require.Equal(t, record.Retrying, r.Status)
	require.Equal(t, record.PhasePending, r.Phase)
	require.Equal(t, "the process died", r.Message)
	require.Equal(t, 33, r.PercentComplete)
	require.Len(t, r.Tasks, 2)
	require.Zero(t, r.Finished)
	require.Equal(t, record.AttemptFailed, r.Attempts[0].Status)
}
