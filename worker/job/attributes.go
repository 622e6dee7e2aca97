package job

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/pipelines/nunjucks"
)

// fromAttributes reads the job from the message's attributes "pipeline", "version", "entry" and "state.<key>" when its
// body is {}.
func fromAttributes(d document, c content) (*Message, error) {
	name, ok := c.attributes["pipeline"]
	if d.fields == nil || len(d.fields) > 0 || !ok {
		return nil, nil
	}
	j := &Job{Entry: c.attributes["entry"]}
	if err := plainText("entry", j.Entry); err != nil {
		return nil, err
	}
	if err := j.call(name); err != nil {
		return nil, err
	}
	if version, ok := c.attributes["version"]; ok {
		if err := j.pin(version); err != nil {
			return nil, err
		}
	}
	order := map[string]*nunjucks.Order{}
	for k, v := range c.attributes {
		key, ok := strings.CutPrefix(k, "state.")
		if !ok || key == "" {
			continue
		}
		if err := plainText(k, v); err != nil {
			return nil, err
		}
		if j.State == nil {
			j.State = map[string]any{}
		}
		j.State[key], order[key] = typed(v)
	}
	j.StateOrder = nunjucks.Ordering(nil, order)
	return c.asks(j, nil)
}

// plainText refuses an attribute that no message could hold in its body.
func plainText(name, value string) error {
	if utf8.ValidString(name+value) && strings.IndexByte(name+value, 0) < 0 {
		return nil
	}
	return fmt.Errorf("the message's attribute %q is not UTF-8, or holds a NUL", shorten(name))
}
