package dirblob

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"sync"
)

// folders remembers which folders' own names are on the disk, so that a create in one of them need not sync upwards.
// Forgetting costs a sync and nothing else.
type folders struct {
	mu   sync.Mutex
	seen map[string]struct{} // guarded by mu
}

// maxFolders bounds the memory: about 100 bytes a folder.
const maxFolders = 8192

func (f *folders) has(dir string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.seen[dir]
	return ok
}

func (f *folders) add(dir string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seen == nil || len(f.seen) >= maxFolders {
		f.seen = make(map[string]struct{})
	}
	f.seen[dir] = struct{}{}
}

func (f *folders) forget(dir string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.seen, dir)
}

// folder opens the folder of a key, and makes it when it is missing.
func (s *Store) folder(dir string) (*os.File, error) {
	f, err := s.root.Open(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	if err := s.makeFolder(dir); err != nil {
		return nil, err
	}
	return s.root.Open(dir)
}

// makeFolder makes dir and what is missing above it. What it makes is not known to be durable, even if a folder of
// that name was: somebody may have removed it.
func (s *Store) makeFolder(dir string) error {
	err := s.root.Mkdir(dir, 0o777)
	if errors.Is(err, fs.ErrNotExist) && dir != "." {
		if err := s.makeFolder(path.Dir(dir)); err != nil {
			return err
		}
		err = s.root.Mkdir(dir, 0o777)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	s.known.forget(dir)
	return err
}

// settleWith makes the file f durable, and the names of the folder dir and of those above it, side by side: they have
// nothing to do with each other, and a sync is most of what a create costs.
func (s *Store) settleWith(f *temp, dir string) error {
	if s.known.has(dir) {
		return f.Sync()
	}
	above := make(chan error, 1)
	go func() { above <- s.settleAbove(dir) }()
	return errors.Join(f.Sync(), <-above)
}

// settleAbove makes the names of dir and of the folders above it durable.
func (s *Store) settleAbove(dir string) error {
	for dir != "." && !s.known.has(dir) {
		parent := path.Dir(dir)
		if err := s.sync(parent); err != nil {
			return err
		}
		s.known.add(dir)
		dir = parent
	}
	return nil
}

func (s *Store) sync(dir string) error {
	f, err := s.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
