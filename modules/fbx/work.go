package fbx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/glb"
	"github.com/millrace/millrace/modules/gltfcheck"
)

// A work is a folder of its own beside the workspace, where FBX2glTF unpacks what the FBX holds and leaves what it makes.
type work struct {
	dir  string
	src  string // real
	text bool   // a .gltf is asked for
	said said
}

func newWork(c *modules.Call, j Job, textures []string) (*work, error) {
	real, err := c.Workspace.Path(j.Src)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "fbx2gltf-")
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, err
	}
	w := &work{dir: dir, src: real, text: j.isText(), said: newSaid()}
	gathered, err := gather(c, j.Src, dir, textures)
	err = errors.Join(err, os.Mkdir(filepath.Join(dir, "unpacked"), 0o700))
	if gathered != "" {
		w.src = gathered
	} else if !strings.EqualFold(filepath.Ext(real), ".fbx") {
		// What is an FBX is told by what it holds, here; FBX2glTF goes by the name.
		w.src = filepath.Join(dir, "in.fbx")
		err = errors.Join(err, os.Symlink(real, w.src))
	}
	if err != nil {
		w.remove()
		return nil, err
	}
	return w, nil
}

// remove takes the folder away. What stays goes with the job's own folder.
func (w *work) remove() { _ = os.RemoveAll(w.dir) }

// Write takes what nobody asked to see.
func (w *work) Write(p []byte) (int, error) { return len(p), nil }

func (w *work) args(options []string) []string {
	args := []string{"--verbose", "--fbx-temp-dir", filepath.Join(w.dir, "unpacked")}
	if w.text {
		args = append(args, "--embed") // a buffer of its own is called buffer.bin, like that of the next model
	} else {
		args = append(args, "--binary")
	}
	return append(append(args, options...), "--input", w.src, "--output", filepath.Join(w.dir, "out"))
}

// made is the file that FBX2glTF wrote: "out.glb", or "out_out/out.gltf" with what it refers to beside it.
func (w *work) made() string {
	if w.text {
		return filepath.Join(w.dir, "out_out", "out.gltf")
	}
	return filepath.Join(w.dir, "out.glb")
}

// A Product is what was made.
type Product struct {
	glb.Measures
	Size     int64 // bytes
	Warnings []string
}

// open opens what was made, as its reader will, holds it against what FBX2glTF read, and takes away what FBX2glTF gets wrong; skins are those that it touched.
func (w *work) open() (doc *glb.Document, skins []int, err error) {
	doc, err = w.read()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fault.As(fault.Permanent, errors.New("FBX2glTF wrote nothing"))
	}
	if err != nil {
		return nil, nil, err
	}
	if doc.Count().Triangles == 0 {
		return nil, nil, fault.As(fault.Permanent, errors.New("it draws no triangle: is there a mesh in it?"))
	}
	if err := w.said.read.differs(doc, len(w.said.missing)); err != nil {
		return nil, nil, err
	}
	return doc, mend(doc), nil
}

// verify opens what was made, and asks Khronos' validator.
func (w *work) verify(ctx context.Context, c *modules.Call) (Product, error) {
	doc, mended, err := w.open()
	if err != nil {
		return Product{}, err
	}
	p := Product{Measures: doc.Count()}
	if len(mended) > 0 {
		if err := w.rewrite(doc, mended); err != nil {
			return p, err
		}
	}
	validator := gltfcheck.Validator{Tools: c.Tools, Exec: c.Exec, Env: c.Env}
	report, err := validator.Check(ctx, gltfcheck.File{Path: w.made()}, gltfcheck.Options{MaxIssues: 100})
	if err != nil {
		return p, err
	}
	for _, m := range report.Issues.Messages {
		if m.Severity == gltfcheck.Error {
			return p, fault.As(fault.Permanent, fmt.Errorf("FBX2glTF wrote what breaks the rules of glTF: %s (%s at %s)", m.Message, m.Code, m.Pointer))
		}
	}
	return p, nil
}

func (w *work) read() (*glb.Document, error) {
	root, err := os.OpenRoot(filepath.Dir(w.made()))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.Open(filepath.Base(w.made()))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return glb.Read(f, glb.Source{Open: func(name string) (fs.File, error) { return root.Open(name) }})
}

// publish moves what was made to its place in the workspace, what it refers to first.
func (w *work) publish(c *modules.Call, dest string) (size int64, err error) {
	folder := filepath.Dir(w.made())
	root, err := os.OpenRoot(folder)
	if err != nil {
		return 0, err
	}
	defer root.Close()
	if w.text {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return 0, err
		}
		for _, e := range entries {
			if e.Name() == filepath.Base(w.made()) {
				continue
			}
			if _, err := move(c, root, e.Name(), path.Join(path.Dir(dest), e.Name())); err != nil {
				return 0, fmt.Errorf("%s: %w", e.Name(), err)
			}
		}
	}
	return move(c, root, filepath.Base(w.made()), dest)
}

func move(c *modules.Call, from *os.Root, name, to string) (size int64, err error) {
	in, err := from.Open(name)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	err = c.Workspace.Replace(to, func(f *os.File) error {
		size, err = io.Copy(f, in)
		return err
	})
	return size, err
}
