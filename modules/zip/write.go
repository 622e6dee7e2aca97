package zip

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/workspace"
)

// A writer puts packed blocks, in order, into an archive.
type writer struct {
	zip  *zip.Writer
	file io.Writer // of the entry that is being written; nil is none
	next []byte    // packed bytes of the block that is handed to file
}

// write packs entries into f, reads the archive's directory back and returns the archive's size in bytes.
func write(ctx context.Context, dir *workspace.Dir, f *os.File, entries []entry, level int) (int64, error) {
	w := &writer{zip: zip.NewWriter(f)}
	w.zip.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) { return &substitute{w: w, out: out}, nil })
	err := packAll(ctx, level, func(ctx context.Context, p *packer) error {
		for _, e := range entries {
			if err := feed(ctx, dir, e, p); err != nil {
				return err
			}
		}
		return nil
	}, w.block)
	if err != nil {
		return 0, err
	}
	if err := w.zip.Close(); err != nil {
		return 0, fmt.Errorf("finish archive: %w", err)
	}
	return verify(f, len(entries))
}

// feed cuts a file into blocks. A block knows whether it is the file's last, so the one behind it is read first.
func feed(ctx context.Context, dir *workspace.Dir, e entry, p *packer) (err error) {
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
	header.Name, header.Modified = e.name, header.Modified.UTC()
	b, err := p.read(ctx, in, nil)
	if err != nil {
		return fmt.Errorf("add %q: %w", e.name, err)
	}
	b.header = header
	for len(b.raw) == blockSize {
		behind, err := p.read(ctx, in, b.raw)
		if err != nil {
			return fmt.Errorf("add %q: %w", e.name, err)
		}
		if err := p.pack(ctx, b); err != nil {
			return err
		}
		b = behind
	}
	b.last = true
	return p.pack(ctx, b)
}

// block puts one packed block into the archive; the first of a file makes its entry.
func (w *writer) block(b *block) (err error) {
	if b.header != nil {
		b.header.Method = zip.Deflate
		if b.stored {
			b.header.Method = zip.Store
		}
		if w.file, err = w.zip.CreateHeader(b.header); err != nil {
			return fmt.Errorf("add %q: %w", b.header.Name, err)
		}
	}
	w.next = b.packed.Bytes()
	_, err = w.file.Write(b.raw)
	return err
}

// A substitute stands where the archive's writer has its compressor: what it is given has been packed elsewhere.
type substitute struct {
	w   *writer
	out io.Writer
}

func (s *substitute) Write(raw []byte) (int, error) {
	if _, err := s.out.Write(s.w.next); err != nil {
		return 0, err
	}
	s.w.next = nil
	return len(raw), nil
}

func (s *substitute) Close() error { return nil }

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
