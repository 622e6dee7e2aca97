package hook

import (
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/pipelines"
)

// An event is one of those that a delivery brings.
type event struct {
	id         string // that makes it the same event in another delivery; empty where nothing does
	kind       string // what the source's `events` are compared with; empty where it has none
	message    []byte // for the classifier
	attributes map[string]string
	vars       map[string]any // for templates: body, attributes
}

// maxEvents is how many events one delivery may bring.
const maxEvents = 1000

const (
	structured = "application/cloudevents"
	batched    = "application/cloudevents-batch"
)

// read takes a verified body apart.
func (s *Source) read(h http.Header, v verified) ([]event, error) {
	if !isUTF8(v.body) {
		return nil, refuse(http.StatusUnprocessableEntity, "the body is not UTF-8 text")
	}
	switch s.Kind {
	case CloudEvents:
		return s.cloudEvents(h, v)
	case SNS:
		return s.snsEvent(v)
	}
	e := event{message: v.body, kind: s.kindOf(h, v.body)}
	if s.job == nil {
		return []event{e}, nil
	}
	body, err := decode(h.Get("Content-Type"), v.body)
	e.vars = map[string]any{"body": body}
	return []event{e}, err
}

// kindOf is what the source calls the event.
func (s *Source) kindOf(h http.Header, body []byte) string {
	if len(s.events) == 0 {
		return ""
	}
	var b struct {
		Type   string `json:"type"`
		Action string `json:"action"`
	}
	_ = json.Unmarshal(body, &b) // what has no type is none of the events
	if s.Kind == Standard {
		return b.Type
	}
	kind := h.Get("X-Github-Event")
	if b.Action != "" {
		kind += "." + b.Action
	}
	return kind
}

// decode makes of a body what templates see: its JSON, or its text.
func decode(contentType string, body []byte) (any, error) {
	media, _, _ := mime.ParseMediaType(contentType)
	isJSON := media == "application/json" || strings.HasSuffix(media, "+json")
	if !isJSON && !json.Valid(body) {
		return string(body), nil
	}
	if !json.Valid(body) {
		return nil, refuse(http.StatusUnprocessableEntity, "the body is not JSON, as its Content-Type says")
	}
	v, err := pipelines.Decode("body", body)
	if err != nil {
		return nil, refuse(http.StatusUnprocessableEntity, "the body can't be taken: %v", err)
	}
	return v, nil
}

func (s *Source) snsEvent(v verified) ([]event, error) {
	e := event{message: v.body}
	if s.job == nil {
		return []event{e}, nil
	}
	var in envelope
	if err := json.Unmarshal(v.body, &in); err != nil {
		return nil, err // ours
	}
	body, err := decode("", []byte(in.Message))
	if err != nil {
		return nil, err
	}
	about := map[string]any{"topic": in.TopicArn, "time": in.Timestamp, "subject": ""}
	if in.Subject != nil {
		about["subject"] = *in.Subject
	}
	e.vars = map[string]any{"body": body, "attributes": about}
	return []event{e}, nil
}

// cloudEvents reads the three modes of CloudEvents 1.0 over HTTP.
func (s *Source) cloudEvents(h http.Header, v verified) ([]event, error) {
	media, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	switch media {
	case structured + "+json":
		e, err := s.structuredEvent(v.body)
		return []event{e}, err
	case batched + "+json":
		return s.batch(v.body)
	}
	if strings.HasPrefix(media, structured) {
		return nil, refuse(http.StatusUnsupportedMediaType, "CloudEvents are taken as JSON: application/cloudevents+json, application/cloudevents-batch+json, or in binary mode")
	}
	if _, signed := s.verify.(*standard); signed {
		return nil, refuse(http.StatusUnsupportedMediaType, "in binary mode the event's attributes are headers, which the signature does not cover; send application/cloudevents+json")
	}
	return s.binary(h, v.body)
}

func (s *Source) batch(body []byte) ([]event, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(body, &list); err != nil || len(list) == 0 || len(list) > maxEvents {
		return nil, refuse(http.StatusUnprocessableEntity, "a batch is a JSON list of 1 to %d CloudEvents", maxEvents)
	}
	out := make([]event, len(list))
	for i, one := range list {
		var err error
		if out[i], err = s.structuredEvent(one); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// structuredEvent reads one event as JSON.
func (s *Source) structuredEvent(body []byte) (event, error) {
	value, err := decode("application/json", body)
	if err != nil {
		return event{}, err
	}
	fields, _ := value.(map[string]any)
	attributes := map[string]any{}
	for k, v := range fields {
		if k != "data" && k != "data_base64" {
			attributes[k] = v
		}
	}
	e := event{message: body, vars: map[string]any{"attributes": attributes, "body": fields["data"]}}
	if text, ok := fields["data_base64"].(string); ok {
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil || !isUTF8(raw) {
			return event{}, refuse(http.StatusUnprocessableEntity, "data_base64 is not the base64 of UTF-8 text")
		}
		kind, _ := fields["datacontenttype"].(string)
		if e.vars["body"], err = decode(kind, raw); err != nil {
			return event{}, err
		}
	}
	return e, e.identify(attributes)
}

// binary reads an event whose attributes are headers.
func (s *Source) binary(h http.Header, body []byte) ([]event, error) {
	attributes, plain := map[string]any{}, map[string]string{}
	for name, values := range h {
		name = strings.ToLower(name)
		short, ok := strings.CutPrefix(name, "ce-")
		if !ok {
			continue
		}
		text, err := url.PathUnescape(values[0])
		if err != nil {
			text = values[0] // of a client that encodes nothing, as npm's cloudevents does not
		}
		if len(values) != 1 || !isUTF8([]byte(text)) {
			return nil, refuse(http.StatusBadRequest, "header %s is not one value of UTF-8 text, percent-encoded", clip(name))
		}
		attributes[short], plain[name] = text, text
	}
	if kind := h.Get("Content-Type"); kind != "" {
		attributes["datacontenttype"], plain["content-type"] = kind, kind
	}
	e := event{message: body, attributes: plain, vars: map[string]any{"attributes": attributes}}
	if err := e.identify(attributes); err != nil {
		return nil, err
	}
	if s.job == nil {
		return []event{e}, nil
	}
	var err error
	e.vars["body"], err = decode(h.Get("Content-Type"), body)
	return []event{e}, err
}

// identify checks the attributes that every event has. source and id together make it unique.
func (e *event) identify(attributes map[string]any) error {
	text := func(name string) string { s, _ := attributes[name].(string); return s }
	version, source, id, kind := text("specversion"), text("source"), text("id"), text("type")
	switch {
	case version != "1.0":
		return refuse(http.StatusUnprocessableEntity, `the CloudEvent's specversion must be "1.0"`)
	case source == "" || id == "" || kind == "":
		return refuse(http.StatusUnprocessableEntity, "the CloudEvent must have source, id and type")
	}
	e.id, e.kind = digest(source, id), kind
	return nil
}

func isUTF8(b []byte) bool {
	for _, c := range b {
		if c == 0 {
			return false
		}
	}
	return utf8.Valid(b)
}

// Handshake answers whether an origin may send (CloudEvents' HTTP webhooks 1.0, abuse protection); ok is false where it may not.
func (s *Source) Handshake(r *http.Request) (header http.Header, ok bool) {
	origin, err := one(r.Header, "Webhook-Request-Origin")
	if err != nil || !s.admits(origin) {
		return nil, false
	}
	header = http.Header{"Allow": {"POST"}, "Webhook-Allowed-Origin": {origin}, "Webhook-Allowed-Rate": {s.allowed(r)}}
	return header, true
}
