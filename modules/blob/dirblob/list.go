package dirblob

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/millrace/millrace/modules/blob"
)

// List implements [blob.Store]. It holds the names of one folder at a time on each level, and looks only into folders
// that can hold a key it wants.
func (s *Store) List(ctx context.Context, prefix, after string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		l := lister{ctx: ctx, s: s, prefix: prefix, after: after, yield: yield}
		start := "."
		if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
			start = prefix[:i]
			if blob.CheckKey(start) != nil {
				return
			}
		}
		if err := l.walk(start); err != nil && !errors.Is(err, errStop) {
			yield(blob.Info{}, fmt.Errorf("list objects %s: %w", prefix, err))
		}
	}
}

// errStop says that the caller has seen enough.
var errStop = errors.New("stop")

// A lister is one walk; it lives no longer than the call that made it.
type lister struct {
	ctx           context.Context
	s             *Store
	prefix, after string
	yield         func(blob.Info, error) bool
}

// walk yields what lies in dir and below. A folder that is not there, or no longer, holds nothing.
func (l *lister) walk(dir string) error {
	if l.ctx.Err() != nil {
		return context.Cause(l.ctx)
	}
	entries, err := l.s.entries(dir)
	if errors.Is(missing(err), blob.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	// A folder's keys go on with a slash, so that is where it sorts: "a-b" < "a/c" < "a0".
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(sortName(a), sortName(b)) })
	for _, e := range entries {
		if err := l.entry(path.Join(dir, e.Name()), e); err != nil {
			return err
		}
	}
	return nil
}

func (l *lister) entry(key string, e fs.DirEntry) error {
	if e.IsDir() {
		below := key + "/"
		if key == tempDir || !related(below, l.prefix) || below < l.after && !strings.HasPrefix(l.after, below) {
			return nil
		}
		return l.walk(key)
	}
	if !e.Type().IsRegular() || !strings.HasPrefix(key, l.prefix) || key <= l.after {
		return nil
	}
	fi, err := e.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !l.yield(blob.Info{Key: key, Size: fi.Size(), Modified: fi.ModTime()}, nil) {
		return errStop
	}
	return nil
}

// related says whether one of the two begins with the other.
func related(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) }

func sortName(e fs.DirEntry) string {
	if e.IsDir() {
		return e.Name() + "/"
	}
	return e.Name()
}

func (s *Store) entries(dir string) ([]fs.DirEntry, error) {
	f, err := s.root.Open(dir)
	if err != nil {
		return nil, err
	}
	entries, err := f.ReadDir(-1)
	return entries, errors.Join(err, f.Close())
}

// isNotFolder says that a part of the path is an object: the key "a/b" where "a" is one.
func isNotFolder(err error) bool { return errors.Is(err, syscall.ENOTDIR) }
