package job

import (
	"errors"
	"fmt"
)

// fromEventBridge reads an event of Amazon EventBridge: S3's tell of an object, any other holds what it asks for as its detail.
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html)
func fromEventBridge(d document, c content) (*Message, error) {
	if !d.has("detail-type", "source") {
		return nil, nil
	}
	source := d.text("source")
	if source == "aws.s3" {
		return eventBridgeObject(d)
	}
	if d.fields["detail"] == nil {
		return nil, errors.New("the EventBridge event has no detail: put the job there")
	}
	inner := content{in: "the EventBridge event"}
	if id := d.text("id"); id != "" {
		inner.id = digestID("eventbridge", source, id)
	}
	var err error
	if inner.body, err = d.payload("detail"); err != nil {
		return nil, err
	}
	return c.within(inner)
}

// eventBridgeObject reads an event of S3. Its key is not encoded, unlike that of the events which S3 itself sends.
func eventBridgeObject(d document) (*Message, error) {
	u := Upload{
		Source: "s3", Event: d.text("detail-type"), Region: d.text("region"), Time: instant(d.text("time")),
		Bucket: d.text("detail", "bucket", "name"), Key: d.text("detail", "object", "key"), ETag: eTag(d.text("detail", "object", "etag")),
		Version: versionID(d.text("detail", "object", "version-id")), Sequencer: d.text("detail", "object", "sequencer"),
	}
	switch u.Event {
	case "Object Created":
		u.Kind = Created
	case "Object Deleted":
		u.Kind = Deleted
	case "Object Restore Completed":
		u.Kind = Restored
	default:
		u.Kind = Other
	}
	var err error
	if u.Size, err = bytesOf(at(d.fields, "detail", "object", "size")); err != nil {
		return nil, err
	}
	m, err := tells(u)
	if err != nil {
		return nil, fmt.Errorf("the EventBridge event %q of S3: %w", shorten(u.Event), err)
	}
	return m, nil
}
