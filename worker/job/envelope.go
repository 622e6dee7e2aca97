package job

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/modules"
)

// fromEnvelope reads a map with "pipeline": a name, a pipeline, or a pipeline as YAML text.
func fromEnvelope(d document, c content) (*Message, error) {
	if !d.has("pipeline") {
		return nil, nil
	}
	e := envelope{document: d, job: &Job{}}
	for _, key := range d.keys() {
		if err := e.field(key, d.fields[key]); err != nil {
			return nil, err
		}
	}
	e.job.StateOrder = d.order.At("state")
	return c.asks(e.job, e.job.overlay(e.args))
}

// envelopeKeys are the keys that may stand next to "pipeline".
func envelopeKeys() []string {
	return []string{
		"apiVersion", "kind", "id", "name", "title", "cid", "linkId", "customerId", "externalId", "format",
		"pipeline", "version", "entry", "state", "args", "callbacks", "callback", "max_attempts", "maxAttempts", "deadline",
		"keep_outputs", "inputs", "debug", "dry_run", "requires", "class", "priority",
	}
}

// An envelope is a message on its way to being a Job.
type envelope struct {
	document
	job  *Job
	args []string
}

func (e *envelope) field(key string, v any) error {
	j := e.job
	switch key {
	case "apiVersion":
		return oneOf(key, v, "v1")
	case "kind":
		return oneOf(key, v, "Job")
	case "format":
		return oneOf(key, v, "json", "yaml")
	case "id":
		return set(key, v, "text", &j.ID)
	case "name":
		return set(key, v, "text", &j.Name)
	case "title":
		return set(key, v, "text", &j.Title)
	case "cid":
		return set(key, v, "text", &j.CID)
	case "linkId":
		return set(key, v, "text", &j.LinkID)
	case "customerId":
		return set(key, v, "text", &j.Customer)
	case "externalId":
		return set(key, v, "text", &j.External)
	case "entry":
		return set(key, v, "text", &j.Entry)
	case "debug":
		return set(key, v, "true or false", &j.Debug)
	case "dry_run":
		return set(key, v, "true or false", &j.DryRun)
	case "state":
		return set(key, v, "a map", &j.State)
	}
	return e.compound(key, v)
}

func (e *envelope) compound(key string, v any) error {
	switch key {
	case "pipeline":
		return e.pipeline(v)
	case "version":
		return e.version(v)
	case "args":
		return e.arguments(v)
	case "callbacks":
		return e.callbacks(v)
	case "callback":
		return e.callback(v)
	case "max_attempts", "maxAttempts":
		return e.maxAttempts(key, v)
	case "deadline":
		return e.deadline(v)
	case "keep_outputs":
		return e.keepOutputs(v)
	case "inputs":
		return e.inputs(v)
	case "requires":
		return e.requires(v)
	case "class":
		return e.class(v)
	case "priority":
		return e.priority(v)
	case "keep_workspace":
		return fmt.Errorf("%q is not taken by this version yet: leave it out", key)
	}
	if near := modules.Closest(key, envelopeKeys()); near != "" {
		return fmt.Errorf("the message's key %q is unknown (did you mean %q?)", shorten(key), near)
	}
	return fmt.Errorf(`the message's key %q is unknown: put it under "state" if the pipeline needs it`, shorten(key))
}

// pipeline takes a name, a pipeline, or a pipeline as YAML text: of several lines, in braces, or what is no name and stands
// beside "format".
func (e *envelope) pipeline(v any) error {
	switch v := v.(type) {
	case map[string]any:
		b, err := e.raw("pipeline")
		e.job.Inline = b
		return err
	case string:
		name, _, _ := strings.Cut(v, "@")
		if strings.Contains(v, "\n") || strings.HasPrefix(strings.TrimSpace(v), "{") || e.has("format") && v != "" && checkName(name) != nil {
			e.job.Inline = []byte(v)
			return nil
		}
		return e.job.call(v)
	}
	return fmt.Errorf(`"pipeline" must be a name, a pipeline, or a pipeline as YAML text, not %s`, kind(v))
}

func (e *envelope) version(v any) error {
	var text string
	if err := set("version", v, "text", &text); err != nil {
		return err
	}
	return e.job.pin(text)
}

func (e *envelope) arguments(v any) error {
	var list []any
	if err := set("args", v, `a list of texts like "key=value"`, &list); err != nil {
		return err
	}
	for _, a := range list {
		var arg string
		if err := set("args", a, `a list of texts like "key=value"`, &arg); err != nil {
			return err
		}
		e.args = append(e.args, arg)
	}
	return nil
}

func (e *envelope) callbacks(v any) error {
	if err := set("callbacks", v, "a map of events to lists", &e.job.Callbacks); err != nil {
		return err
	}
	for event, list := range e.job.Callbacks {
		if err := set("callbacks."+shorten(event), list, "a list", new([]any)); err != nil {
			return err
		}
	}
	return nil
}

func (e *envelope) callback(v any) error {
	var fields map[string]any
	if err := set("callback", v, `a map with "url"`, &fields); err != nil {
		return err
	}
	var c Callback
	for key, v := range fields {
		if key != "url" {
			return fmt.Errorf("the message's key %q is unknown (a callback has \"url\" alone)", "callback."+shorten(key))
		}
		if err := set("callback.url", v, "text", &c.URL); err != nil {
			return err
		}
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New(`"callback.url" must be an http or https address`) // not shown: it may hold a token
	}
	e.job.Callback = &c
	return nil
}

func (e *envelope) maxAttempts(key string, v any) error {
	const most = 20
	n, ok := v.(int64)
	if !ok || n < 1 || n > most {
		return fmt.Errorf("%q must be a whole number from 1 to %d", key, most)
	}
	if e.job.MaxAttempts != 0 && e.job.MaxAttempts != int(n) {
		return errors.New(`"max_attempts" and "maxAttempts" say different things: keep one`)
	}
	e.job.MaxAttempts = int(n)
	return nil
}

func (e *envelope) deadline(v any) error {
	text, _ := v.(string)
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return errors.New(`"deadline" must be a positive duration as text, like "20m"`)
	}
	e.job.Deadline = d
	return nil
}

// keepOutputs takes 0s too: at the end of the job its outputs have had their time.
func (e *envelope) keepOutputs(v any) error {
	text, _ := v.(string)
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > MaxKeep {
		return fmt.Errorf(`"keep_outputs" must be a duration as text, like "36h", and at most %v`, MaxKeep)
	}
	e.job.KeepOutputs = &d
	return nil
}

// set stores v when it has the type of *to.
func set[T any](key string, v any, want string, to *T) error {
	t, ok := v.(T)
	if !ok {
		return fmt.Errorf("%q must be %s, not %s", key, want, kind(v))
	}
	*to = t
	return nil
}

func oneOf(key string, v any, allowed ...string) error {
	if s, ok := v.(string); ok && slices.Contains(allowed, s) {
		return nil
	}
	return fmt.Errorf("%q must be %s", key, strings.Join(allowed, " or "))
}

// kind names the type of a decoded value.
func kind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "text"
	case bool:
		return "true or false"
	case []any:
		return "a list"
	case map[string]any:
		return "a map"
	}
	return "a number"
}
