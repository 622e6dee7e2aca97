package job

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits of what an Upload says, in bytes. S3's keys have at most 1024.
const (
	maxBucket = 255
	maxKey    = 1024
	maxDetail = 1024 // all else
)

// tells is a message that tells of one change.
func tells(u Upload) (*Message, error) {
	if err := u.check(); err != nil {
		return nil, err
	}
	return &Message{Uploads: []Upload{u}}, nil
}

// check says what is missing, or can't be.
func (u *Upload) check() error {
	switch {
	case u.Bucket == "":
		return errors.New("the event names no bucket")
	case len(u.Bucket) > maxBucket, !utf8.ValidString(u.Bucket), strings.ContainsFunc(u.Bucket, func(r rune) bool { return r == '/' || unicode.IsControl(r) }):
		return fmt.Errorf("the event's bucket %q is no name of one", shorten(u.Bucket))
	case u.Key == "":
		return errors.New("the event names no key")
	case len(u.Key) > maxKey:
		return fmt.Errorf("the event's key is longer than %d bytes", maxKey)
	case !utf8.ValidString(u.Key), strings.IndexByte(u.Key, 0) >= 0:
		return fmt.Errorf("the event's key %q is no UTF-8, or holds a NUL", shorten(u.Key))
	}
	for _, text := range []string{u.Event, u.Version, u.ETag, u.Sequencer, u.Type, u.Region, u.ID} {
		if len(text) > maxDetail || !utf8.ValidString(text) || strings.IndexByte(text, 0) >= 0 {
			return fmt.Errorf("the event says %q, which is no text of at most %d bytes", shorten(text), maxDetail)
		}
	}
	return nil
}

// eTag is without the quotes that some services leave round it.
func eTag(text string) string { return strings.Trim(text, `"`) }

// versionID is empty where a bucket keeps no versions: some services say null then, as text or not.
func versionID(text string) string {
	if text == "null" {
		return ""
	}
	return text
}

// bytesOf reads a size: a number, or a number as text; -1 where there is none.
func bytesOf(v any) (int64, error) {
	switch v := v.(type) {
	case nil:
		return -1, nil
	case int64:
		if v >= 0 {
			return v, nil
		}
	case string:
		if n, err := strconv.ParseUint(v, 10, 63); err == nil {
			return int64(n), nil
		}
	}
	return 0, errors.New("the event's size is no number of bytes")
}

// instant reads a time as RFC 3339 has it. It is zero for all else: nothing depends on it but the order of IBM's events.
func instant(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}
