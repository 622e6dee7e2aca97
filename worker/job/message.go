package job

import (
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/queue"
)

// A Message is what a message of the queue asks for. Jobs and Uploads stand in the order in which it has them.
type Message struct {
	Jobs    []*Job   // that it brings
	Uploads []Upload // that it tells of; which jobs follow from them is for a routing table
	Nothing string   // why it asks for nothing at all, in a sentence; such a message is acked
}

// An Upload is one change of one object in a bucket, as the bucket's service tells of it.
type Upload struct {
	Source  string // who tells of it: "s3", "cos", "cloudevent", "gateway"
	Event   string // as the source calls it: "ObjectCreated:Put", "Object:Write"
	Kind    Change
	Bucket  string
	Key     string // decoded, exactly once where the source encodes it
	Version string // empty where the bucket keeps none
	ETag    string // without quotes; empty where the source does not say
	// Sequencer orders the events of one key: of two, padded with zeros on the left to the same length, the greater is the
	// later one. Empty where the source has none.
	Sequencer string
	Size      int64  // bytes; -1 where the source does not say
	Type      string // content type; empty where the source does not say
	Region    string
	Endpoint  string    // of the bucket's service; empty is the one that is configured
	Time      time.Time // zero where the source does not say it in RFC 3339
	ID        string    // of the event, that no other of its object has (CloudEvents, IBM); empty where it has none
}

// A Change is what happened to an object.
type Change string

// The changes.
const (
	Created  Change = "created"
	Deleted  Change = "deleted"
	Restored Change = "restored"
	Other    Change = "other" // tags, ACLs, lifecycle, replication
)

// One returns the job of a message that asks for exactly one. Its errors are permanent, one sentence each.
func One(m queue.Message) (*Job, error) {
	d, err := Decode(m)
	switch {
	case err != nil:
		return nil, err
	case d.Nothing != "":
		err = errors.New(d.Nothing)
	case len(d.Uploads) > 0:
		err = fmt.Errorf("the message tells of an upload to %s: a worker makes jobs of it by its routing table", d.Uploads[0].Bucket)
	case len(d.Jobs) != 1:
		err = fmt.Errorf("the message asks for %d jobs: send one", len(d.Jobs))
	}
	if err != nil {
		return nil, fault.As(fault.Permanent, err)
	}
	return d.Jobs[0], nil
}
