package record

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/pipelines/engine"
)

const (
	// chunkBytes is when a chunk is put without waiting for its time.
	chunkBytes = 1 << 20
	// firstFlush doubles after every flush, up to maxFlush.
	firstFlush = time.Second
	maxFlush   = 30 * time.Second
	// maxWaiting bounds what waits for a slow store, maxLogBytes the lines of one attempt. Lines beyond are left out and
	// counted; other events never are.
	maxWaiting  = 8 << 20
	maxLogBytes = 32 << 20
	// putTimeout bounds one write of the background goroutine.
	putTimeout = time.Minute
	settleWait = 100 * time.Millisecond
)

var _ engine.Reporter = (*Log)(nil)

// A Log writes what happens in one attempt: the log in chunks, and, when a run lasts, how far it is. It never makes
// the job wait and never fails it. Report may be called from several goroutines.
type Log struct {
	a        *Attempt
	finish   func() // closes finished, once
	finished chan struct{}
	written  chan struct{} // closed when the last chunk is, or can't be
	full     chan struct{} // holds one token when a chunk is due

	mu       sync.Mutex   // guards what follows
	waiting  bytes.Buffer // encoded events
	taken    int          // bytes of lines so far
	dropped  int          // lines left out since the last mark
	trail    trail
	progress bool // the tasks have changed since the last progress record
	err      error

	logSeq, progressSeq int // used by the goroutine alone
}

// NewLog starts the attempt's log. Call it once, before any other method of a, and Close it when all is done. The log
// is written for as long as ctx lasts, which had better be longer than the job: what a cancelled one said last is worth reading.
func (a *Attempt) NewLog(ctx context.Context) *Log {
	l := &Log{a: a, finished: make(chan struct{}), written: make(chan struct{}), full: make(chan struct{}, 1)}
	l.finish = sync.OnceFunc(func() { close(l.finished) })
	a.log = l
	go func() {
		defer close(l.written)
		l.write(ctx)
	}()
	return l
}

// Report takes one event. It does no I/O.
func (l *Log) Report(_ context.Context, ev engine.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.progress = l.trail.see(ev) || l.progress
	if ev.Kind == engine.TaskProgress {
		return // how far a task was is of use while it runs, and of none in its log
	}
	if ev.Kind == engine.TaskStdout || ev.Kind == engine.TaskStderr {
		if l.waiting.Len()+len(ev.Line) > maxWaiting || l.taken+len(ev.Line) > maxLogBytes {
			l.dropped++
			return
		}
		l.taken += len(ev.Line)
	}
	l.mark()
	l.waiting.Write(encode(ev))
	if l.waiting.Len() >= chunkBytes {
		select {
		case l.full <- struct{}{}:
		default: // it holds its token already
		}
	}
}

// mark says in the log that lines are missing here. The caller holds mu.
func (l *Log) mark() {
	if l.dropped == 0 {
		return
	}
	l.waiting.Write(encode(engine.Event{
		Kind: engine.Warning, Time: l.a.book.now(), Task: -1,
		Error: fmt.Sprintf("%d lines left out here: the job prints more than its log takes", l.dropped),
	}))
	l.dropped = 0
}

// encode never fails: an event that has no JSON form is named in its place.
func encode(ev engine.Event) []byte {
	line, err := json.Marshal(ev)
	if err != nil {
		line, err = json.Marshal(engine.Event{
			Kind: ev.Kind, Time: ev.Time, Task: ev.Task, Name: ev.Name, Module: ev.Module,
			Error: "event can't be logged: " + err.Error(),
		})
	}
	if err != nil {
		return nil
	}
	return append(line, '\n')
}

// Finish says that no more events come. It does not wait for the store: the last chunk is written behind the caller's
// back, and Close waits for it. Commit and End finish the log, and know all that was reported, however far the writing is.
func (l *Log) Finish() { l.finish() }

// settle finishes the log and gives it a moment, so that whoever sees the attempt's last record sees its whole log too,
// unless the store is slow.
func (l *Log) settle(ctx context.Context) {
	l.finish()
	timer := time.NewTimer(settleWait)
	defer timer.Stop()
	select {
	case <-l.written:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Close finishes the log and waits until it is written, a minute or two where the store is slow. It returns why lines
// are missing, if they are.
func (l *Log) Close() error {
	l.finish()
	<-l.written
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return fmt.Errorf("write log of job %s: %w", l.a.claimed.ID, l.err)
	}
	return nil
}

// write flushes from time to time, and once more at the end.
func (l *Log) write(ctx context.Context) {
	wait := firstFlush
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-l.finished:
			l.mu.Lock()
			l.mark()
			l.mu.Unlock()
			within(ctx, l.flush)
			return
		case <-l.full:
			within(ctx, l.flush)
		case <-timer.C:
			within(ctx, l.flush)
			within(ctx, l.flushProgress)
			wait = min(2*wait, maxFlush)
			timer.Reset(wait)
		}
	}
}

func within(ctx context.Context, flush func(context.Context)) {
	ctx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	flush(ctx)
}

// flush puts what waits as the next chunk. When that fails the lines wait on, under the same number.
func (l *Log) flush(ctx context.Context) {
	l.mu.Lock()
	lines := bytes.Clone(l.waiting.Bytes())
	l.mu.Unlock()
	if len(lines) == 0 {
		return
	}
	key := chunkKey(l.a.claimed.ID, "log", chunk{l.a.N, l.logSeq + 1})
	_, err := l.a.book.store.Put(ctx, key, bytes.NewReader(lines), blob.PutOptions{Relaxed: true})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
	if err != nil {
		return
	}
	l.logSeq++
	l.waiting.Next(len(lines))
	if l.waiting.Len() == 0 && l.waiting.Cap() > chunkBytes {
		l.waiting = bytes.Buffer{}
	}
}

// flushProgress writes how far the run is, when that has changed. What does not get through is written next time.
func (l *Log) flushProgress(ctx context.Context) {
	l.mu.Lock()
	due := l.progress
	l.progress = false
	l.mu.Unlock()
	if !due {
		return
	}
	r := l.a.snapshot()
	r.set(Running)
	body, err := json.Marshal(r)
	if err == nil {
		key := chunkKey(r.ID, "progress", chunk{l.a.N, l.progressSeq + 1})
		_, err = l.a.book.store.Put(ctx, key, bytes.NewReader(body), blob.PutOptions{Relaxed: true})
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.progress = true // nothing is lost: the next has all that this one had
		return
	}
	l.progressSeq++
}

// explain returns a failure's message with the end of the log, and the log's last lines.
func (l *Log) explain(failure string) (string, []Diagnostic) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.trail.explain(failure)
}

// reached puts into r what the events told so far.
func (l *Log) reached(r *Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trail.reach(r)
}
