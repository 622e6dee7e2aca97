package transfer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/workspace"
)

// gather plans an upload.
func (t *Transfer) gather(ctx context.Context) (plan, error) {
	dest := t.key(ctx, t.Dest)
	p, err := t.gathered(ctx, dest)
	if err == nil {
		err = t.within(p.items)
	}
	if err != nil {
		return plan{}, fmt.Errorf("upload %s to %s: %w", t.Src, t.at(dest), err)
	}
	return p, nil
}

func (t *Transfer) gathered(ctx context.Context, dest string) (plan, error) {
	info, err := t.Dir.Stat(t.Src)
	switch {
	case err == nil && info.IsDir():
		return t.walk(ctx, t.Src, "", dest)
	case err == nil && strings.HasSuffix(t.Src, "/"):
		return plan{}, fault.As(fault.Permanent, errors.New("it is a file, and src ends in a slash; write it without"))
	case err == nil:
		if dest == "" || strings.HasSuffix(dest, "/") {
			dest += path.Base(path.Clean(t.Src))
		}
		return plan{items: []item{{key: dest, path: t.Src, size: info.Size()}}, lone: true}, asKey(dest)
	case !workspace.IsPattern(t.Src):
		return plan{}, err
	}
	folder, _ := split(t.Src)
	return t.walk(ctx, cmp.Or(folder, "."), whole(strings.TrimPrefix(t.Src, folder)), dest)
}

// asKey returns a permanent *blob.KeyError for what can't be a key.
func asKey(key string) error {
	if err := blob.CheckKey(key); err != nil {
		return fault.As(fault.Permanent, fmt.Errorf("%w; no store takes such a key: write another in dest", err))
	}
	return nil
}

// walk finds the files in a folder, or those of them that a pattern matches. Symbolic links are not followed.
func (t *Transfer) walk(ctx context.Context, folder, pattern, prefix string) (p plan, err error) {
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	base := "" // as Walk spells the folder
	var wrong []string
	err = t.Dir.Walk(folder, func(file string, e fs.DirEntry, err error) error {
		if base == "" {
			base = file
		}
		name := strings.TrimPrefix(strings.TrimPrefix(file, base), "/")
		if base == "." {
			name = file
		}
		switch {
		case err != nil:
			return fmt.Errorf("list %q: %w", folder, err)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case e.IsDir(), pattern != "" && !matches(pattern, name), !t.wants(name):
			return nil
		case !e.Type().IsRegular():
			p.skipped = append(p.skipped, below(folder, name))
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return fmt.Errorf("look at %q: %w", file, err)
		}
		if err := blob.CheckKey(prefix + name); err != nil {
			wrong = append(wrong, err.Error())
			return nil
		}
		p.items = append(p.items, item{key: prefix + name, path: below(folder, name), size: info.Size()})
		if len(p.items) > t.MaxFiles {
			return t.within(p.items)
		}
		return nil
	})
	slices.SortFunc(p.items, func(a, b item) int { return cmp.Compare(a.key, b.key) })
	if err == nil {
		err = refused(wrong)
	}
	if err == nil && len(p.items) == 0 {
		err = fault.As(fault.Permanent, fmt.Errorf("there is no file; check src%s, and the task that should have written them", t.narrowed()))
	}
	return p, err
}

// send takes one file to the bucket, and asks the bucket what it has of it.
func (t *Transfer) send(ctx context.Context, it item) (File, error) {
	in, err := t.put(ctx, it)
	if err != nil {
		return File{}, fmt.Errorf("upload %s to %s: %w", it.path, t.at(it.key), t.refusal(err))
	}
	t.moved(0, in.Size)
	return File{Key: it.key, Path: it.path, Size: in.Size, ETag: in.ETag}, nil
}

func (t *Transfer) put(ctx context.Context, it item) (blob.Info, error) {
	// A named pipe that nobody writes to would be waited for without O_NONBLOCK, which regular files take no notice of.
	f, err := t.Dir.OpenFile(it.path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return blob.Info{}, err
	}
	defer f.Close() // it was read
	info, err := f.Stat()
	if err != nil {
		return blob.Info{}, err
	}
	if !info.Mode().IsRegular() {
		return blob.Info{}, fault.As(fault.Permanent, errors.New("it is no regular file"))
	}
	in, err := t.Bucket.Upload(ctx, f, it.key, t.options(it.path))
	if err == nil {
		err = t.stands(ctx, it.key, in, info.Size())
	}
	return in, err
}

// stands asks the bucket what it has under a key. Who may write and not read is told by the upload's own answer alone.
func (t *Transfer) stands(ctx context.Context, key string, sent blob.Info, size int64) error {
	there, err := t.Bucket.Stat(ctx, key)
	switch {
	case cloud.Is(err, cloud.Denied):
		there = sent
	case err != nil:
		return fmt.Errorf("look at what arrived: %w", err)
	}
	if there.Size != size {
		return fault.As(fault.Transient, fmt.Errorf("the object has %d bytes, and the file has %d; somebody else wrote one of them", there.Size, size))
	}
	return nil
}

func (t *Transfer) options(file string) blob.PutOptions {
	return blob.PutOptions{
		ContentType: cmp.Or(t.ContentType, ContentType(file)), CacheControl: t.CacheControl, Metadata: t.Metadata,
		ACL: t.ACL, StorageClass: t.StorageClass,
	}
}

// refusal gives a remedy that only who uploads can know.
func (t *Transfer) refusal(err error) error {
	if e, ok := errors.AsType[*cloud.Error](err); ok && t.ACL != "" && e.Code == "AccessControlListNotSupported" {
		return fault.As(fault.Permanent, errors.New("the bucket takes no ACLs; leave acl out, and let a policy of the bucket say who may read"))
	}
	return err
}
