package record

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/worker/job"
)

// A Claim says who wants to run a job.
type Claim struct {
	Worker   string // names the worker process
	Host     string // its pod or host
	Pipeline string // as it was resolved; empty takes the job's
	Digest   string // of the document; may be empty when it is not known yet. That of an earlier attempt wins over it
	Chosen   bool   // the message says which document this is: it wins over an earlier attempt's
	// Alone, when it is set, decides before every claim but a job's first whether the attempt will have its worker to
	// itself, by how the earlier ones ended. An error ends Claim.
	Alone func(History) (bool, error)
}

// An Attempt is the right to write one attempt at a job. Its methods may be called from several goroutines.
type Attempt struct {
	N int // number of this attempt, from 1
	History
	// Pipeline and Digest are of the document that this attempt is to run: the one that the first attempt ran.
	Pipeline, Digest string
	// Unlisted is why the job is not in the index; Commit tries again. Listings miss the job until then, nothing else.
	Unlisted error

	book      *Book
	keep      *time.Duration // the job's own, of its outputs
	claimed   *Record
	log       *Log
	mu        sync.Mutex
	artifacts []Artifact // guarded by mu
}

// Claim begins the job's next attempt: when it returns nobody else has this number, and that survives a power cut. It
// returns a *FinalError when the job is over, which a redelivery finds. It does not look for a second claim that is
// alive: the queue's lease decides who runs, and of two that run anyway one commits.
//
// A first attempt costs one create and the index entry; later ones list the job's folder and read what
// the newest one has left. j.Enqueued, where known, must be the same on every delivery.
func (b *Book) Claim(ctx context.Context, j *job.Job, c Claim) (*Attempt, error) {
	if err := checkID(j.ID); err != nil {
		return nil, err
	}
	a := &Attempt{N: 1, book: b, keep: j.KeepOutputs}
	token := rand.Text()
	var past *Record
	alone := false
	for {
		r := claimRecord(j, c, past, a.N, b.now())
		r.Owner, r.last().Alone = token, alone
		claimed, err := b.create(ctx, attemptKey(j.ID, a.N), r)
		if err == nil {
			a.claimed = claimed
			break
		}
		if !errors.Is(err, blob.ErrExists) {
			return nil, fmt.Errorf("claim attempt %d of job %s: %w", a.N, j.ID, err)
		}
		if past, err = b.past(ctx, j.ID); err != nil {
			return nil, err
		}
		a.N = max(a.N, past.last().N) + 1
		a.History = past.count()
		if c.Alone != nil {
			if alone, err = c.Alone(a.History); err != nil {
				return nil, err
			}
		}
	}
	a.Pipeline, a.Digest = a.claimed.Pipeline, a.claimed.Digest
	a.Unlisted = b.list(ctx, a.claimed)
	return a, nil
}

// past returns the newest record of a job that was claimed before, which lists all its attempts, with what is known by now of
// how they ended. It returns a *FinalError when the job is over.
func (b *Book) past(ctx context.Context, id string) (*Record, error) {
	f, err := b.folder(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("look for earlier attempts of job %s: %w", id, err)
	}
	if f.final {
		return nil, b.finalError(ctx, id)
	}
	if len(f.attempts) == 0 {
		return nil, fmt.Errorf("look for earlier attempts of job %s: the store has one and does not list it", id)
	}
	return b.known(ctx, id, f)
}

// known is past, of a job that is not over and whose folder is f.
func (b *Book) known(ctx context.Context, id string, f *folder) (*Record, error) {
	r, err := b.attempt(ctx, id, f, f.newest())
	if err != nil {
		return nil, err
	}
	for i := range r.Attempts[:len(r.Attempts)-1] {
		a := &r.Attempts[i]
		if a.Status != AttemptDied && !f.crumbs[a.N] || !slices.Contains(f.attempts, a.N) {
			continue // that is how it ended
		}
		e, err := b.attempt(ctx, id, f, a.N)
		if err != nil {
			return nil, err
		}
		*a = *e.last()
	}
	return r, nil
}

// attempt returns what an attempt has left: its end, or its claim where it has none.
func (b *Book) attempt(ctx context.Context, id string, f *folder, n int) (*Record, error) {
	key := attemptKey(id, n)
	if f.ended[n] {
		key = endKey(id, n)
	}
	r, err := b.read(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("read attempt %d of job %s: %w", n, id, err)
	}
	if len(r.Attempts) == 0 {
		return nil, damaged("the record %s is damaged: it lists no attempt; remove it to have the job run again", key)
	}
	if !f.ended[n] {
		if err := b.bereave(ctx, r, f.crumbs[n]); err != nil {
			return nil, fmt.Errorf("read how attempt %d of job %s ended: %w", n, id, err)
		}
	}
	return r, nil
}

// finalError returns the *FinalError of a job that is over. Creating the final once more makes sure that a power cut
// can't take it away after the caller has acked the message.
func (b *Book) finalError(ctx context.Context, id string) error {
	final, err := b.final(ctx, id)
	if err == nil {
		err = b.createJSON(ctx, finalKey(id), final)
	}
	if err != nil {
		return fmt.Errorf("read how job %s ended: %w", id, err)
	}
	return &FinalError{Final: final}
}

// last is the attempt that wrote r.
func (r *Record) last() *AttemptRecord { return &r.Attempts[len(r.Attempts)-1] }

// claimRecord is a claim of attempt n. past is nil where that is the first.
func claimRecord(j *job.Job, c Claim, past *Record, n int, now time.Time) *Record {
	r := recordOf(j, now)
	r.Pipeline, r.Digest = cmp.Or(c.Pipeline, r.Pipeline), c.Digest
	r.Started, r.PodName = now, c.Host
	if past != nil {
		r.Started, r.Attempts, r.Folded = past.Started, past.Attempts, past.Folded
		r.fold()
		if past.Digest != "" && !c.Chosen {
			r.Pipeline, r.Digest = past.Pipeline, past.Digest
		}
	}
	if j.Enqueued.IsZero() {
		r.Enqueued = r.Started
	}
	r.Attempts = append(r.Attempts, AttemptRecord{
		N: n, Status: AttemptRunning, Started: now, Worker: c.Worker, Host: c.Host,
	})
	r.set(Running)
	return r
}

// list enters a job in the index. Doing so again changes nothing, so every attempt does.
func (b *Book) list(ctx context.Context, r *Record) error {
	_, err := b.store.Put(ctx, indexKey(r.ID, r.Enqueued), strings.NewReader(""), blob.PutOptions{Relaxed: true})
	if err != nil {
		return fmt.Errorf("enter job %s in the index: %w", r.ID, err)
	}
	return nil
}

// dir is where the attempt publishes, with a slash at its end.
func (a *Attempt) dir() string { return artifactsOf(a.claimed.ID, a.keep) + strconv.Itoa(a.N) + "/" }

// Publish puts an artifact under a key of this attempt, whole or not at all, and has the attempt's records name it.
// path is relative, with slashes. The context should be the lease's: once that is lost nothing new is published.
func (a *Attempt) Publish(ctx context.Context, path string, r io.Reader) (Artifact, error) {
	art := Artifact{Path: path, Key: a.dir() + path}
	sum := newDigest(r)
	in, err := a.book.store.Put(ctx, art.Key, sum, blob.PutOptions{})
	if err != nil {
		return Artifact{}, fmt.Errorf("publish %s: %w", path, err)
	}
	art.Size, art.SHA256 = in.Size, sum.hex()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.artifacts = append(a.artifacts, art)
	return art, nil
}
