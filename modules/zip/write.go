package zip

import (
	"archive/zip"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/workspace"
)

// write packs entries into f, reads the archive's directory back and returns the archive's size in bytes.
func write(ctx context.Context, dir *workspace.Dir, f *os.File, entries []entry, level int) (int64, error) {
	w := zip.NewWriter(f)
	w.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) { return flate.NewWriter(out, level) })
	method := zip.Deflate
	if level == 0 {
		method = zip.Store
	}
	for _, e := range entries {
		if err := pack(ctx, dir, w, e, method); err != nil {
			return 0, err
		}
	}
	if err := w.Close(); err != nil {
		return 0, fmt.Errorf("finish archive: %w", err)
	}
	return verify(f, len(entries))
}

func pack(ctx context.Context, dir *workspace.Dir, w *zip.Writer, e entry, method uint16) (err error) {
	in, err := dir.Open(e.file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	info, err := in.Stat()
	if err != nil {
		return fmt.Errorf("find %q: %w", e.file, err)
	}
	if !info.Mode().IsRegular() {
		return fault.As(fault.Permanent, fmt.Errorf("%q is no regular file any more", e.file))
	}
	header, err := zip.FileInfoHeader(info)
	if err != nil {
		return fmt.Errorf("describe %q: %w", e.file, err)
	}
	header.Name, header.Method, header.Modified = e.name, method, header.Modified.UTC()
	out, err := w.CreateHeader(header)
	if err != nil {
		return fmt.Errorf("add %q: %w", e.name, err)
	}
	if _, err := io.Copy(out, until(ctx, in)); err != nil {
		return fmt.Errorf("add %q: %w", e.name, err)
	}
	return nil
}

// verify opens the archive as its reader will.
func verify(f *os.File, files int) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, fmt.Errorf("check archive: %w", err)
	}
	r, err := zip.NewReader(f, info.Size())
	if err != nil {
		return 0, fmt.Errorf("check archive: %w", err)
	}
	if len(r.File) != files {
		return 0, fmt.Errorf("check archive: it lists %d files where %d were packed", len(r.File), files)
	}
	return info.Size(), nil
}

// until reads from r as long as ctx lasts, then fails with its cause.
func until(ctx context.Context, r io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		return r.Read(p)
	})
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
