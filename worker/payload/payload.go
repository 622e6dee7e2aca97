// Package payload unpacks messages whose bodies are compressed, or lie in a bucket because a queue does not take them.
//
// A pointer to a body in S3 is what Amazon's extended client libraries send: a list of a class's name and a map with
// s3BucketName and s3Key. A compressed body is base64 with an attribute "content-encoding" that says gzip or zlib; in a
// bucket it may also be the compressed bytes themselves.
//
// All of it is a stranger's: buckets are read only where the operator lists them, and everything is bounded while it
// streams. An object that a pointer named is left where it is: a rule of its bucket has to delete it.
package payload

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/queue"
)

// Most is what Resolver.Max may be, in bytes: a job is passed on whole, and kept in memory more than once.
const Most = 16 << 20

const (
	defaultMax = 5 << 20
	maxLayers  = 2 // as a pointer to a compressed body has
)

// ErrTooLarge says that an object has more bytes than it may.
var ErrTooLarge = errors.New("object is too large")

// A Resolver unpacks messages. Its zero value follows no pointers.
type Resolver struct {
	// Fetch returns an object of at most max bytes, ErrTooLarge when it has more, or blob.ErrNotFound. Read makes one of
	// a store.
	Fetch   func(ctx context.Context, bucket, key string, max int64) ([]byte, error)
	Buckets []string // that pointers may name: "bucket" or "bucket/prefix"
	Max     int64    // bytes of a body after all unpacking; default 5 MiB, at most Most
}

// Packed says that the message is a pointer or compressed, well-formed or not.
func Packed(m queue.Message) bool {
	_, encoded := encoding(m)
	return encoded || isPointer(m)
}

// Resolve returns the message with the body that was meant, and without the attributes that say how it is packed. A
// message that is not packed is returned as it is. An error is one sentence, permanent when it is the message's fault,
// and transient when the bucket could not be read.
func (r Resolver) Resolve(ctx context.Context, m queue.Message) (queue.Message, error) {
	if !Packed(m) {
		return m, nil
	}
	m.Attributes = maps.Clone(m.Attributes)
	for range maxLayers {
		var err error
		switch name, encoded := encoding(m); {
		case isPointer(m):
			m, err = r.follow(ctx, m)
		case encoded:
			m, err = r.inflate(m, name)
		default:
			return m, nil
		}
		if err != nil {
			return queue.Message{}, err
		}
	}
	if Packed(m) {
		return queue.Message{}, permanent("the message is packed more than %d times: send a pointer, or a compressed body, or a pointer to one", maxLayers)
	}
	return m, nil
}

func (r Resolver) max() int64 { return cmp.Or(r.Max, defaultMax) }

// follow puts the object that a pointer names in the place of the body.
func (r Resolver) follow(ctx context.Context, m queue.Message) (queue.Message, error) {
	p, err := parsePointer(m.Body)
	if err != nil {
		return m, err
	}
	if !r.listed(p) {
		return m, permanent("the message's body lies in bucket %q, which is not listed for this key: the operator lists buckets with MILLRACE_PAYLOAD_BUCKETS",
			shorten(p.Bucket))
	}
	m.Body, err = r.Fetch(ctx, p.Bucket, p.Key, r.max())
	_, badKey := errors.AsType[*blob.KeyError](err)
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return m, permanent("the message's body is not in bucket %q under %q any more: send the job again", shorten(p.Bucket), shorten(p.Key))
	case errors.Is(err, ErrTooLarge):
		return m, r.tooLarge()
	case badKey:
		return m, fault.As(fault.Permanent, fmt.Errorf("the message points to a body: %w", err))
	case err != nil:
		return m, fault.After(fault.Delay(err), fmt.Errorf("fetch the message's body: %w", err))
	case int64(len(m.Body)) > r.max():
		return m, r.tooLarge()
	}
	drop(m.Attributes, "extendedpayloadsize", "sqslargepayloadsize")
	return m, nil
}

// listed says that the operator lets pointers name this object.
func (r Resolver) listed(p pointer) bool {
	if r.Fetch == nil {
		return false
	}
	for _, b := range r.Buckets {
		bucket, prefix, _ := strings.Cut(strings.TrimSuffix(b, "/"), "/")
		if bucket == p.Bucket && (prefix == "" || strings.HasPrefix(p.Key, prefix+"/")) {
			return true
		}
	}
	return false
}

// inflate puts the body in the place of its compressed form.
func (r Resolver) inflate(m queue.Message, name string) (queue.Message, error) {
	z, err := decompress(name, m.Body)
	if err != nil {
		return m, err
	}
	body, err := io.ReadAll(io.LimitReader(z, r.max()+1))
	switch {
	case err != nil:
		return m, permanent("the message's body is not %s in base64, as its attribute content-encoding says: %s", name, oneLine(err))
	case int64(len(body)) > r.max():
		return m, r.tooLarge()
	}
	m.Body = body
	drop(m.Attributes, "contentencoding")
	return m, nil
}

func (r Resolver) tooLarge() error {
	return permanent("the message's body has more than %d bytes unpacked (MILLRACE_PAYLOAD_MAX): put files into a bucket and send their addresses", r.max())
}

// Read reads an object of at most max bytes out of a store. It is what a Fetch does once the bucket's store is found.
func Read(ctx context.Context, store blob.Store, key string, max int64) ([]byte, error) {
	r, info, err := store.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if info.Size > max {
		return nil, ErrTooLarge
	}
	var b bytes.Buffer
	if _, err := io.Copy(&b, io.LimitReader(r, max+1)); err != nil {
		return nil, fmt.Errorf("read object: %w", err)
	}
	if int64(b.Len()) > max {
		return nil, ErrTooLarge
	}
	return b.Bytes(), nil
}

func permanent(format string, args ...any) error {
	return fault.As(fault.Permanent, fmt.Errorf(format, args...))
}

// shorten keeps what a producer wrote from flooding a sentence.
func shorten(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
