package record

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/modules/blob"
)

// A Sent is a job of a message with several that has a message of its own by now.
type Sent struct {
	Time  time.Time `json:"time"`
	Class string    `json:"class"` // of the workers that it was sent on to
}

// SendOn writes that a job has a message of its own by now, in the queue of a class of workers. The first one stands.
func (b *Book) SendOn(ctx context.Context, id, class string) error {
	if err := checkID(id); err != nil {
		return err
	}
	if err := b.createJSON(ctx, sentKey(id), Sent{Time: b.now(), Class: class}); err != nil {
		return fmt.Errorf("record that job %s was sent on: %w", id, err)
	}
	return nil
}

// SentOn returns what SendOn wrote; nil where that is nothing.
func (b *Book) SentOn(ctx context.Context, id string) (*Sent, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	s := new(Sent)
	err := b.readJSON(ctx, sentKey(id), s)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("see whether job %s was sent on: %w", id, err)
	}
	return s, nil
}
