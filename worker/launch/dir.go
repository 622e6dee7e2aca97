package launch

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// A Dir is the folder of one place to run jobs in. Everything of a job lies below it.
type Dir struct {
	Path string `json:"path"`
	Work string `json:"work,omitzero"` // the workspace, where it is not below Path: a person's own folder
}

// Workspace is the job's folder, Temp its TMPDIR, Home its HOME.
func (d Dir) Workspace() string { return cmp.Or(d.Work, d.Path+"/workspace") }
func (d Dir) Temp() string      { return d.Path + "/tmp" }
func (d Dir) Home() string      { return d.Path + "/home" }

// Environ are the variables by which programs find their folders.
func (d Dir) Environ() []string { return []string{"HOME=" + d.Home(), "TMPDIR=" + d.Temp()} }

// MakeDir makes a fresh folder below root with the places that a job has; work is the workspace when it is another
// folder. Remove Dir.Path after use.
func MakeDir(root, work string) (Dir, error) {
	path, err := os.MkdirTemp(root, "slot-")
	if err != nil {
		return Dir{}, fmt.Errorf("make job folder: %w", err)
	}
	d := Dir{Path: path, Work: work}
	return d, d.fill()
}

// fill makes what a job finds in its folder.
func (d Dir) fill() error {
	for _, p := range []string{d.Workspace(), d.Temp(), d.Home()} {
		if err := os.MkdirAll(p, 0o700); err != nil {
			return fmt.Errorf("make job folder: %w", err)
		}
	}
	return nil
}

// wipe empties the folder, so that the next job finds nothing of the last one. The three places stay where they are
// still folders, which is all that a job that wrote nothing costs.
func (d Dir) wipe() error {
	entries, err := os.ReadDir(d.Path)
	if err != nil {
		return fmt.Errorf("wipe job folder: %w", err)
	}
	for _, e := range entries {
		path := d.Path + "/" + e.Name()
		if e.IsDir() && (path == d.Workspace() || path == d.Temp() || path == d.Home()) {
			err = empty(path)
		} else {
			err = Remove(path)
		}
		if err != nil {
			return fmt.Errorf("wipe job folder: %w", err)
		}
	}
	return d.fill()
}

// empty removes what is in a folder, after making it one that we may look into.
func empty(dir string) error {
	if err := os.Chmod(dir, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := Remove(dir + "/" + e.Name()); err != nil {
			return err
		}
	}
	return nil
}

// Remove removes a folder of a job's and all in it, also what the job has locked: a folder without permissions.
func Remove(path string) error {
	if os.RemoveAll(path) == nil {
		return nil
	}
	// What can't be opened is unlocked on the way down; what really can't be removed is RemoveAll's to tell.
	_ = filepath.WalkDir(path, func(p string, d fs.DirEntry, _ error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(p, 0o700)
		}
		return nil
	})
	return os.RemoveAll(path)
}
