package unzip

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/flate"

	"github.com/millrace/millrace/modules/workspace"
)

// maxWorkers bounds how many files are unpacked at once: beyond it the disk is what is waited for.
const maxWorkers = 8

// place unpacks into a folder of its own, and moves that to dest when all of it is there and right.
func place(ctx context.Context, dir *workspace.Dir, dest string, a *archive, r io.ReaderAt) (err error) {
	temp, exists, err := tempFor(dir, dest)
	if err != nil {
		return err
	}
	if err := dir.MkdirAll(temp); err != nil {
		return err
	}
	defer func() {
		if rerr := dir.RemoveAll(temp); rerr != nil {
			err = errors.Join(err, rerr)
		}
	}()
	if err := fill(ctx, dir, temp, a, r); err != nil {
		return err
	}
	if !exists {
		return dir.Rename(temp, dest)
	}
	return merge(ctx, dir, temp, dest, a)
}

// tempFor names a folder to unpack into, on the same filesystem as dest, and says whether dest is there.
func tempFor(dir *workspace.Dir, dest string) (temp string, exists bool, err error) {
	hidden := ".unzip." + rand.Text() + ".tmp"
	info, err := dir.Stat(dest)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return path.Join(path.Dir(path.Clean(dest)), hidden), false, nil
	case err != nil:
		return "", false, err
	case !info.IsDir():
		return "", false, refuse("%q is a file; name a folder to unpack into", dest)
	}
	return path.Join(dest, hidden), true, nil
}

// fill unpacks all of an archive into an empty folder.
func fill(ctx context.Context, dir *workspace.Dir, temp string, a *archive, r io.ReaderAt) error {
	root, err := dir.OpenRoot(temp)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, folder := range a.folders {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := root.Mkdir(folder, 0o755); err != nil {
			return fmt.Errorf("make folder %q: %w", folder, bare(err))
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	var taken atomic.Int64
	for range min(runtime.GOMAXPROCS(0), maxWorkers, max(a.files, 1)) {
		wg.Go(func() {
			w := newUnpacker(root, r)
			for {
				i := int(taken.Add(1)) - 1
				if i >= len(a.entries) || ctx.Err() != nil {
					return
				}
				if a.entries[i].folder {
					continue
				}
				if err := w.unpack(ctx, &a.entries[i]); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// An unpacker unpacks one file at a time.
type unpacker struct {
	root    *os.Root
	r       io.ReaderAt
	in      *bufio.Reader
	inflate io.ReadCloser
	buf     []byte
}

func newUnpacker(root *os.Root, r io.ReaderAt) *unpacker {
	in := bufio.NewReaderSize(nil, 64<<10)
	return &unpacker{root: root, r: r, in: in, inflate: flate.NewReader(in), buf: make([]byte, 128<<10)}
}

// unpack writes one file, which must come to exactly the size and the checksum that the directory gives.
func (u *unpacker) unpack(ctx context.Context, e *entry) (err error) {
	f, err := u.root.OpenFile(e.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("create %q: %w", e.name, bare(err))
	}
	defer func() {
		if cerr := f.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("write %q: %w", e.name, bare(cerr))
		}
	}()
	var in io.Reader = io.NewSectionReader(u.r, e.data, e.packed)
	if e.method == deflated {
		u.in.Reset(in)
		in = u.inflate
		if err := u.inflate.(flate.Resetter).Reset(u.in, nil); err != nil {
			return err
		}
	}
	return u.pump(ctx, f, in, e)
}

func (u *unpacker) pump(ctx context.Context, f *os.File, in io.Reader, e *entry) error {
	var size int64
	var crc uint32
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := in.Read(u.buf)
		if size += int64(n); size > e.size {
			return damaged("%q holds more than the %d bytes that it says", e.name, e.size)
		}
		crc = crc32.Update(crc, crc32.IEEETable, u.buf[:n])
		if _, werr := f.Write(u.buf[:n]); werr != nil {
			return fmt.Errorf("write %q: %w", e.name, bare(werr))
		}
		if err == io.EOF {
			break
		}
		if _, broken := errors.AsType[*fs.PathError](err); broken { // it is the disk, not the archive
			return fmt.Errorf("read %q: %w", e.name, err)
		}
		if err != nil {
			return damaged("%q can't be unpacked (%v)", e.name, err)
		}
	}
	if size != e.size || crc != e.crc {
		return damaged("%q is not what was packed: its size or its checksum is another one", e.name)
	}
	return nil
}

// bare is an error about a file without the file's real path.
func bare(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}
