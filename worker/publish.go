package worker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/fault"
)

const (
	outputs    = "outputs" // the workspace's folder that is published
	maxOutputs = 10_000    // files in it; a record names each
)

// publish copies what the job left in its outputs folder to the store, under a prefix of this attempt: nothing is
// known under it before the final record names it.
//
// The folder is the job's, so nothing in it is trusted: links and anything else that is no plain file are left out, also
// when they appear while we look.
func (a *attempt) publish(ctx context.Context, workspace string) error {
	root, err := os.OpenRoot(workspace)
	if err != nil {
		return fmt.Errorf("publish outputs: %w", err)
	}
	defer root.Close()
	files, err := list(root, a.worker.cfg.MaxOutput)
	for _, path := range files {
		if err == nil {
			err = a.lease.Lost()
		}
		if err == nil {
			err = a.persist(ctx, func() error { return a.publishFile(ctx, root, path) })
		}
	}
	if err != nil {
		return fmt.Errorf("publish outputs: %w", err)
	}
	return nil
}

// An outputsError says that what the job left is no outputs folder that can be published.
type outputsError struct{ err error }

func (e *outputsError) Error() string { return e.err.Error() }
func (e *outputsError) Unwrap() error { return e.err }

// itsDoing makes an *outputsError of err, which no retry helps; nil stays nil.
func itsDoing(err error) error {
	if err == nil {
		return nil
	}
	return fault.As(fault.Permanent, &outputsError{err})
}

// list names the plain files in the outputs folder, which may have maxBytes in all. Its errors are the job's doing.
func list(root *os.Root, maxBytes int64) ([]string, error) {
	var files []string
	var size int64
	err := fs.WalkDir(root.FS(), outputs, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) && path == outputs:
			return fs.SkipAll // it left nothing
		case err != nil:
			return err
		case path == outputs && !d.IsDir():
			return fmt.Errorf("%q in the workspace is no folder; put files into a folder of that name", outputs)
		case !d.Type().IsRegular():
			return nil
		case len(files) == maxOutputs:
			return fmt.Errorf("the job left more than %d files in %s; pack them", maxOutputs, outputs)
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if size += info.Size(); size > maxBytes {
			return fmt.Errorf("the job left more than %d MiB in %s (MILLRACE_MAX_OUTPUT)", maxBytes>>20, outputs)
		}
		files = append(files, path)
		return nil
	})
	return files, itsDoing(err)
}

func (a *attempt) publishFile(ctx context.Context, root *os.Root, path string) error {
	f, err := root.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe in its place must not block us
	if err != nil {
		return itsDoing(err) // locked or gone: nobody but the job can have done that
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return err
	}
	name, _ := strings.CutPrefix(path, outputs+"/")
	stored, err := a.record.Publish(ctx, name, f)
	a.published += stored.Size
	if _, ok := errors.AsType[*blob.KeyError](err); ok {
		return itsDoing(fmt.Errorf("%w; give the file another name", err))
	}
	return err
}
