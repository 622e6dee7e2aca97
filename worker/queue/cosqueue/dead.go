package cosqueue

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/worker/queue"
)

// Dead returns up to limit buried messages, the latest first; a negative one is all.
func (d *Driver) Dead(ctx context.Context, limit int) (bs []queue.Buried, err error) {
	var found []object
	_, err = d.bucket.all(ctx, deads, func(_ page, o object) {
		if o.size <= maxObject && grave(o.key) {
			found = append(found, o)
		}
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(found, func(a, b object) int { return b.modified.Compare(a.modified) })
	if limit >= 0 {
		found = found[:min(limit, len(found))]
	}
	for _, f := range found {
		b, o, err := d.bucket.get(ctx, deads+f.key, maxObject)
		if errors.Is(err, errGone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		e := open(b, o)
		bs = append(bs, queue.Buried{
			ID: strings.TrimSuffix(f.key, suffix), Enqueued: e.Enqueued, Buried: e.Buried, Delivery: e.Deliveries, Reason: e.Reason,
			Body: e.body(), Attributes: e.Attributes, Group: e.Group, Receipt: queue.Receipt(f.key),
		})
	}
	return bs, nil
}

// grave says whether a name below dead/ is one that Bury wrote: that of a ULID, or of a name and its version.
func grave(name string) bool {
	if _, _, ok := ours(name); ok {
		return true
	}
	id, ok := strings.CutSuffix(name, suffix)
	base, version, versioned := strings.Cut(id, "@")
	_, err := hex.DecodeString(version)
	return ok && versioned && safe(base) && len(version) == 2*versionBytes && err == nil
}

// Revive sends a message in the place of a buried one, which is gone then, and returns the new one's ID.
func (d *Driver) Revive(ctx context.Context, b queue.Buried, dr queue.Draft) (string, error) {
	name := string(b.Receipt)
	if name == "" {
		name = b.ID + suffix
	}
	if !grave(name) {
		return "", fmt.Errorf("revive message %s: %w", clip(b.ID, maxName), queue.ErrNotFound)
	}
	if _, err := d.bucket.head(ctx, deads+name); err != nil {
		if errors.Is(err, errGone) {
			err = queue.ErrNotFound
		}
		return "", fmt.Errorf("revive message %s: %w", b.ID, err)
	}
	id, err := d.Send(ctx, dr)
	if err != nil {
		return "", err
	}
	return id, d.bucket.remove(ctx, deads+name)
}
