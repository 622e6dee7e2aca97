package meshoptimizer

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/blender"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/glb"
	"github.com/millrace/millrace/modules/tool"
)

// A product is a file that is written besides dest.
type product struct {
	name string // in the workspace
	real string // where it lies until it is published
	size int64
}

// wanted are the formats that are written besides glTF.
func (c *Config) wanted() (all []blender.Format) {
	for _, o := range []struct {
		on     bool
		format blender.Format
	}{{c.OutputFBX, blender.FBX}, {c.OutputUSDZ, blender.USDZ}, {c.OutputOBJ, blender.OBJ}} {
		if o.on {
			all = append(all, o.format)
		}
	}
	return all
}

// A second is what makes the other formats of a model: Blender, over a GLB of it in a folder of its own.
type second struct {
	work   *work
	by     blender.Blender
	dir    string
	own    *blender.Warm // to close
	stats  modules.Stats // the highest of what it ran
	drawn  int64         // triangles of dest
	source string
	stem   string // of dest, with its folder
}

// newSecond checks that Blender is there; close it after use. There is none where no other format is wanted.
func (w *work) newSecond(ctx context.Context, c *modules.Call, dest string) (*second, error) {
	wanted := w.plan.wanted()
	if wanted == nil {
		return nil, nil
	}
	if _, err := c.Tools.Find(ctx, tool.Blender()); err != nil {
		if _, lacks := errors.AsType[*tool.MissingError](err); lacks {
			err = fault.As(fault.Permanent, err)
		}
		return nil, fmt.Errorf("config.output_%s: %w", wanted[0], err)
	}
	s := &second{
		work: w, stem: strings.TrimSuffix(dest, path.Ext(dest)),
		by: blender.Blender{Tools: c.Tools, Exec: c.Exec, Env: c.Env, Stderr: c.Stderr, Warm: c.Blender},
	}
	var err error
	if s.dir, err = os.MkdirTemp("", "meshoptimizer-"); err != nil {
		return nil, err
	}
	if s.by.Warm == nil && len(wanted) > 1 {
		s.own = blender.NewWarm()
		s.by.Warm = s.own
	}
	return s, nil
}

func (s *second) close() error {
	if s == nil {
		return nil
	}
	if s.own != nil {
		s.own.Close()
	}
	return os.RemoveAll(s.dir)
}

// make writes all formats that are wanted of the model as it is in dest.
func (s *second) make(ctx context.Context, c *modules.Call, drawn int64) (made map[blender.Format]product, err error) {
	if s == nil {
		return nil, nil
	}
	s.drawn, s.source = drawn, filepath.Join(s.dir, "model.glb")
	if err := s.write(ctx, c); err != nil {
		return nil, err
	}
	made = map[blender.Format]product{}
	for _, format := range s.work.plan.wanted() {
		err := s.work.step(strings.ToUpper(string(format)), func() (err error) {
			made[format], err = s.convert(ctx, format)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("config.output_%s: %w", format, err)
		}
	}
	return made, nil
}

// write puts the model where Blender reads it, which knows no Draco here.
func (s *second) write(ctx context.Context, c *modules.Call) error {
	doc, err := s.work.written, error(nil)
	if doc.Uses(dracoExtension) {
		if doc, err = draco(ctx, c, "decode", doc); err != nil {
			return err
		}
	}
	if err := doc.Separate(); err != nil {
		return err
	}
	if n := doc.Count().Triangles; n < s.drawn {
		s.warn(fmt.Sprintf("%d triangles of %d have no area, and are not in the other formats", s.drawn-n, s.drawn))
		s.drawn = n
	}
	f, err := os.Create(s.source)
	if err != nil {
		return err
	}
	return errors.Join(doc.Write(f), f.Close())
}

// convert writes one format, and holds what Blender reads of it against what it read of the model.
func (s *second) convert(ctx context.Context, format blender.Format) (p product, err error) {
	dir := filepath.Join(s.dir, string(format))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return p, err
	}
	p.name = s.stem + "." + string(format)
	p.real = filepath.Join(dir, path.Base(p.name))
	r, stats, err := s.by.Convert(ctx, blender.Job{Src: s.source, Format: blender.GLB, Dest: p.real, Write: format, Roots: []string{s.dir}})
	s.stats.MaxMem, s.stats.MaxCPU = max(s.stats.MaxMem, stats.MaxMem), max(s.stats.MaxCPU, stats.MaxCPU)
	if err != nil {
		return p, err
	}
	if err := s.compare(format, r); err != nil {
		return p, err
	}
	if format == blender.OBJ {
		p.name = s.stem + ".zip"
		p.real = dir + ".zip"
		if err := zipFolder(ctx, dir, p.real); err != nil {
			return p, err
		}
	}
	info, err := os.Stat(p.real)
	if err != nil {
		return p, fmt.Errorf("look at what Blender wrote: %w", err)
	}
	p.size = info.Size()
	return p, nil
}

// compare says where a format is not the model.
func (s *second) compare(format blender.Format, r blender.Result) error {
	for _, text := range r.Warnings {
		s.warn(text)
	}
	if r.Read.Triangles != s.drawn {
		return permanent("it draws %d triangles, and Blender read %d", s.drawn, r.Read.Triangles)
	}
	lacks := blender.Lacks(format)
	if r.Read.Animations > 0 && slices.Contains(lacks, "animations") {
		s.warn(fmt.Sprintf("%d animations are not in the %s, which holds none", r.Read.Animations, strings.ToUpper(string(format))))
	}
	return r.Written.Differs(r.Read, lacks...)
}

func (s *second) warn(text string) {
	if !slices.Contains(s.work.warnings, text) {
		s.work.warn("%s", text)
	}
}

// zipFolder writes the files of a folder into a ZIP, and reads it again.
func zipFolder(ctx context.Context, dir, to string) error {
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	z := zip.NewWriter(f)
	if err := errors.Join(z.AddFS(os.DirFS(dir)), z.Close(), f.Close()); err != nil {
		return err
	}
	r, err := zip.OpenReader(to)
	if err != nil {
		return fmt.Errorf("read the ZIP that was written: %w", err)
	}
	defer r.Close()
	for _, file := range r.File {
		if err := errors.Join(readAll(file), ctx.Err()); err != nil {
			return fmt.Errorf("read %s of the ZIP that was written: %w", file.Name, err)
		}
	}
	return nil
}

func readAll(file *zip.File) error {
	in, err := file.Open()
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return errors.Join(err, in.Close())
}

// told puts what was made into the output.
func (o *Output) told(made map[blender.Format]product) {
	for format, to := range map[blender.Format][2]*string{
		blender.FBX: {&o.FBXDest, &o.FBXSize}, blender.USDZ: {&o.USDZDest, &o.USDZSize}, blender.OBJ: {&o.OBJDest, &o.OBJSize},
	} {
		p := made[format]
		*to[0], *to[1] = p.name, fmt.Sprint(p.size)
	}
	o.USDDest = o.USDZDest
}

// publish puts what was made into the workspace: the model last, which says that all is there.
func publish(c *modules.Call, out Output, file []byte, made map[blender.Format]product) error {
	for _, p := range made {
		if err := put(c, p); err != nil {
			return fmt.Errorf("write %s: %w", p.name, err)
		}
	}
	said, err := said(out)
	if err != nil {
		return err
	}
	if err := putBytes(c, path.Join(out.JSON.Dir, out.JSON.Base), said); err != nil {
		return err
	}
	return putBytes(c, out.Dest, file)
}

func put(c *modules.Call, p product) error {
	in, err := os.Open(p.real)
	if err != nil {
		return err
	}
	defer in.Close()
	return c.Workspace.Replace(p.name, func(f *os.File) error {
		_, err := io.Copy(f, in)
		return err
	})
}

func putBytes(c *modules.Call, name string, data []byte) error {
	return c.Workspace.Replace(name, func(f *os.File) error {
		_, err := io.Copy(f, bytes.NewReader(data))
		return err
	})
}

// demand is what the other formats take on top: Blender's own memory, and all that is in the model.
func (c *Config) demand(d modules.Demand, m glb.Measures) (modules.Demand, error) {
	const (
		base      = 300 << 20 // bytes at its start
		maxAll    = 1 << 30   // texels of all pictures
		perByte   = 8
		perVertex = 200
	)
	n := int64(len(c.wanted()))
	if n == 0 {
		return d, nil
	}
	if m.Texels() > maxAll {
		return d, permanent("its pictures have %d Mi pixels, more than the %d that the other formats are made of", m.Texels()>>20, maxAll>>20)
	}
	d.Disk += (2*n + 1) * d.Input
	d.Memory += base + perByte*d.Input + perVertex*m.Vertices + perByte*m.Texels()
	return d, nil
}
