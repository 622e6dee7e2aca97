package job

import (
	"cmp"
	"fmt"
	"path"
	"strings"
	"time"
)

// cosType begins the types of the CloudEvents that IBM Code Engine makes of changes in a bucket.
const cosType = "com.ibm.cloud.cos.document."

// fromCOS reads an event of IBM Cloud Object Storage: the body that Code Engine sends, with the CloudEvent that it sends it as
// or without. The message's endpoint is not believed: our keys go to the one that is configured.
func fromCOS(d document, c content) (*Message, error) {
	told := c.event != nil && strings.HasPrefix(c.event.kind, cosType)
	if !told && !d.has("bucket", "key", "operation") && !d.has("bucket", "key", "notification") {
		return nil, nil
	}
	e := c.event
	if e == nil {
		e = new(cloudEvent)
	}
	u := Upload{
		Source: "cos", ETag: eTag(d.text("notification", "object_etag")), Type: d.text("notification", "content_type"),
		Event:  cmp.Or(d.text("operation"), d.text("notification", "event_type"), strings.TrimPrefix(e.kind, cosType)),
		Bucket: cmp.Or(d.text("bucket"), d.text("notification", "bucket_name"), cosBucket(e.source)),
		Key:    cmp.Or(d.text("key"), d.text("notification", "object_name"), e.subject),
		ID:     cmp.Or(d.text("notification", "request_id"), e.identity()),
		Time:   instant(cmp.Or(d.text("notification", "request_time"), e.time)),
	}
	u.Sequencer = sequence(u.Time)
	switch strings.ToLower(u.Event) {
	case "object:write", "write":
		u.Kind = Created
	case "object:delete", "delete":
		u.Kind = Deleted
	default:
		u.Kind = Other
	}
	var err error
	if u.Size, err = bytesOf(at(d.fields, "notification", "object_length")); err != nil {
		return nil, err
	}
	if u.Kind == Deleted {
		u.Size = -1
	}
	return tells(u)
}

// cosBucket is the last part of a source like https://cloud.ibm.com/catalog/services/cloud-object-storage/models.
func cosBucket(source string) string {
	if !strings.Contains(source, "/cloud-object-storage/") {
		return ""
	}
	return path.Base(source)
}

// sequence orders events by their time: milliseconds since 1970, as 16 hexadecimal digits.
func sequence(t time.Time) string {
	if t.IsZero() || t.Unix() < 0 {
		return ""
	}
	return fmt.Sprintf("%016X", t.UnixMilli())
}
