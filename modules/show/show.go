// Package show turns values into text for people: what Debug, StdOut and StdErr print.
package show

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// The formats that Text knows.
const (
	Raw  = "raw"  // text as it is, anything else as JSON on one line
	JSON = "json" // indented
	YAML = "yaml"
)

// Event is the template of what a plugin prints: one line for an event, with who it is about, how that stands, and the
// line or the error.
const Event = "{{ event }}{% if task.module %} task {{ current_task }} {{ task.status }}{% else %} {{ name }} {{ status }}{% endif %}" +
	"{% if event == 'onStdout' or event == 'onStderr' %}: {{ line }}{% elif error_message %}: {{ error_message }}{% endif %}"

// Text returns v in one of the three formats, without a newline at its end.
func Text(v any, format string) (string, error) {
	switch format {
	case YAML:
		return yamlText(v)
	case JSON:
		return jsonText(v, "  ")
	}
	if s, ok := v.(string); ok {
		return s, nil
	}
	return jsonText(v, "")
}

func jsonText(v any, indent string) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return "", fmt.Errorf("show as JSON: %w", err)
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

func yamlText(v any) (string, error) {
	if _, own := v.(json.Marshaler); own { // for the order of its keys
		var n yaml.Node
		b, err := json.Marshal(v)
		if err := errors.Join(err, yaml.Unmarshal(b, &n)); err != nil {
			return "", fmt.Errorf("show as YAML: %w", err)
		}
		plain(&n)
		v = &n
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := errors.Join(e.Encode(v), e.Close()); err != nil {
		return "", fmt.Errorf("show as YAML: %w", err)
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// plain takes the looks of JSON from a node.
func plain(n *yaml.Node) {
	n.Style = 0
	for _, e := range n.Content {
		plain(e)
	}
}

// A Message is the props of StdOut and StdErr.
type Message struct {
	Message  any            `json:"message,omitzero" aliases:"msg" peers:"true" doc:"What to print; anything that is not text is shown as JSON."`
	Metadata map[string]any `json:"metadata,omitzero" doc:"Printed after the message, as name=value in the raw format."`
	Format   string         `json:"format" enum:"raw,json,yaml" default:"raw" doc:"How to print it."`
}

// Text returns the message as it is printed, without a newline at its end.
func (m Message) Text() (string, error) {
	if m.Format == Raw {
		return m.raw()
	}
	if m.Metadata == nil {
		return Text(m.Message, m.Format)
	}
	return Text(map[string]any{"message": m.Message, "metadata": m.Metadata}, m.Format)
}

func (m Message) raw() (string, error) {
	var parts []string
	if m.Message != nil {
		text, err := Text(m.Message, Raw)
		if err != nil {
			return "", err
		}
		parts = append(parts, text)
	}
	for _, key := range slices.Sorted(maps.Keys(m.Metadata)) {
		text, err := Text(m.Metadata[key], Raw)
		if err != nil {
			return "", err
		}
		parts = append(parts, key+"="+text)
	}
	return strings.Join(parts, " "), nil
}

// Print writes the message and a newline to w, and returns its text and lines.
func (m Message) Print(w io.Writer) (text string, lines []string, err error) {
	text, err = m.Text()
	if err != nil {
		return "", nil, err
	}
	if _, err := io.WriteString(w, text+"\n"); err != nil {
		return "", nil, fmt.Errorf("print message: %w", err)
	}
	return text, Lines(text), nil
}

// Lines splits text at its line ends; one at the very end starts no line. Empty text has no lines.
func Lines(text string) []string {
	text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	if text == "" {
		return []string{}
	}
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], "\r")
	}
	return lines
}
