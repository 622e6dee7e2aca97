package cosqueue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/ibm-cos-sdk-go/aws"
	"github.com/IBM/ibm-cos-sdk-go/aws/request"
	"github.com/IBM/ibm-cos-sdk-go/service/s3"

	"github.com/millrace/millrace/modules/cloud/sdk"
)

var (
	// errTaken says that a condition did not hold, or that somebody else writes the object at this moment.
	errTaken = errors.New("the object is not what it was")
	// errGone says that there is no such object.
	errGone = errors.New("no such object")
	// errLong says that an object has more bytes than were asked for.
	errLong = errors.New("it is too long")
)

const (
	// callTimeout is how long one request may take.
	callTimeout = 20 * time.Second
	// pageSize is the most that a listing, or a request to delete, takes.
	pageSize = 1000
)

// A bucket is the part of one below a prefix. Keys are relative to it. Nothing is retried.
type bucket struct {
	client       *s3.S3
	name, prefix string // the prefix ends in a slash, or is empty

	guarded atomic.Bool // DELETE honours If-Match, as AWS and versitygw do

	mu     sync.Mutex
	counts map[string]int64 // guarded by mu: requests by verb
}

// An object is what a listing says of one.
type object struct {
	key      string
	etag     string
	size     int64
	modified time.Time // by the bucket's clock
}

// A condition is a header that a request is refused by; the zero value is none.
type condition struct{ header, value string }

// options sets the header itself: the SDK has no field for it.
func (c condition) options() []request.Option {
	if c.header == "" {
		return nil
	}
	return []request.Option{request.WithSetRequestHeaders(map[string]string{c.header: c.value})}
}

// absent is the condition that there is no such object.
func absent() condition { return condition{"If-None-Match", "*"} }

// unchanged is the condition that the object has this ETag.
func unchanged(etag string) condition { return condition{"If-Match", `"` + etag + `"`} }

// call begins a request: it is counted, and has a time limit.
func (b *bucket) call(ctx context.Context, verb string) (context.Context, context.CancelFunc) {
	b.mu.Lock()
	b.counts[verb]++
	b.mu.Unlock()
	return context.WithTimeout(ctx, callTimeout)
}

func (b *bucket) requests() map[string]int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.counts)
}

// fail says what the answer to a request means.
func (b *bucket) fail(ctx context.Context, verb, key string, err error) error {
	call := fmt.Sprintf("%s cos://%s/%s%s", verb, b.name, b.prefix, key)
	status, code := sdk.Status(err), sdk.Code(err)
	switch {
	case status == http.StatusPreconditionFailed, code == "ConditionalRequestConflict":
		return errTaken
	case status == http.StatusNotFound && (code == s3.ErrCodeNoSuchKey || code == "NotFound"): // the latter is a HEAD's
		return errGone
	}
	return sdk.Explain(ctx, call, err)
}

// put returns the new ETag. errTaken when c does not hold. After any other error the object may have been written or
// not, and may be yet.
func (b *bucket) put(ctx context.Context, key string, body []byte, c condition) (etag string, err error) {
	limited, cancel := b.call(ctx, "PUT")
	defer cancel()
	out, err := b.client.PutObjectWithContext(limited, &s3.PutObjectInput{
		Bucket: &b.name, Key: aws.String(b.prefix + key), Body: bytes.NewReader(body), ContentType: aws.String("application/json"),
	}, c.options()...)
	if err = b.fail(ctx, "put", key, err); err != nil {
		if errors.Is(err, errGone) && c.header != "" {
			err = errTaken // so AWS answers to If-Match when there is no object
		}
		return "", err
	}
	return tag(out.ETag), nil
}

// get returns an object of at most most bytes, errGone, or errLong and what is known of the object.
func (b *bucket) get(ctx context.Context, key string, most int64) ([]byte, object, error) {
	limited, cancel := b.call(ctx, "GET")
	defer cancel()
	out, err := b.client.GetObjectWithContext(limited, &s3.GetObjectInput{Bucket: &b.name, Key: aws.String(b.prefix + key)})
	if err != nil {
		return nil, object{}, b.fail(ctx, "get", key, err)
	}
	body, err := io.ReadAll(io.LimitReader(out.Body, most+1))
	if err := errors.Join(err, out.Body.Close()); err != nil {
		return nil, object{}, b.fail(ctx, "get", key, err)
	}
	o := object{key, tag(out.ETag), int64(len(body)), aws.TimeValue(out.LastModified)}
	if o.size > most {
		return nil, o, fmt.Errorf("get cos://%s/%s%s: %w: more than %d bytes", b.name, b.prefix, key, errLong, most)
	}
	return body, o, nil
}

// head returns what is known of an object, or errGone.
func (b *bucket) head(ctx context.Context, key string) (object, error) {
	limited, cancel := b.call(ctx, "HEAD")
	defer cancel()
	out, err := b.client.HeadObjectWithContext(limited, &s3.HeadObjectInput{Bucket: &b.name, Key: aws.String(b.prefix + key)})
	if err != nil {
		return object{}, b.fail(ctx, "head", key, err)
	}
	return object{key, tag(out.ETag), aws.Int64Value(out.ContentLength), aws.TimeValue(out.LastModified)}, nil
}

// A page is a part of a listing.
type page struct {
	objects []object // keys relative to the folder that was listed
	more    bool
	now     time.Time // by the bucket's clock; zero where it does not say
}

// list returns up to pageSize objects of a folder, sorted by key, from behind after on.
func (b *bucket) list(ctx context.Context, folder, after string) (page, error) {
	limited, cancel := b.call(ctx, "LIST")
	defer cancel()
	in := &s3.ListObjectsV2Input{
		Bucket: &b.name, Prefix: aws.String(b.prefix + folder), EncodingType: aws.String(s3.EncodingTypeUrl), MaxKeys: aws.Int64(pageSize),
	}
	if after != "" {
		in.StartAfter = aws.String(b.prefix + folder + after)
	}
	var header http.Header
	out, err := b.client.ListObjectsV2WithContext(limited, in, request.WithGetResponseHeaders(&header))
	if err != nil {
		return page{}, b.fail(ctx, "list", folder, err)
	}
	p := page{more: aws.BoolValue(out.IsTruncated)}
	p.now, _ = http.ParseTime(header.Get("Date"))
	for _, o := range out.Contents {
		key := aws.StringValue(o.Key)
		if aws.StringValue(out.EncodingType) == s3.EncodingTypeUrl {
			if plain, err := url.QueryUnescape(key); err == nil {
				key = plain
			}
		}
		p.objects = append(p.objects, object{
			key:  strings.TrimPrefix(key, b.prefix+folder),
			etag: tag(o.ETag), size: aws.Int64Value(o.Size), modified: aws.TimeValue(o.LastModified),
		})
	}
	return p, nil
}

// all calls f for every object of a folder, up to maxPages pages.
func (b *bucket) all(ctx context.Context, folder string, f func(page, object)) (complete bool, err error) {
	after := ""
	for range maxPages {
		p, err := b.list(ctx, folder, after)
		if err != nil {
			return false, err
		}
		for _, o := range p.objects {
			f(p, o)
			after = o.key
		}
		if !p.more || len(p.objects) == 0 {
			return true, nil
		}
	}
	return false, nil
}

// remove deletes objects, up to pageSize of them in a request. That there is none is not an error.
func (b *bucket) remove(ctx context.Context, keys ...string) error {
	for len(keys) > 0 {
		n := min(len(keys), pageSize)
		if err := b.removeSome(ctx, keys[:n]); err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

// removeIf deletes an object. errTaken when c does not hold; that there is none is not an error.
func (b *bucket) removeIf(ctx context.Context, key string, c condition) error {
	limited, cancel := b.call(ctx, "DELETE")
	defer cancel()
	_, err := b.client.DeleteObjectWithContext(limited,
		&s3.DeleteObjectInput{Bucket: &b.name, Key: aws.String(b.prefix + key)}, c.options()...)
	return unless(b.fail(ctx, "delete", key, err), errGone)
}

func (b *bucket) removeSome(ctx context.Context, keys []string) error {
	if len(keys) == 1 {
		return b.removeIf(ctx, keys[0], condition{})
	}
	limited, cancel := b.call(ctx, "DELETE")
	defer cancel()
	in := &s3.Delete{Quiet: aws.Bool(true)}
	for _, key := range keys {
		in.Objects = append(in.Objects, &s3.ObjectIdentifier{Key: aws.String(b.prefix + key)})
	}
	out, err := b.client.DeleteObjectsWithContext(limited, &s3.DeleteObjectsInput{Bucket: &b.name, Delete: in})
	if err != nil {
		return b.fail(ctx, "delete", keys[0], err)
	}
	for _, e := range out.Errors {
		if code := aws.StringValue(e.Code); code != s3.ErrCodeNoSuchKey {
			return fmt.Errorf("delete %s: %s (%s)", aws.StringValue(e.Key), aws.StringValue(e.Message), code)
		}
	}
	return nil
}

// tag is an ETag without its quotes: not every server puts them everywhere.
func tag(etag *string) string { return strings.Trim(aws.StringValue(etag), `"`) }
