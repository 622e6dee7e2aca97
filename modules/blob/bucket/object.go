package bucket

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/millrace/millrace/modules/blob"
)

// An Object is what Get and Stat return. Its Info has the size of what Get sends, and no key; -1 is one that the server does
// not say.
type Object struct {
	blob.Info
	From    int64         // of Get: the first byte that it sends
	Part    bool          // of Get: it sends a part of the object, as far as the server says
	Version string        // tells it from what stood under its key before; empty where the server has nothing that does
	Sum     Sum           // of the whole object
	Body    io.ReadCloser // of Get
}

// An Answer is the headers of a server that speaks S3; nil is one that it does not send.
type Answer struct {
	Length      *int64
	Range       *string // Content-Range, of Get
	Modified    *time.Time
	ETag        *string
	ContentType *string
	Metadata    map[string]string
}

// Object is what the headers say of an object.
func (a Answer) Object() *Object {
	etag, version := tag(value(a.ETag))
	return &Object{
		Info: blob.Info{
			Size: size(a.Length), Modified: value(a.Modified), ETag: etag,
			ContentType: value(a.ContentType), Metadata: fromHeaders(a.Metadata),
		},
		From: from(value(a.Range)), Part: a.Range != nil, Version: version,
	}
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// tag is what a header ETag says: the tag without quotes, and the version that it stands for. A weak one stands for several.
func tag(header string) (etag, version string) {
	etag, weak := strings.CutPrefix(header, "W/")
	if etag = strings.Trim(etag, `"`); weak {
		return etag, ""
	}
	return etag, etag
}

// size is what a header Content-Length says; -1 where there is none.
func size(contentLength *int64) int64 {
	if contentLength == nil {
		return -1
	}
	return *contentLength
}

// from is the first byte of what a header Content-Range says is sent: 0 without one, and -1 for one that says nothing.
func from(contentRange string) (first int64) {
	if contentRange == "" {
		return 0
	}
	if _, err := fmt.Sscanf(contentRange, "bytes %d-", &first); err != nil {
		return -1
	}
	return first
}
