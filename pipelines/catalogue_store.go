package pipelines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/fault"
)

const (
	// fresh is how long what was seen of a store counts as what is there.
	fresh = 10 * time.Second
	// stale is how long it counts at most where the store can't be read: jobs then run what was seen last.
	stale = 5 * time.Minute
	// storeTimeout ends a look at a store.
	storeTimeout = 15 * time.Second
	// maxObjects is how many objects a store of documents has at most.
	maxObjects = 1000
)

// NewStoreCatalogue looks into a store, whose keys are file names: "hello.yaml". It is looked at every 10 s while jobs
// ask, and where a name is not known. While it can't be read, what was seen in the last 5 minutes counts on, with a
// warning every 10 s; after that, and for what was never seen, every look is an error that says so.
func NewStoreCatalogue(store blob.Store, log *slog.Logger) *Catalogue {
	return &Catalogue{own: &storage{store: store, log: log, docs: map[string]*copied{}}}
}

// A storage holds an operator's documents in a store.
type storage struct {
	store blob.Store
	log   *slog.Logger

	mu     sync.Mutex         // held during a look: who asks meanwhile wants its answer. It guards all below.
	there  map[string]bool    // file names
	docs   map[string]*copied // those that were asked for
	looked time.Time          // when the last look began
	seen   time.Time          // when the last look that worked began
	err    error              // of the last listing
}

// A copied document is one as it was read from a store.
type copied struct {
	*document
	at    time.Time // when the last read that worked began
	tried time.Time // when the last read began
	err   error     // of the last read
}

// usable returns the document, and where err keeps it from being read anew only while it is not too old.
func (c *copied) usable(now time.Time, err error) (*document, error) {
	if err != nil && now.Sub(c.at) > stale {
		return nil, err
	}
	return c.document, nil
}

var _ shelf = (*storage)(nil)

func (s *storage) from() string { return FromStore }

func (s *storage) path(file string) string {
	if named, ok := s.store.(fmt.Stringer); ok {
		return named.String() + "/" + file
	}
	return file
}

func (s *storage) files() ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.look(time.Time{}); err != nil {
		return nil, err
	}
	return slices.Collect(maps.Keys(s.there)), nil
}

func (s *storage) document(file string, seen time.Time) (*document, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.look(seen); err != nil {
		return nil, err
	}
	have, begin := s.docs[file], time.Now()
	switch {
	case !s.there[file] && s.err != nil && !seen.IsZero():
		return nil, s.err // it may have come since
	case !s.there[file]:
		return nil, fs.ErrNotExist
	case have != nil && s.err != nil:
		return have.usable(begin, s.err)
	case have != nil && !have.tried.Before(s.seen):
		return have.usable(begin, have.err)
	}
	text, err := s.read(file)
	switch {
	case errors.Is(err, blob.ErrNotFound):
		delete(s.there, file)
		delete(s.docs, file)
		return nil, fs.ErrNotExist
	case err != nil && have == nil:
		return nil, fmt.Errorf("look up pipeline: %w", err)
	case err != nil:
		have.tried, have.err = begin, fmt.Errorf("look up pipeline: %w", err)
		s.log.Warn("catalogue unreadable", "err", have.err, "age", begin.Sub(have.at))
		return have.usable(begin, have.err)
	}
	if have == nil || !bytes.Equal(have.text, text) {
		have = &copied{document: newDocument(file, text)}
		have.shelf = s
	}
	have.at, have.tried, have.err = begin, begin, nil
	s.docs[file] = have
	return have.document, nil
}

// look lists the store, where that has not been done at `seen` or later, nor in the last 10 s. It returns an error where
// what is known is too old.
func (s *storage) look(seen time.Time) error {
	now := time.Now()
	if now.Sub(s.looked) < fresh && (s.looked.After(seen) || s.err != nil) {
		if now.Sub(s.seen) > stale {
			return s.err
		}
		return nil
	}
	s.looked = now
	there, err := s.list()
	if err != nil {
		s.err = fmt.Errorf("look up pipeline: %w", err)
		return s.usable(now)
	}
	s.there, s.seen, s.err = there, now, nil
	maps.DeleteFunc(s.docs, func(file string, _ *copied) bool { return !there[file] })
	return nil
}

// usable returns the error of a look that failed just now, or logs it where what was seen before counts on.
func (s *storage) usable(now time.Time) error {
	if now.Sub(s.seen) > stale {
		return s.err
	}
	s.log.Warn("catalogue unreadable", "err", s.err, "age", now.Sub(s.seen))
	return nil
}

func (s *storage) list() (map[string]bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	there, n := map[string]bool{}, 0
	for in, err := range s.store.List(ctx, "", "") {
		if err != nil {
			return nil, fault.As(fault.Transient, err) // no answer of a store makes a job one that can never pass
		}
		if n++; n > maxObjects {
			return nil, fmt.Errorf("%s holds more than %d objects; give pipelines a prefix of their own", s.path(""), maxObjects)
		}
		if !strings.Contains(in.Key, "/") {
			there[in.Key] = true
		}
	}
	return there, nil
}

// read returns a document, or as much of it as shows that it is too large.
func (s *storage) read(file string) (text []byte, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	r, _, err := s.store.Open(ctx, file)
	if err != nil {
		return nil, fault.As(fault.Transient, err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return ReadBounded(r)
}
