// Package report makes a page of a run for people: what it did, how long each task took, what it left.
//
// The page is one HTML file without scripts. It stands beside the files that it shows, and links to them.
package report

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"image"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/millrace/millrace/modules/document"
	"github.com/millrace/millrace/modules/redact"
	"github.com/millrace/millrace/modules/workspace"
	"github.com/millrace/millrace/pipelines/engine"
)

// Name is the document that a report is made with: the operator's, which may extend "default/report.html", else ours.
const Name = "report.html"

// maxNames is how many names are tried for the page: report.html, report-2.html, …
const maxNames = 100

const outputs = "outputs" // the workspace's folder that is published

//go:embed default
var defaults embed.FS

// When says which runs get a report among their outputs.
type When string

const (
	Auto   When = "auto" // those that leave outputs
	Always When = "always"
	Never  When = "never"
)

// Config is what all reports share.
type Config struct {
	Documents string // the operator's folder; empty is none
	When      When   // empty is Never
}

// An Input is one run's.
type Input struct {
	Run       *engine.Run
	Job       map[string]any // id, name, title, attempt, …: what templates see as job
	Workspace *workspace.Dir
	Redact    *redact.Set // everything shown goes through it
	// Draw makes a picture of a model in the workspace, some 256 pixels wide and high; nil: models are not drawn.
	Draw func(ctx context.Context, model string) (image.Image, error)
}

// Write puts the report of a run that succeeded into its outputs folder, if it is to have one, and returns its name
// there: report.html, or the first of report-2.html, report-3.html, … that the job left free. "" is no report: a run
// that did not succeed publishes no outputs.
func (c Config) Write(ctx context.Context, in Input) (name string, err error) {
	if c.When != Always && c.When != Auto || in.Run.Status != engine.Succeeded {
		return "", nil
	}
	files, err := published(ctx, in.Workspace)
	if err != nil {
		return "", err
	}
	if c.When == Auto && len(files) == 0 {
		return "", nil
	}
	page, err := c.render(ctx, in, files, "")
	if err != nil {
		return "", err
	}
	if name, err = place(in.Workspace, page); err != nil {
		return "", fmt.Errorf("report: %w", err)
	}
	return name, nil
}

// place writes a page into the outputs folder under a name that nothing has there, and returns the name. It follows no
// link and replaces nothing, whatever the job has left.
func place(ws *workspace.Dir, page string) (string, error) {
	err := ws.MkdirAll(outputs)
	if err != nil {
		return "", err
	}
	found, err := ws.Lstat(outputs)
	if err != nil {
		return "", err
	}
	root, err := os.OpenRoot(filepath.Join(ws.Real(), outputs))
	if err != nil {
		return "", err
	}
	defer root.Close()
	opened, err := root.Stat(".")
	if err != nil {
		return "", err
	}
	if !os.SameFile(found, opened) {
		return "", errors.New("outputs is a link and no folder")
	}
	for n := 1; n <= maxNames; n++ {
		name := Name
		if n > 1 {
			name = fmt.Sprintf("report-%d.html", n)
		}
		err := create(root, name, page)
		if !errors.Is(err, fs.ErrExist) {
			return name, err
		}
	}
	return "", fmt.Errorf("the job left files of all the names from %s to report-%d.html", Name, maxNames)
}

// create writes a page under a name of its own and then links it to name, if nothing has that name.
func create(root *os.Root, name, page string) (err error) {
	if _, err := root.Lstat(name); err == nil {
		return fs.ErrExist
	}
	own := ".report-" + rand.Text() + ".tmp"
	f, err := root.OpenFile(own, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Remove(own)) }()
	_, err = f.WriteString(page)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return root.Link(own, name)
}

// Page is the report of a run. base is where the outputs lie from there: a relative path that ends with a slash.
func (c Config) Page(ctx context.Context, in Input, base string) (string, error) {
	files, err := published(ctx, in.Workspace)
	if err != nil {
		return "", err
	}
	return c.render(ctx, in, files, base)
}

// Check says what is wrong with the operator's document, as far as it shows before there is a run.
func (c Config) Check() error {
	_, err := c.open()
	return err
}

func (c Config) open() (*document.Template, error) {
	own, err := fs.Sub(defaults, "default")
	if err != nil {
		return nil, fmt.Errorf("open built-in documents: %w", err)
	}
	return document.NewFolder(document.Config{Dir: c.Documents, Defaults: own}).Open(Name)
}

func (c Config) render(ctx context.Context, in Input, files []file, base string) (string, error) {
	t, err := c.open()
	if err != nil {
		return "", fmt.Errorf("report: %w", err)
	}
	vars := view(ctx, in, files, base)
	if in.Redact != nil {
		vars, _ = in.Redact.Value(vars).(map[string]any)
	}
	page, err := t.Execute(ctx, vars)
	if err != nil {
		return "", fmt.Errorf("report: %w", err)
	}
	return page, nil
}

// A file is one of the outputs.
type file struct {
	path string // in the outputs folder
	size int64
}

// maxFiles is how many outputs a page lists.
const maxFiles = 500

// published lists the plain files in the outputs folder; there may be none of them, and no folder.
func published(ctx context.Context, ws *workspace.Dir) ([]file, error) {
	var files []file
	info, err := ws.Lstat(outputs)
	if err != nil || !info.IsDir() {
		return nil, nil
	}
	err = fs.WalkDir(ws.FS(), outputs, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		files = append(files, file{path[len(outputs)+1:], info.Size()})
		if len(files) > maxFiles {
			return fs.SkipAll
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("report: look at the outputs: %w", err)
	}
	return files, nil
}

// seconds between two times of a run; one that has not ended goes on until now.
func seconds(from, to time.Time) float64 {
	if from.IsZero() {
		return 0
	}
	if to.IsZero() {
		to = time.Now()
	}
	return max(0, to.Sub(from).Seconds())
}
