package transfer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/workspace"
)

// find plans a download.
func (t *Transfer) find(ctx context.Context) (plan, error) {
	src := t.key(ctx, t.Src)
	p, err := plan{}, error(nil)
	if isSeveral(src) {
		p.items, err = t.listed(ctx, src)
	}
	if err == nil && p.items == nil {
		p, err = t.one(ctx, src)
	}
	if err != nil {
		return plan{}, t.explain(ctx, src, err)
	}
	return p, nil
}

// one plans the object that src names.
func (t *Transfer) one(ctx context.Context, src string) (plan, error) {
	name, err := Local(path.Base(src))
	if err != nil {
		return plan{}, err
	}
	in, err := t.Bucket.Stat(ctx, src)
	if err != nil {
		return plan{}, err
	}
	file := t.Dest
	if info, err := t.Dir.Stat(t.Dest); strings.HasSuffix(t.Dest, "/") || err == nil && info.IsDir() {
		file = below(t.Dest, name)
	}
	return plan{items: []item{{key: src, path: file, size: in.Size}}, lone: true}, nil
}

// listed plans what a prefix or a pattern names; nil where it is the name of one object after all.
func (t *Transfer) listed(ctx context.Context, src string) ([]item, error) {
	folder, begin, pattern := src, src, ""
	if workspace.IsPattern(src) {
		_, err := t.Bucket.Stat(ctx, src)
		if err == nil {
			return nil, nil
		}
		if !errors.Is(err, blob.ErrNotFound) && !isKeyError(err) {
			return nil, err
		}
		folder, begin = split(src)
		pattern = whole(src)
	}
	items, err := t.list(ctx, folder, begin, pattern)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return nil, fmt.Errorf("nothing matches; check src%s, and what should have written the objects", t.narrowed())
	}
	if err := place(items, folder, t.Dest); err != nil {
		return nil, err
	}
	return items, t.within(items)
}

func (t *Transfer) narrowed() string {
	if len(t.Include)+len(t.Exclude) > 0 {
		return ", include and exclude"
	}
	return ""
}

// list finds objects below folder, whose keys begin so and match the pattern if there is one. The empty objects that
// consoles show as folders are none.
func (t *Transfer) list(ctx context.Context, folder, begin, pattern string) (items []item, err error) {
	for in, err := range t.Bucket.List(ctx, begin, "") {
		switch {
		case err != nil:
			return nil, err
		case in.Size == 0 && strings.HasSuffix(in.Key, "/"):
			continue
		case pattern != "" && !matches(pattern, in.Key), !t.wants(in.Key[len(folder):]):
			continue
		}
		items = append(items, item{key: in.Key, size: in.Size})
		if len(items) > t.MaxFiles {
			return nil, t.within(items)
		}
	}
	return items, nil
}

// fetch brings one object.
func (t *Transfer) fetch(ctx context.Context, it item) (File, error) {
	var in blob.Info
	err := t.Dir.Replace(it.path, func(f *os.File) (err error) {
		if in, err = t.Bucket.Download(ctx, it.key, f, it.size); err != nil {
			return err
		}
		return arrived(f, in)
	})
	if err != nil {
		return File{}, t.explain(ctx, it.key, err)
	}
	t.moved(in.Size, 0)
	return File{Key: it.key, Path: it.path, Size: in.Size, ETag: in.ETag}, nil
}

// arrived compares what was written with what the service says of the object.
func arrived(f *os.File, in blob.Info) error {
	info, err := f.Stat()
	if err == nil && info.Size() != in.Size {
		err = fault.As(fault.Transient, fmt.Errorf("%d bytes came of %d", info.Size(), in.Size))
	}
	return err
}

// explain says which object was to be brought, why it was not, and what may be done about it.
func (t *Transfer) explain(ctx context.Context, key string, err error) error {
	switch {
	case errors.Is(err, blob.ErrNotFound):
		err = t.missing(ctx, key)
	case errors.Is(err, blob.ErrTooLarge):
		err = fault.As(fault.Transient, fmt.Errorf("%w; somebody wrote it since it was looked at", err))
	case isKeyError(err):
		err = fault.As(fault.Permanent, fmt.Errorf("%w; no store takes such a key: write another in src", err))
	}
	return fmt.Errorf("download %s: %w", t.at(key), err)
}

// missing says that there is no such object, and what was meant where that shows. That there is none may pass: who writes
// it may be late.
func (t *Transfer) missing(ctx context.Context, key string) error {
	for _, err := range t.Bucket.List(ctx, key+"/", "") {
		if err == nil {
			return fault.As(fault.Permanent, errors.New("there is no such object, but there are some below it; end src with a slash to have them all"))
		}
		break // a list that may not be made changes nothing
	}
	return fmt.Errorf("%w; check src, and what should have written it", blob.ErrNotFound)
}
