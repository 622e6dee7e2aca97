package job

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/nunjucks"
)

// A document is a message's body, decoded.
type document struct {
	value  any             // maps are map[string]any, numbers int64 or float64
	fields map[string]any  // value when it is a map, else nil
	order  *nunjucks.Order // of value
	body   []byte
	isJSON bool
}

// read decodes JSON, and what does not look like JSON as YAML.
func read(body []byte) (document, error) {
	d := document{body: body, isJSON: json.Valid(body)}
	if !d.isJSON && meantAsJSON(body) {
		return d, notJSON(body)
	}
	var err error
	if d.value, d.order, err = pipelines.DecodeOrdered("message", body); err != nil {
		if e, ok := errors.AsType[*pipelines.ParseError](err); ok {
			err = errors.New(strings.Join(strings.Fields(e.Problems[0].String()), " ")) // the first is enough: a sentence is what people read
		}
		return d, err
	}
	d.fields, _ = d.value.(map[string]any)
	return d, noNUL("", d.value)
}

// raw returns a field as it was sent, or as JSON when that was YAML, whose anchors may lie outside the field.
func (d document) raw(key string) ([]byte, error) {
	if !d.isJSON {
		return json.Marshal(nunjucks.WithOrder(d.fields[key], d.order.At(key)))
	}
	var fields map[string]json.RawMessage
	err := json.Unmarshal(d.body, &fields)
	return fields[key], err
}

// rawItems returns the entries of a list as raw does a field.
func (d document) rawItems() (items []json.RawMessage, err error) {
	if d.isJSON {
		err = json.Unmarshal(d.body, &items)
		return items, err
	}
	list, _ := d.value.([]any)
	for i, v := range list {
		b, err := json.Marshal(nunjucks.WithOrder(v, d.order.At(strconv.Itoa(i))))
		if err != nil {
			return nil, err
		}
		items = append(items, b)
	}
	return items, nil
}

// text returns what stands under a path of keys where it is text, else an empty one.
func (d document) text(path ...string) string {
	text, _ := at(d.fields, path...).(string)
	return text
}

// at returns what stands under a path of keys; nil where nothing does.
func at(fields map[string]any, path ...string) any {
	for _, key := range path[:len(path)-1] {
		fields, _ = fields[key].(map[string]any)
	}
	return fields[path[len(path)-1]]
}

// meantAsJSON says that body starts as JSON does. YAML would read much that is broken JSON as something else.
func meantAsJSON(body []byte) bool {
	body = bytes.TrimSpace(body)
	if rest, ok := bytes.CutPrefix(body, []byte("{")); ok {
		return bytes.HasPrefix(bytes.TrimSpace(rest), []byte(`"`))
	}
	return bytes.HasPrefix(body, []byte("["))
}

// notJSON says where and why body is no JSON.
func notJSON(body []byte) error {
	var v json.RawMessage
	err := json.Unmarshal(body, &v)
	e, ok := errors.AsType[*json.SyntaxError](err)
	if !ok {
		return fmt.Errorf("the message is not JSON: %w", err)
	}
	before := body[:max(int(e.Offset)-1, 0)]
	line, column := 1+bytes.Count(before, []byte("\n")), len(before)-bytes.LastIndexByte(before, '\n')
	if strings.Contains(e.Error(), "max depth") { // encoding/json has no error of its own for it
		return fmt.Errorf("message:%d:%d: the JSON is nested more than 10,000 deep; flatten it", line, column)
	}
	return fmt.Errorf("message:%d:%d: this is not JSON: %s", line, column, e.Error())
}

// noNUL refuses what no argument, file name or environment can hold. It names the place alone: a value may be a secret.
func noNUL(path string, v any) error {
	switch v := v.(type) {
	case string:
		if strings.IndexByte(v, 0) >= 0 {
			return fmt.Errorf("the message's %s holds a NUL: leave it out", cmp.Or(path, "text"))
		}
	case []any:
		for i, e := range v {
			if err := noNUL(fmt.Sprintf("%s[%d]", path, i), e); err != nil {
				return err
			}
		}
	case map[string]any:
		for k, e := range v {
			if strings.IndexByte(k, 0) >= 0 {
				return fmt.Errorf("a key of the message's %s holds a NUL: leave it out", cmp.Or(path, "top level"))
			}
			if err := noNUL(strings.TrimPrefix(path+"."+shorten(k), "."), e); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d document) keys() []string { return slices.Sorted(maps.Keys(d.fields)) }

func (d document) has(keys ...string) bool {
	for _, k := range keys {
		if _, ok := d.fields[k]; !ok {
			return false
		}
	}
	return true
}

// payload returns a field that holds a message of its own: what a text says, or what stands there as it was sent.
func (d document) payload(key string) ([]byte, error) {
	if text, ok := d.fields[key].(string); ok {
		return []byte(text), nil
	}
	return d.raw(key)
}
