package dirblob

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path"
)

// A temp is an object that is being written.
type temp struct {
	*os.File
	store *Store
	name  string // in tempDir; empty while the file has no name
}

// newTemp makes one: without a name where the filesystem has such files.
func (s *Store) newTemp() (*temp, error) {
	if f, err := s.nameless(); err == nil {
		return &temp{File: f, store: s}, nil
	}
	name := tempDir + "/" + rand.Text()
	f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	return &temp{File: f, store: s, name: name}, err
}

// link gives the file the name key in the open folder dir; fs.ErrExist when it is taken.
func (t *temp) link(dir *os.File, key string) error {
	if t.name == "" {
		return linkNameless(t.File, dir, path.Base(key))
	}
	return t.store.root.Link(t.name, key)
}

// replace gives the file the name key, in place of what has it.
func (t *temp) replace(dir *os.File, key string) error {
	if t.name == "" {
		err := linkNameless(t.File, dir, path.Base(key))
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		hidden, err := t.store.root.Open(tempDir)
		if err != nil {
			return err
		}
		name := rand.Text()
		if err := errors.Join(linkNameless(t.File, hidden, name), hidden.Close()); err != nil {
			return err
		}
		t.name = tempDir + "/" + name
	}
	err := t.store.root.Rename(t.name, key)
	if err == nil {
		t.name = ""
	}
	return err
}

// close lets go of the file; nothing is left of it but the key it was given.
func (t *temp) close() error {
	err := t.Close()
	if t.name != "" {
		err = errors.Join(err, t.store.root.Remove(t.name))
	}
	return err
}
