package job

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/millrace/millrace/pipelines"
)

// ClassLabel is the label that names a class of worker. In what is required "kind" is another word for it.
const ClassLabel = "class"

// requires takes a map of labels, or a list of texts like "label=value".
func (e *envelope) requires(v any) error {
	const want = `"requires" must be a map of labels or a list of texts like "label=value"`
	if labels, ok := v.(map[string]any); ok {
		if len(labels) > pipelines.MaxLabels {
			return fmt.Errorf(`"requires" has more than %d labels`, pipelines.MaxLabels)
		}
		for name, v := range labels {
			text, ok := scalar(v)
			if !ok {
				return fmt.Errorf(`"requires.%s" must be text, a number, or true or false, not %s`, shorten(name), kind(v))
			}
			if err := e.require(name, text); err != nil {
				return err
			}
		}
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		return fmt.Errorf("%s, not %s", want, kind(v))
	}
	if len(list) > pipelines.MaxLabels {
		return fmt.Errorf(`"requires" has more than %d labels`, pipelines.MaxLabels)
	}
	for _, v := range list {
		text, _ := v.(string)
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return errors.New(want)
		}
		if err := e.require(strings.TrimSpace(name), value); err != nil {
			return err
		}
	}
	return nil
}

// class is a short way to require the label of that name.
func (e *envelope) class(v any) error {
	var text string
	if err := set("class", v, "text", &text); err != nil {
		return err
	}
	return e.require(ClassLabel, text)
}

// require notes a label, under the name by which it is known.
func (e *envelope) require(name, value string) error {
	name, value = pipelines.LabelName(name), strings.TrimSpace(value)
	switch before, twice := e.job.Requires[name]; {
	case !pipelines.IsLabel(name):
		return fmt.Errorf(`"requires": %q is no name of a label: it has letters, digits, ".", "_", "-" and "/"`, shorten(name))
	case value == "":
		return fmt.Errorf(`"requires.%s" is empty: write "*" for any value`, name)
	case len(value) > pipelines.MaxLabel:
		return fmt.Errorf(`"requires.%s" is longer than %d bytes`, name, pipelines.MaxLabel)
	case twice && before != value:
		return fmt.Errorf(`the label %q is required twice, with different values`, name)
	}
	if e.job.Requires == nil {
		e.job.Requires = map[string]string{}
	}
	e.job.Requires[name] = value
	return nil
}

func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

func (e *envelope) priority(v any) error {
	const most = 9
	n, ok := v.(int64)
	if !ok || n < 0 || n > most {
		return fmt.Errorf(`"priority" must be a whole number from 0 to %d`, most)
	}
	e.job.Priority = int(n)
	return nil
}
