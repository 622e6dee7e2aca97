package hook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/modules/blob"
)

// Prefix is where the store keeps which deliveries were seen.
const Prefix = "hooks/"

const maxSeen = 64 << 20 // bytes of what is kept of one delivery: it says something of each event that the largest body has

// Seen are the deliveries that were taken, kept in the store, so that all gateways know them, and one that starts again.
//
// A delivery is noted after its messages are durable in the queue, never before: a gateway that is killed in between has
// lost nothing, and the source sends again. That second try, and two gateways that get one delivery at a time, may put the
// same messages into the queue twice; they have the same job IDs, and the records of jobs let each run to its end once.
// What is noted keeps a delivery that comes after that from being sent at all.
type Seen struct{ Store blob.Store }

// Look returns what was noted of a delivery; ok is false where nothing was.
func (s Seen) Look(ctx context.Context, source *Source, key string, into any) (ok bool, err error) {
	if key == "" {
		return false, nil
	}
	b, err := blob.ReadAll(ctx, s.Store, seenKey(source, key), maxSeen)
	if errors.Is(err, blob.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the delivery: %w", err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		return false, fmt.Errorf("object %s is damaged; remove it: %w", seenKey(source, key), err)
	}
	return true, nil
}

// Note says what a delivery came to. The first note stands.
func (s Seen) Note(ctx context.Context, source *Source, key string, what any) error {
	if key == "" {
		return nil
	}
	b, err := json.Marshal(what)
	if err != nil {
		return fmt.Errorf("note the delivery: %w", err)
	}
	if err := s.Store.Create(ctx, seenKey(source, key), b); err != nil && !errors.Is(err, blob.ErrExists) {
		return fmt.Errorf("note the delivery: %w", err)
	}
	return nil
}

func seenKey(source *Source, key string) string { return Prefix + source.Name + "/" + key }

// Sweep removes what was noted longer ago than its source says. Several may sweep one store at a time.
func (s Seen) Sweep(ctx context.Context, t *Table, now time.Time) (removed int, err error) {
	for in, err := range s.Store.List(ctx, Prefix, "") {
		if err != nil {
			return removed, fmt.Errorf("sweep deliveries: %w", err)
		}
		keep := defaultRemember
		name, _, _ := strings.Cut(strings.TrimPrefix(in.Key, Prefix), "/")
		if source, ok := t.Sources[name]; ok {
			keep = source.Remember
		}
		if now.Sub(in.Modified) < keep {
			continue
		}
		if err := s.Store.Delete(ctx, in.Key); err != nil {
			return removed, fmt.Errorf("sweep deliveries: %w", err)
		}
		removed++
	}
	return removed, nil
}
