package job

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A cloudEvent is an event by CNCF's CloudEvents 1.0.
// (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md)
type cloudEvent struct {
	id, source, kind, subject, time string
	data                            []byte // empty where it has none
}

// fromCloudEvent reads an event in structured mode: one map.
func fromCloudEvent(d document, c content) (*Message, error) {
	if !d.has("specversion") {
		return nil, nil
	}
	e := &cloudEvent{id: d.text("id"), source: d.text("source"), kind: d.text("type"), subject: d.text("subject"), time: d.text("time")}
	if err := e.check(d.text("specversion")); err != nil {
		return nil, err
	}
	if d.has("data", "data_base64") {
		return nil, errors.New("the CloudEvent has data and data_base64: keep one")
	}
	var err error
	switch coded, ok := d.fields["data_base64"].(string); {
	case d.has("data_base64") && !ok:
		err = errors.New("the CloudEvent's data_base64 must be text")
	case ok:
		if e.data, err = base64.StdEncoding.DecodeString(coded); err != nil {
			err = errors.New("the CloudEvent's data_base64 is no base64")
		}
	case d.fields["data"] != nil:
		e.data, err = d.payload("data")
	}
	return e.message(c, err)
}

// fromCloudEvents reads events in batched mode: a list of maps.
func fromCloudEvents(d document, c content) (*Message, error) {
	list, _ := d.value.([]any)
	if len(list) == 0 {
		return nil, nil
	}
	if first, _ := list[0].(map[string]any); first["specversion"] == nil {
		return nil, nil
	}
	if len(list) > maxEvents {
		return nil, fmt.Errorf("the message has %d CloudEvents: send at most %d at once", len(list), maxEvents)
	}
	items, err := d.rawItems()
	if err != nil {
		return nil, err
	}
	all := new(Message)
	for i, item := range items {
		if fields, _ := list[i].(map[string]any); fields["specversion"] == nil {
			return nil, fmt.Errorf("entry %d of %d is no CloudEvent, as the first one is", i+1, len(items))
		}
		m, err := classify(content{body: item, in: c.in, depth: c.depth})
		if err != nil {
			return nil, fmt.Errorf("CloudEvent %d of %d: %w", i+1, len(items), err)
		}
		all.Jobs, all.Uploads, all.Nothing = append(all.Jobs, m.Jobs...), append(all.Uploads, m.Uploads...), cmp.Or(all.Nothing, m.Nothing)
	}
	if len(all.Jobs)+len(all.Uploads) > 0 {
		all.Nothing = ""
	}
	return all, nil
}

// binaryEvent reads an event in binary mode: its attributes are the message's, its data is the body. They are called ce-id as in
// HTTP, cloudEvents:id (cloudEvents_id) as in AMQP, or CE_ID as Code Engine's jobs find them, with the body as CE_DATA. nil is
// another message.
func binaryEvent(c content) (*cloudEvent, error) {
	if strings.HasPrefix(strings.ToLower(c.attributes["content-type"]), "application/cloudevents") {
		return nil, nil
	}
	context := map[string]string{}
	for _, attribute := range slices.Sorted(maps.Keys(c.attributes)) {
		name := strings.ToLower(strings.NewReplacer("_", "-", ":", "-").Replace(attribute))
		for _, prefix := range []string{"ce-", "cloudevents-"} {
			if name, ok := strings.CutPrefix(name, prefix); ok {
				context[name] = c.attributes[attribute]
			}
		}
	}
	if context["specversion"] == "" {
		return nil, nil
	}
	e := &cloudEvent{
		id: context["id"], source: context["source"], kind: context["type"], subject: context["subject"], time: context["time"], data: c.body,
	}
	if len(e.data) == 0 {
		e.data = []byte(context["data"])
	}
	return e, e.check(context["specversion"])
}

func (e *cloudEvent) check(version string) error {
	switch {
	case version != "1.0":
		return fmt.Errorf("the CloudEvent's specversion is %q: send 1.0", shorten(version))
	case e.id == "", e.source == "", e.kind == "":
		return errors.New("the CloudEvent must have an id, a source and a type, as texts")
	}
	return nil
}

// identity is an ID that no other event has; empty where there is no event.
func (e *cloudEvent) identity() string {
	if e.id == "" {
		return ""
	}
	return digestID("cloudevent", e.source, e.id)
}

// message classifies the event's data, unless err says why it can't be.
func (e *cloudEvent) message(c content, err error) (*Message, error) {
	if err != nil {
		return nil, err
	}
	data := e.data
	if len(data) == 0 {
		if !strings.HasPrefix(e.kind, cosType) {
			return nil, fmt.Errorf("the CloudEvent of type %q has no data: put the job there", shorten(e.kind))
		}
		data = []byte("{}") // its subject and source say enough
	}
	return c.within(content{body: data, in: "the CloudEvent's data", id: e.identity(), event: e})
}

// fromObject reads the data of a CloudEvent that tells of an object as S3 calls it: a bucket and a key.
func fromObject(d document, c content) (*Message, error) {
	if c.event == nil || !d.has("bucket", "key") || d.has("pipeline") || d.has("tasks") {
		return nil, nil
	}
	u := Upload{
		Source: "cloudevent", Event: c.event.kind, Kind: changeOf(c.event.kind), Time: instant(c.event.time), ID: c.event.identity(),
		Bucket: d.text("bucket"), Key: d.text("key"), Region: d.text("region"), Sequencer: d.text("sequencer"),
		ETag: eTag(cmp.Or(d.text("eTag"), d.text("etag"))), Version: versionID(cmp.Or(d.text("versionId"), d.text("version-id"))),
		Type: cmp.Or(d.text("contentType"), d.text("content_type")),
	}
	u.Sequencer = cmp.Or(u.Sequencer, sequence(u.Time))
	var err error
	if u.Size, err = bytesOf(d.fields["size"]); err != nil {
		return nil, err
	}
	return tells(u)
}

// changeOf guesses by the type of an event what happened to the object that it tells of.
func changeOf(kind string) Change {
	kind = strings.ToLower(kind)
	for _, g := range []struct {
		change Change
		words  []string
	}{
		{Deleted, []string{"delet", "remov"}},
		{Restored, []string{"restor"}},
		{Other, []string{"tag", "acl", "metadata", "lifecycle", "replic", "archiv"}},
	} {
		for _, word := range g.words {
			if strings.Contains(kind, word) {
				return g.change
			}
		}
	}
	return Created
}
