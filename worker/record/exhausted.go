package record

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/modules/blob"
)

// Exhaust lists a callback as given up, for Exhausted and Replay. Doing so again changes nothing.
func (b *Book) Exhaust(ctx context.Context, e Entry) error {
	e.Due, e.Replay = time.Time{}, false
	if err := b.createJSON(ctx, exhaustedPrefix+e.Job, e); err != nil {
		return fmt.Errorf("list the callback of job %s as given up: %w", e.Job, err)
	}
	return nil
}

// Revived takes a callback off the list of those that were given up: it got through. That it is not there is no error.
func (b *Book) Revived(ctx context.Context, id string) error {
	if err := b.store.Delete(ctx, exhaustedPrefix+id); err != nil {
		return fmt.Errorf("take the callback of job %s off the list of those given up: %w", id, err)
	}
	return nil
}

// Replay makes a callback that was given up due at once, for one round of tries, and lets its receiver have callbacks
// again that had answered 410 Gone. It returns ErrNotExhausted when none was given up.
func (b *Book) Replay(ctx context.Context, id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	err := b.replay(ctx, id)
	if errors.Is(err, blob.ErrNotFound) {
		err = ErrNotExhausted
	}
	if err != nil {
		return fmt.Errorf("replay callback of job %s: %w", id, err)
	}
	return nil
}

func (b *Book) replay(ctx context.Context, id string) error {
	e, err := b.entry(ctx, exhaustedPrefix+id)
	if err != nil {
		return err
	}
	if err := b.store.Delete(ctx, goneKey(e.URL)); err != nil {
		return err
	}
	e.Job, e.Replay, e.Due = id, true, b.now().Truncate(time.Second)
	if err := b.putDue(ctx, *e); err != nil {
		return err
	}
	return b.Revived(ctx, id)
}

// Disable has no more callbacks sent to a URL, because of what it answered to this job's. Replay ends that.
func (b *Book) Disable(ctx context.Context, url, job string) error {
	why := struct {
		Job  string    `json:"job"`
		Time time.Time `json:"time"`
	}{job, b.now()}
	if err := b.createJSON(ctx, goneKey(url), why); err != nil {
		return fmt.Errorf("disable the receiver of callbacks: %w", err)
	}
	return nil
}

// Disabled says whether Disable was called for a URL, and Replay not since.
func (b *Book) Disabled(ctx context.Context, url string) (bool, error) {
	r, _, err := b.store.Open(ctx, goneKey(url))
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("see whether the receiver wants callbacks: %w", err)
	}
	return true, r.Close()
}

// goneKey does not show the URL, which may hold a token.
func goneKey(url string) string {
	sum := sha256.Sum256([]byte(url))
	return gonePrefix + hex.EncodeToString(sum[:])
}
