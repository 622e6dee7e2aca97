// Package settings keeps the tables that an operator writes (routes, keys, sources of webhooks) as their files have them now.
package settings

import (
	"context"
	"crypto/sha256"
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

// Config is a File's.
type Config[T any] struct {
	Path string // of the file; mistakes name its last part
	// Read returns the text as it is now, of what is no file; nil reads Path.
	Read func() ([]byte, error)
	// Parse also returns which other files it read (secrets): a change of one counts like a change of the table.
	Parse func(name string, text []byte) (table T, others []string, err error)
	Log   *slog.Logger // of changes
}

// A File is a table that is read again when it has changed. It is safe for concurrent use.
type File[T any] struct {
	cfg Config[T]

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

// Open reads a table. The error holds everything that is wrong with it.
func Open[T any](cfg Config[T]) (*File[T], error) {
	f := &File[T]{cfg: cfg, seen: time.Now()}
	text, err := f.read()
	if err != nil {
		return nil, err
	}
	return f, f.set(text)
}

// set makes what text says the table.
func (f *File[T]) set(text []byte) error {
	name := filepath.Base(f.cfg.Path)
	table, others, err := f.cfg.Parse(name, text)
	if err != nil {
		return err
	}
	sum := digest(text, others)
	if len(others) > 0 { // again, behind the digest: one that changed meanwhile is seen next time
		if table, _, err = f.cfg.Parse(name, text); err != nil {
			return err
		}
	}
	f.now.Store(&reading[T]{table, others, sum})
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
	text, err := f.read()
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
		f.cfg.Log.InfoContext(ctx, "table read again", "file", f.cfg.Path)
		return
	}
	if f.bad != sum {
		f.cfg.Log.ErrorContext(ctx, "table kept as it was", "file", f.cfg.Path, "err", err)
	}
	f.bad = sum
}

// read returns the text as it is now. One that is too large for a table is refused by who decodes it.
func (f *File[T]) read() (text []byte, err error) {
	if f.cfg.Read != nil {
		text, err = f.cfg.Read()
	} else {
		text, _, err = pipelines.ReadDocument(f.cfg.Path)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Base(f.cfg.Path), err)
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
