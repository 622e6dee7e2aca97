// Package blob is where objects lie: bytes under keys, in a folder or a bucket.
//
// It knows nothing of jobs. What a job's record needs of a store is two promises: Create, which lets exactly one of
// many win a key, and that no reader ever sees a part of an object under its key.
package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

var (
	// ErrNotFound says that no object stands under the key.
	ErrNotFound = errors.New("object not found")
	// ErrExists says that another object stands under the key already, and that it is as durable as Create makes one.
	ErrExists = errors.New("object exists")
	// ErrTooLarge says that an object has more bytes than its reader takes.
	ErrTooLarge = errors.New("it is too large")
	// ErrUnconditional says that a store can't do what Create promises.
	ErrUnconditional = errors.New("its server has no conditional writes (If-None-Match), so two workers could both commit " +
		"one job; use a folder, Amazon S3, IBM COS, MinIO or versitygw")
)

// MaxKeyBytes is the longest key, as in S3.
const MaxKeyBytes = 1024

// A Store keeps objects. All methods may be called from several goroutines and several processes at once. Every
// method that takes a key returns a *KeyError for one that CheckKey refuses.
type Store interface {
	// Create puts b under a key that is free; of many that try at once exactly one wins and the others get
	// ErrExists. When it returns nil the object survives a power cut. After any other error the object may stand
	// or not: read it back. A store that tries again after a lost answer may find its own object, and says ErrExists:
	// who needs to know writes a token into the object, and reads it back.
	Create(ctx context.Context, key string, b []byte) error
	// Put puts what r holds under the key, in place of what stood there. Readers see the old object or the whole
	// new one, never a part; so after an error of r nothing has changed.
	Put(ctx context.Context, key string, r io.Reader, o PutOptions) (Info, error)
	// Open returns the object as it stood at that moment, or ErrNotFound. The caller closes it.
	Open(ctx context.Context, key string) (io.ReadCloser, Info, error)
	// Delete removes the object. That there is none is not an error.
	Delete(ctx context.Context, key string) error
	// List yields the objects whose key begins with prefix and comes after `after`, sorted by the bytes of the key.
	// Objects made or deleted meanwhile may be seen or not. It stops after the first error.
	List(ctx context.Context, prefix, after string) iter.Seq2[Info, error]
}

// Part is the size from which buckets move an object in several parts at once, in bytes; smaller ones take one call each.
const Part = 16 << 20

// A Mover moves large objects between a bucket and this machine's files: in parts, several at once, each part again where
// it broke off or stalled. The modules that speak to buckets use it; records don't.
type Mover interface {
	// Upload puts the whole file under the key, in place of what stood there; readers see the old object or the whole new
	// one. A file that is changed meanwhile is an error.
	Upload(ctx context.Context, f *os.File, key string, o PutOptions) (Info, error)
	// Download writes the object, as it stood when the call was made, into f, from its start, and returns when every byte is
	// there and, where the service has a checksum, it agrees. ErrNotFound when there is none, ErrTooLarge, before anything is
	// written, when it has more than maxBytes. After an error f holds anything.
	Download(ctx context.Context, key string, f *os.File, maxBytes int64) (Info, error)
	// Stat returns what is known of an object without its bytes, or ErrNotFound.
	Stat(ctx context.Context, key string) (Info, error)
}

// Info is what a store knows of an object.
type Info struct {
	Key      string
	Size     int64 // bytes
	Modified time.Time
	// What List leaves out, and folders don't know.
	ETag        string // without quotes
	ContentType string
	Metadata    map[string]string // the caller's own, keys in lower case
}

// PutOptions say how to put.
type PutOptions struct {
	// Relaxed lets Put return before the object has reached the disk: after a power cut within the next seconds it
	// may be missing, or end early. For what people read and nothing is decided by. Stores without such a choice
	// ignore it.
	Relaxed bool
	// Spool, when set, makes a file without a name, in which a part of the object is kept until it is sent, instead of
	// memory: for sources that are slow, many of them at once. Put closes it. Folders ignore it.
	Spool func() (*os.File, error)
	// What buckets keep with an object, and folders ignore.
	ContentType  string            // empty is application/octet-stream
	CacheControl string            // header, empty is none
	Metadata     map[string]string // the caller's own
	ACL          string            // a canned one of the service's ("public-read"); empty is the bucket's own, and what most buckets insist on
	StorageClass string            // of the service's; empty is the bucket's own
}

// A KeyError is a key that no store takes.
type KeyError struct {
	Key    string
	Reason string
}

func (e *KeyError) Error() string { return fmt.Sprintf("object key %q %s", clip(e.Key), e.Reason) }

// CheckKey returns a *KeyError unless the key is 1 to MaxKeyBytes of UTF-8 in parts separated by single slashes, no
// part is "." or "..", and there is no backslash and no control character.
func CheckKey(key string) error {
	reason := ""
	switch {
	case key == "":
		reason = "is empty"
	case len(key) > MaxKeyBytes:
		reason = fmt.Sprintf("is longer than %d bytes", MaxKeyBytes)
	case !utf8.ValidString(key):
		reason = "is not UTF-8"
	case strings.ContainsRune(key, '\\'):
		reason = "has a backslash"
	case strings.ContainsFunc(key, unicode.IsControl):
		reason = "has a control character"
	default:
		reason = partReason(key)
	}
	if reason == "" {
		return nil
	}
	return &KeyError{Key: key, Reason: reason}
}

func partReason(key string) string {
	for part := range strings.SplitSeq(key, "/") {
		switch part {
		case "":
			return "has an empty part"
		case ".", "..":
			return fmt.Sprintf("has a part %q", part)
		}
	}
	return ""
}

// clip keeps a hostile key from filling a log.
func clip(key string) string {
	const most = 80
	if len(key) <= most {
		return key
	}
	return key[:most] + "…"
}

// ReadAll returns the whole object, or ErrNotFound. It returns ErrTooLarge for one of more than maxBytes.
func ReadAll(ctx context.Context, s Store, key string, maxBytes int64) ([]byte, error) {
	r, _, err := s.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err := errors.Join(err, r.Close()); err != nil {
		return nil, fmt.Errorf("read object %s: %w", key, err)
	}
	if int64(len(b)) > maxBytes {
		return nil, fmt.Errorf("read object %s: %w: it has more than %d bytes", key, ErrTooLarge, maxBytes)
	}
	return b, nil
}
