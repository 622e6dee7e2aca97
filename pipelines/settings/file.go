// Package settings keeps the tables that an operator writes (routes, keys, sources of webhooks) as their files have them now.
package settings

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/pipelines"
)

// every is how often a file is looked at, at most.
const every = 5 * time.Second

// A File is a table that is read again when it has changed. It is safe for concurrent use.
type File[T any] struct {
	path  string
	parse func(name string, text []byte) (T, []string, error)
	log   *slog.Logger

	now  atomic.Pointer[reading[T]]
	mu   sync.Mutex        // held by who looks at the file
	seen time.Time         // guarded by mu
	bad  [sha256.Size]byte // digest of the last text that was refused; guarded by mu
}

// A reading is a table as it was read.
type reading[T any] struct {
	table  T
	others []string // the other files that parse read
	digest [sha256.Size]byte
}

// Open reads a table from a file. parse also returns which other files it read (secrets): a change of one counts like a
// change of the table. log hears of changes.
func Open[T any](path string, parse func(name string, text []byte) (table T, others []string, err error), log *slog.Logger) (*File[T], error) {
	f := &File[T]{path: path, parse: parse, log: log, seen: time.Now()}
	text, err := read(path)
	if err != nil {
		return nil, err
	}
	return f, f.set(text)
}

// set makes what text says the table.
func (f *File[T]) set(text []byte) error {
	table, others, err := f.parse(filepath.Base(f.path), text)
	if err != nil {
		return err
	}
	f.now.Store(&reading[T]{table, others, digest(text, others)})
	return nil
}

// Now returns the table, as it was 5 s ago or later. When the file can't be read, or holds mistakes, the table that stood
// before goes on, and the log says so, once.
func (f *File[T]) Now(ctx context.Context) T {
	if f.mu.TryLock() {
		defer f.mu.Unlock()
		if time.Since(f.seen) >= every {
			f.look(ctx)
			f.seen = time.Now()
		}
	}
	return f.now.Load().table
}

// look reads the file again. f.mu is held.
func (f *File[T]) look(ctx context.Context) {
	was := f.now.Load()
	text, err := read(f.path)
	sum := digest(text, was.others)
	if err == nil && sum == was.digest {
		f.bad = [sha256.Size]byte{}
		return
	}
	// One that was refused is tried again: a file that it names may have come.
	if err == nil {
		err = f.set(text)
	}
	if err == nil {
		f.bad = [sha256.Size]byte{}
		f.log.InfoContext(ctx, "table read again", "file", f.path)
		return
	}
	if f.bad != sum {
		f.log.ErrorContext(ctx, "table kept as it was", "file", f.path, "err", err)
	}
	f.bad = sum
}

// read returns a file's text. One that is too large for a table is refused by who decodes it.
func read(path string) ([]byte, error) {
	text, _, err := pipelines.ReadDocument(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Base(path), errors.Unwrap(err))
	}
	return text, nil
}

// digest identifies a text and the files that belong to it, those that can't be read among them.
func digest(text []byte, others []string) [sha256.Size]byte {
	h := sha256.New()
	fmt.Fprintf(h, "%d\n%s", len(text), text)
	for _, name := range others {
		b, _, err := pipelines.ReadDocument(name)
		fmt.Fprintf(h, "%q %v %d\n%s", name, err == nil, len(b), b)
	}
	return [sha256.Size]byte(h.Sum(nil))
}
