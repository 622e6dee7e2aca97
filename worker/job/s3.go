package job

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// maxEvents is how many events one message may hold: their jobs run under one lease.
const maxEvents = 1000

// fromTestEvent reads what S3 sends when a bucket's notifications are set up.
func fromTestEvent(d document, _ content) (*Message, error) {
	if d.fields["Event"] != "s3:TestEvent" {
		return nil, nil
	}
	return &Message{Nothing: fmt.Sprintf("an S3 test event of bucket %q asks for nothing", shorten(d.text("Bucket")))}, nil
}

// fromS3 reads S3's events as S3 itself, or what speaks like it, sends them to queues, topics and webhooks: a list of records.
func fromS3(d document, _ content) (*Message, error) {
	records, ok := d.fields["Records"].([]any)
	switch {
	case !ok:
		return nil, nil
	case len(records) == 0:
		return nil, errors.New("the message is an S3 event without records: it tells of nothing")
	case len(records) > maxEvents:
		return nil, fmt.Errorf("the message has %d records: send at most %d at once", len(records), maxEvents)
	}
	m := new(Message)
	for i, v := range records {
		u, err := s3Record(v)
		if err == nil {
			err = u.check()
		}
		if err != nil {
			return nil, fmt.Errorf("record %d of %d: %w", i+1, len(records), err)
		}
		m.Uploads = append(m.Uploads, u)
	}
	return m, nil
}

// s3Record reads one record. Its keys are form-encoded, its size and eTag missing when the object is gone.
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html)
func s3Record(v any) (u Upload, err error) {
	fields, ok := v.(map[string]any)
	if !ok {
		return u, fmt.Errorf("this is %s, not a map", kind(v))
	}
	r := document{fields: fields}
	source, version := r.text("eventSource"), r.text("eventVersion")
	_, isS3 := fields["s3"].(map[string]any)
	major, _, _ := strings.Cut(version, ".")
	switch {
	case source != "" && !strings.HasSuffix(source, ":s3"):
		return u, fmt.Errorf("this is an event of %q, not of S3", shorten(source))
	case !isS3:
		return u, errors.New(`this has no "s3", as events of S3 have`)
	case version != "" && major != "2":
		return u, fmt.Errorf("this is version %q of S3's events: versions 2.x are taken", shorten(version))
	}
	u = Upload{
		Source: "s3", Event: strings.TrimPrefix(r.text("eventName"), "s3:"), Region: r.text("awsRegion"), Time: instant(r.text("eventTime")),
		Bucket: r.text("s3", "bucket", "name"), Version: versionID(r.text("s3", "object", "versionId")), ETag: eTag(r.text("s3", "object", "eTag")),
		Sequencer: r.text("s3", "object", "sequencer"), Type: r.text("s3", "object", "contentType"), Key: r.text("s3", "object", "key"),
	}
	u.Kind = s3Change(u.Event)
	if versitygw(r) {
		u.Sequencer = sequence(u.Time) + fmt.Sprintf("%016s", u.Sequencer)
	} else if u.Key, err = url.QueryUnescape(u.Key); err != nil {
		return u, errors.New("its key is not form-encoded, as S3's are")
	}
	if u.Size, err = bytesOf(at(fields, "s3", "object", "size")); u.Kind == Deleted {
		u.Size = -1
	}
	return u, err
}

// versitygw says that a record is one of versitygw's, which does not encode keys, and counts events from its own start. No other
// names its events as S3's API does, and its configurations after what it sends them to ("webhook-global").
func versitygw(r document) bool {
	return r.text("eventSource") == "aws:s3" && strings.HasPrefix(r.text("eventName"), "s3:") && strings.HasSuffix(r.text("s3", "configurationId"), "-global")
}

func s3Change(event string) Change {
	group, _, _ := strings.Cut(event, ":")
	switch {
	case group == "ObjectCreated":
		return Created
	case group == "ObjectRemoved":
		return Deleted
	case event == "ObjectRestore:Completed":
		return Restored
	}
	return Other
}
