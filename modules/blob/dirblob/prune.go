package dirblob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
)

// Prune removes the folder of keys dir and the folders in it, all that hold no object: deleted objects leave theirs. A
// folder that somebody fills meanwhile stays, or is made again by who fills it. That there is none is not an error.
func (s *Store) Prune(ctx context.Context, dir string) error {
	if err := check(ctx, dir); err != nil {
		return fmt.Errorf("prune folder: %w", err)
	}
	if err := s.prune(ctx, dir); err != nil {
		return fmt.Errorf("prune folder %s: %w", dir, err)
	}
	return nil
}

func (s *Store) prune(ctx context.Context, dir string) error {
	entries, err := s.entries(dir)
	if errors.Is(err, fs.ErrNotExist) || isNotFolder(err) {
		return nil
	}
	if err != nil {
		return err
	}
	objects := false
	for _, e := range entries {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !e.IsDir() {
			objects = true
			continue
		}
		if err := s.prune(ctx, path.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	if objects {
		return nil
	}
	s.known.forget(dir)
	err = s.root.Remove(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) { // it is gone, or not empty any more
		return nil
	}
	return err
}
