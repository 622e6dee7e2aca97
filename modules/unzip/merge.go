package unzip

import (
	"context"
	"errors"
	"io/fs"
	"path"

	"github.com/millrace/millrace/modules/workspace"
)

// merge moves what was unpacked into a folder that is there. What stands in the way is found before anything is moved.
func merge(ctx context.Context, dir *workspace.Dir, temp, dest string, a *archive) error {
	for _, folder := range a.folders {
		if err := free(dir, path.Join(dest, folder), true); err != nil {
			return err
		}
	}
	for _, e := range a.entries {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if e.folder {
			continue
		}
		if err := free(dir, path.Join(dest, e.name), false); err != nil {
			return err
		}
	}
	for _, folder := range a.folders {
		if err := dir.MkdirAll(path.Join(dest, folder)); err != nil {
			return err
		}
	}
	for _, e := range a.entries { // to the end, whatever ctx says: half of it would be a mixture
		if e.folder {
			continue
		}
		if err := dir.Rename(path.Join(temp, e.name), path.Join(dest, e.name)); err != nil {
			return err
		}
	}
	return nil
}

// free says whether a folder, or a file, can go where name is: only one of its own kind may be there. Links are not followed.
func free(dir *workspace.Dir, name string, folder bool) error {
	info, err := dir.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case folder && !info.IsDir(), !folder && !info.Mode().IsRegular():
		return refuse("%q is in the way; remove it, or unpack into another folder", name)
	}
	return nil
}
