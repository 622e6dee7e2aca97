package imagemagick

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
)

// A work is a folder of its own beside the workspace, where one run finds its policy and its picture under a name that
// means nothing to ImageMagick, and leaves what it makes.
type work struct {
	dir    string
	src    *source // nil: the arguments make the picture
	format string  // that is written
	name   string  // of what is written, below out
}

func newWork(c *modules.Call, p Props) (w *work, err error) {
	w = &work{name: "out" + strings.ToLower(path.Ext(p.Dest))}
	if strings.Contains(path.Base(p.Dest), "%") {
		w.name = path.Base(p.Dest)
	}
	if w.format, err = formatFor(p.Dest); err != nil {
		return nil, err
	}
	if p.Src != "" {
		src, err := look(c, p.Src)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", p.Src, err)
		}
		w.src = &src
	}
	if w.dir, err = os.MkdirTemp("", "imagemagick-"); err != nil {
		return nil, err
	}
	err = errors.Join(
		os.Mkdir(filepath.Join(w.dir, "out"), 0o700),
		os.WriteFile(filepath.Join(w.dir, "policy.xml"), policy(w.dir, c.Workspace.Real()), 0o600),
	)
	if w.src != nil {
		err = errors.Join(err, os.Symlink(w.src.file, filepath.Join(w.dir, "in")))
	}
	if err != nil {
		w.remove()
		return nil, err
	}
	return w, nil
}

// remove takes the folder away. What stays goes with the job's own folder.
func (w *work) remove() { _ = os.RemoveAll(w.dir) }

// args are ImageMagick's: the source in the format that it has, the options, and where to write in the format that was asked for.
func (w *work) args(words []string) []string {
	var args []string
	if w.src != nil {
		args = append(args, w.src.format+":"+filepath.Join(w.dir, "in")+w.src.frames)
	}
	return append(append(args, words...), w.format+":"+filepath.Join(w.dir, "out", w.name))
}

// reason is the first thing that ImageMagick says; what follows from it comes behind. A line of its is
// "convert-im6.q16: improper image header `/tmp/x/in' @ error/gif.c/ReadGIFImage/1046."
func (w *work) reason(lines []string) string {
	_, text, ok := strings.Cut(lines[0], ": ")
	if !ok {
		return lines[0]
	}
	text, _, _ = strings.Cut(text, " @ ")
	return strings.ReplaceAll(text, w.dir+"/", "")
}

// publish checks what was written and moves it to its place in the workspace.
func (w *work) publish(ctx context.Context, c *modules.Call, dest string) (size int64, err error) {
	out, err := os.OpenRoot(filepath.Join(w.dir, "out"))
	if err != nil {
		return 0, err
	}
	defer out.Close()
	entries, err := os.ReadDir(out.Name())
	if err != nil {
		return 0, err
	}
	switch {
	case len(entries) == 0:
		return 0, fault.As(fault.Permanent, errors.New("there is nothing; do args end in a picture?"))
	case len(entries) > 1 && !strings.Contains(w.name, "%"):
		return 0, fault.As(fault.Permanent, fmt.Errorf(
			"there are %d pictures, and dest is one file; take one frame (src: name.gif[0]), join them (-append, -layers flatten), or write %%d in dest", len(entries)))
	}
	for _, e := range entries {
		to := dest
		if strings.Contains(w.name, "%") {
			to = path.Join(path.Dir(dest), e.Name())
		}
		n, err := w.move(ctx, c, out, e.Name(), to)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", path.Base(to), err)
		}
		size += n
	}
	return size, nil
}

// move puts a file into the workspace, if it is what it was to be.
func (w *work) move(ctx context.Context, c *modules.Call, from *os.Root, name, to string) (int64, error) {
	f, err := from.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	head, err := headOf(f)
	if err != nil {
		return 0, err
	}
	is, err := formatOf(to, head)
	if err != nil || is != family(w.format) {
		return 0, fault.As(fault.Permanent, fmt.Errorf("it is no %s", w.format))
	}
	if _, err := sizeOf(is, f); err != nil {
		return 0, fmt.Errorf("it can't be read again: %w", err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	var size int64
	err = c.Workspace.Replace(to, func(dest *os.File) (err error) {
		size, err = io.Copy(dest, f)
		return errors.Join(err, context.Cause(ctx))
	})
	return size, err
}

// family is the name by which formatOf knows a format.
func family(format string) string {
	switch {
	case strings.HasPrefix(format, "PNG"):
		return "PNG"
	case strings.HasPrefix(format, "BMP"):
		return "BMP"
	case format == "JPG", format == "PJPEG":
		return "JPEG"
	case format == "TIF":
		return "TIFF"
	case format == "PBM", format == "PGM", format == "PPM", format == "PAM":
		return "PNM"
	}
	return format
}
