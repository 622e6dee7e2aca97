package kafka

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/modules"
)

const (
	// typeHeader is where Spring's JSON serialisers name a message's class (AbstractJavaTypeMapper).
	typeHeader = "__TypeId__"
	// idempotencyKey is the header by which a receiver knows a callback that it has seen: the name that Http gives it.
	idempotencyKey = "Idempotency-Key"
)

// compose makes the record; topic is for props that name none.
func compose(c *modules.Call, p Props, topic string) (*kgo.Record, error) {
	if p.Topic != "" {
		topic = p.Topic
	}
	if !isTopic(topic) {
		return nil, errors.New(`there is no topic; give "topic"`)
	}
	message := p.Message
	if message == nil {
		message = map[string]any{}
	}
	if text := failure(c); p.Error != "" && text != "" {
		var err error
		if message, err = with(message, strings.Split(p.Error, "."), text); err != nil {
			return nil, fmt.Errorf("prop \"error\": %w", err)
		}
	}
	var value bytes.Buffer
	e := json.NewEncoder(&value)
	e.SetEscapeHTML(false)
	if err := e.Encode(message); err != nil {
		return nil, errors.New(`prop "message" can't be written as JSON; numbers must be finite`)
	}
	key := p.Key
	if key == "" {
		key = uuid()
	}
	return &kgo.Record{
		Topic: topic, Key: []byte(key), Value: bytes.TrimSuffix(value.Bytes(), []byte("\n")), Headers: headers(c, p),
	}, nil
}

func headers(c *modules.Call, p Props) []kgo.RecordHeader {
	var all []kgo.RecordHeader
	add := func(name, value string) {
		if _, given := p.Headers[name]; !given && value != "" {
			all = append(all, kgo.RecordHeader{Key: name, Value: []byte(value)})
		}
	}
	add(typeHeader, p.TypeID)
	id, _ := c.State.Get("callback_id")
	text, _ := id.(string)
	add(idempotencyKey, text)
	for _, name := range slices.Sorted(maps.Keys(p.Headers)) {
		all = append(all, kgo.RecordHeader{Key: name, Value: []byte(p.Headers[name])})
	}
	return all
}

// failure is why the job failed, in a callback that is made because it did.
func failure(c *modules.Call) string {
	v, _ := c.State.Get("error_message")
	text, _ := v.(string)
	return text
}

// with returns a copy of m that has text at a path.
func with(m map[string]any, path []string, text string) (map[string]any, error) {
	m = maps.Clone(m)
	if path[0] == "" {
		return nil, errors.New("a name in the path is empty; write it as payload.error")
	}
	if len(path) == 1 {
		m[path[0]] = text
		return m, nil
	}
	inner, ok := m[path[0]].(map[string]any)
	if m[path[0]] != nil && !ok {
		return nil, fmt.Errorf("%q in the message is no map; choose another path", path[0])
	}
	if inner == nil {
		inner = map[string]any{}
	}
	inner, err := with(inner, path[1:], text)
	m[path[0]] = inner
	return m, err
}

// uuid is a random one (RFC 9562, version 4).
func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
