package gcsblob

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"strconv"
	"strings"

	"cloud.google.com/go/storage"
	"google.golang.org/api/iterator"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/bucket"
)

// window is how much of a large object is held in memory, and sent, at a time: a multiple of 256 KiB (Google Cloud Storage,
// "Resumable uploads").
const window = 16 << 20

// An api makes the calls of bucket.SDK. The version of an object is its generation.
type api struct {
	bucket  *storage.BucketHandle
	project string // that the bucket is made in
}

var _ bucket.SDK = (*api)(nil)

func (s *api) Create(ctx context.Context, key string, b *bucket.Body) error {
	_, err := s.put(ctx, s.bucket.Object(key).If(storage.Conditions{DoesNotExist: true}), b, blob.PutOptions{})
	return err
}

func (s *api) Put(ctx context.Context, key string, b *bucket.Body, o blob.PutOptions) (string, error) {
	return s.put(ctx, s.bucket.Object(key), b, o)
}

// put sends a body by one request, with its checksum, which the service compares.
func (s *api) put(ctx context.Context, object *storage.ObjectHandle, b *bucket.Body, o blob.PutOptions) (string, error) {
	h := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	if _, err := io.Copy(h, b); err != nil {
		return "", err
	}
	if _, err := b.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	return write(ctx, object, b, o, func(w *storage.Writer) { w.ChunkSize, w.CRC32C, w.SendCRC32C = 0, h.Sum32(), true })
}

// stream sends what is too large for one request by a resumable upload: in order, window by window, each again where it
// broke off. Nobody sees it before its end.
func (s *api) stream(ctx context.Context, key string, r io.Reader, o blob.PutOptions) (string, error) {
	object := s.bucket.Object(key).Retryer(storage.WithPolicy(storage.RetryAlways))
	return write(ctx, object, r, o, func(w *storage.Writer) { w.ChunkSize = window })
}

// write sends an object. Its context ends before the writer is closed where anything fails: closing is what makes an object
// of what was sent.
func write(ctx context.Context, object *storage.ObjectHandle, r io.Reader, o blob.PutOptions, set func(*storage.Writer)) (etag string, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := object.NewWriter(ctx)
	w.ContentType, w.CacheControl, w.StorageClass, w.PredefinedACL = o.ContentType, o.CacheControl, o.StorageClass, o.ACL
	if w.ContentType == "" {
		w.ContentType = bucket.DefaultType
	}
	w.Metadata = make(map[string]string, len(o.Metadata))
	for name, value := range o.Metadata {
		w.Metadata[strings.ToLower(name)] = value
	}
	set(w)
	if _, err := io.Copy(w, r); err != nil {
		cancel(err)
		_ = w.Close()
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return strings.Trim(w.Attrs().Etag, `"`), nil
}

func (s *api) Get(ctx context.Context, key string, w bucket.Want) (*bucket.Object, error) {
	object := s.bucket.Object(key)
	if w.Version != "" {
		generation, err := strconv.ParseInt(w.Version, 10, 64)
		if err != nil {
			return nil, err
		}
		object = object.Generation(generation)
	}
	length := int64(-1)
	if w.To > 0 {
		length = w.To - w.From
	}
	r, err := object.NewRangeReader(ctx, w.From, length)
	if err != nil {
		return nil, s.missing(ctx, err)
	}
	return &bucket.Object{
		Info: blob.Info{
			Size: r.Remain(), Modified: r.Attrs.LastModified, ContentType: r.Attrs.ContentType, Metadata: maps.Clone(r.Metadata()),
		},
		From: r.Attrs.StartOffset, Part: r.Remain() != r.Attrs.Size, Version: strconv.FormatInt(r.Attrs.Generation, 10), Body: r,
	}, nil
}

func (s *api) Stat(ctx context.Context, key string) (*bucket.Object, error) {
	a, err := s.bucket.Object(key).Attrs(ctx)
	if err != nil {
		return nil, s.missing(ctx, err)
	}
	return &bucket.Object{
		Info: blob.Info{
			Size: a.Size, Modified: a.Updated, ETag: strings.Trim(a.Etag, `"`), ContentType: a.ContentType, Metadata: a.Metadata,
		},
		Version: strconv.FormatInt(a.Generation, 10), Sum: bucket.Sum{Kind: bucket.CRC32C, Value: uint64(a.CRC32C)},
	}, nil
}

func (s *api) Delete(ctx context.Context, key string) error {
	return s.missing(ctx, s.bucket.Object(key).Delete(ctx))
}

// missing tells an object that is not there from a bucket that is not there, of which the service says the same.
func (s *api) missing(ctx context.Context, err error) error {
	if !errors.Is(err, storage.ErrObjectNotExist) {
		return err
	}
	if _, _, listErr := s.List(ctx, "", "", 1); errors.Is(listErr, storage.ErrBucketNotExist) {
		return listErr
	}
	return fmt.Errorf("%w: %w", blob.ErrNotFound, err)
}

func (s *api) List(ctx context.Context, prefix, after string, most int) (page []blob.Info, more bool, err error) {
	q := &storage.Query{Prefix: prefix, StartOffset: after} // which is listed too
	if err := q.SetAttrSelection([]string{"Name", "Size", "Updated"}); err != nil {
		return nil, false, err
	}
	var all []*storage.ObjectAttrs
	next, err := iterator.NewPager(s.bucket.Objects(ctx, q), most, "").NextPage(&all)
	if err != nil {
		return nil, false, err
	}
	for _, a := range all {
		if a.Name > after {
			page = append(page, blob.Info{Key: a.Name, Size: a.Size, Modified: a.Updated})
		}
	}
	return page, next != "", nil
}

func (s *api) MakeBucket(ctx context.Context) error {
	if s.project == "" {
		return errors.New("a bucket is made in a project of Google Cloud, and none is given")
	}
	return s.bucket.Create(ctx, s.project, nil)
}
