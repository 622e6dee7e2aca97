package pipelines

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/modules/fault"
)

// Parse reads a pipeline from YAML or JSON. name is what problems call the source, "hello.yaml"; a pipeline without a
// name of its own is called after it, "hello".
//
// Everything wrong is reported at once: the error is a *ParseError, and permanent. Only the document's shape is
// looked at; Lint looks at what it asks for. Outside props, durations are a number of seconds or text as in "15s".
func Parse(name string, doc []byte) (*Pipeline, error) {
	return ParseGiven(context.Background(), name, doc, Given{})
}

// Check returns everything that is wrong with a document, in the order of the text: with its shape, and, as far as that
// can be read, what Lint says of it. It is nil when the document is clean.
func Check(name string, doc []byte, o LintOptions) []Problem {
	p := parser{file: name}
	if pl := p.document(context.Background(), doc); pl != nil {
		p.problems = append(p.problems, Lint(pl, o)...)
	}
	return p.sorted()
}

// document reads a whole document; nil when there is nothing in it that is a pipeline.
func (p *parser) document(ctx context.Context, doc []byte) *Pipeline {
	root := p.read(ctx, doc)
	if root == nil || root.kind != mapNode {
		if root != nil {
			p.errorf(root.pos, "a pipeline is a map with name, state and tasks, got %s", root.what())
		}
		return nil
	}
	pl := &Pipeline{Source: p.file, Digest: Digest(doc), Structural: p.structural}
	p.pipeline(root, pl)
	if pl.Name == "" && p.file != "" {
		pl.Name = strings.TrimSuffix(filepath.Base(p.file), filepath.Ext(p.file))
	}
	return pl
}

// Digest identifies a source, byte for byte.
func Digest(doc []byte) string {
	sum := sha256.Sum256(doc)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// ParseCallbacks reads callbacks that a message brought, already decoded, as Pipeline.Callbacks are written:
// event → list. name is what problems call them. The error is a *ParseError, and permanent.
func ParseCallbacks(name string, raw map[string]any) (map[Event][]Callback, error) {
	p := parser{file: name}
	at := Pos{File: name}
	var out map[Event][]Callback
	if n := fromAny(raw, at, 0, &p.problems); n != nil {
		out = p.callbacks(field{"callbacks", at, n}, PipelineEvents)
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	return out, nil
}

// Decode reads YAML or JSON as Parse does, within the same limits, and returns plain values: maps are map[string]any,
// whole numbers int64. name is what problems call the source. The error is a *ParseError, and permanent.
func Decode(name string, doc []byte) (any, error) {
	p := parser{file: name}
	root := p.values(doc)
	if err := p.err(); err != nil {
		return nil, err
	}
	return root.any(), nil
}

// A parser turns nodes into the types of this package and collects what is wrong.
type parser struct {
	problems
	file       string
	given      Given
	structural bool // the document's blocks were expanded
}

func (p *parser) err() error {
	if len(p.problems) == 0 {
		return nil
	}
	return fault.As(fault.Permanent, &ParseError{p.sorted()})
}

// read turns a document into nodes, its blocks expanded with what is given.
func (p *parser) read(ctx context.Context, doc []byte) *node {
	doc, ok := p.source(doc)
	switch {
	case !ok:
		return nil
	case json.Valid(doc):
		return readJSON(p.file, doc, &p.problems)
	}
	return p.readYAML(ctx, doc)
}

// values turns bytes that are no document into nodes. What is valid JSON is read as JSON, all else as YAML.
func (p *parser) values(doc []byte) *node {
	doc, ok := p.source(doc)
	switch {
	case !ok:
		return nil
	case json.Valid(doc):
		return readJSON(p.file, doc, &p.problems)
	}
	return readYAML(p.file, doc, &p.problems)
}

// source returns the text to read, unless it is refused as it is.
func (p *parser) source(doc []byte) (text []byte, ok bool) {
	start := Pos{File: p.file, Line: 1, Column: 1}
	doc = bytes.TrimPrefix(doc, []byte("\ufeff"))
	switch {
	case len(doc) > maxSource:
		p.errorf(start, "the document is larger than %d KiB; put data into files or objects and name them in the state", maxSource>>10)
		return nil, false
	case len(bytes.TrimSpace(doc)) == 0:
		p.errorf(start, "the document is empty; a pipeline has at least tasks")
		return nil, false
	}
	return doc, checkText(p.file, doc, &p.problems)
}

func (p *parser) pipeline(root *node, pl *Pipeline) {
	pl.Positions = make(map[string]Pos)
	tasks := false
	for _, f := range root.fields {
		if f.key != "tasks" && f.key != "callbacks" {
			f.value.places(f.key, f.pos, pl.Positions)
		}
		switch f.key {
		case "name":
			pl.Name = p.text(f)
		case "description":
			pl.Description = p.text(f)
		case "state":
			pl.State = p.plainMap(f)
		case "tasks":
			tasks = true
			pl.Tasks = p.tasks(f)
		case "callbacks":
			pl.Callbacks = p.callbacks(f, PipelineEvents)
		case "plugins":
			pl.Plugins = p.plugins(f)
		case "settings":
			p.settings(f, &pl.Settings)
		case "deadline":
			pl.Settings.Deadline = p.duration(f)
		default:
			p.unknown(f, "a pipeline", "name", "description", "state", "tasks", "callbacks", "plugins", "settings", "deadline")
		}
	}
	if !tasks {
		p.errorf(root.pos, "the pipeline has no tasks; add a list of them under tasks")
	}
}

func (p *parser) settings(f field, s *Settings) {
	given := map[string]string{}
	for _, f := range p.fields(f) {
		short := f.key
		switch f.key {
		case "retry", "global_retry":
			short = "retry"
			s.Retry = p.count(f)
		case "retry_sleep", "global_retry_sleep":
			short = "retry_sleep"
			s.RetrySleep = p.duration(f)
		case "timeout":
			s.Timeout = p.duration(f)
		case "strict":
			s.Strict = p.boolean(f, false)
		default:
			p.unknown(f, "settings", "global_retry", "global_retry_sleep", "retry", "retry_sleep", "timeout", "strict")
		}
		if other, twice := given[short]; twice {
			p.errorf(f.pos, "%s and %s are the same setting; keep one of them", f.key, other)
		}
		given[short] = f.key
	}
}

func (p *parser) plugins(f field) []string {
	var out []string
	for _, e := range p.list(f) {
		name, ok := e.value.(string)
		if !ok || name == "" {
			p.errorf(e.pos, "a plugin is a name, got %s", e.what())
			continue
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// maxTasks bounds what one run tells of itself.
const maxTasks = 5000

func (p *parser) tasks(f field) []Task {
	out := []Task{}
	list := p.list(f)
	if len(list) > maxTasks {
		p.errorf(f.pos, "the pipeline has %d tasks, and %d are allowed; split it", len(list), maxTasks)
		return nil
	}
	for _, e := range list {
		if e.kind != mapNode {
			p.errorf(e.pos, "a task is a map with module and props, got %s", e.what())
			continue
		}
		t := p.task(e)
		if n := len(out); n > 0 {
			t.After = []int{n - 1}
		}
		out = append(out, t)
	}
	return out
}

func (p *parser) task(n *node) Task {
	t := Task{Pos: n.pos, Positions: make(map[string]Pos)}
	for _, f := range n.fields {
		if f.key != "callbacks" {
			f.value.places(f.key, f.pos, t.Positions)
		}
		switch f.key {
		case "name":
			t.Name = p.text(f)
		case "module":
			t.Module = p.text(f)
		case "props":
			t.Props = p.plainMap(f)
		case "callbacks":
			t.Callbacks = p.callbacks(f, TaskEvents)
		case "register":
			t.Register = p.register(f)
		case "when":
			t.When = p.text(f)
		case "throw":
			t.Soft = !p.boolean(f, true)
		case "retry":
			t.Retry = new(p.count(f))
		case "retry_sleep":
			t.RetrySleep = new(p.duration(f))
		case "timeout":
			t.Timeout = p.duration(f)
		case "id", "after", "depends_on", "dependsOn", "gpu":
			p.later(f)
		default:
			p.unknown(f, "a task", "name", "module", "props", "callbacks", "register", "when", "throw", "retry", "retry_sleep", "timeout")
		}
	}
	if t.Module == "" {
		p.errorf(n.pos, "the task names no module; add module: and one of those that `millrace modules` lists")
	}
	return t
}

// later refuses keys that other versions of the document have, unless they ask for nothing.
func (p *parser) later(f field) {
	if f.value.empty() || f.value.value == false || f.value.value == int64(0) {
		return
	}
	if f.key == "gpu" {
		p.errorf(f.pos, "gpu comes with a later version: nothing here reserves one; remove the key")
		return
	}
	p.errorf(f.pos, "%s comes with a later version: tasks run in the order of the document; remove the key", f.key)
}

func (p *parser) callbacks(f field, events []Event) map[Event][]Callback {
	var out map[Event][]Callback
	for _, f := range p.fields(f) {
		on := Event(f.key)
		if !slices.Contains(events, on) {
			p.unknown(f, "callbacks", names(events)...)
			continue
		}
		for _, e := range p.list(f) {
			if out == nil {
				out = make(map[Event][]Callback)
			}
			out[on] = append(out[on], p.callback(e))
		}
	}
	return out
}

func (p *parser) callback(n *node) Callback {
	c := Callback{Pos: n.pos, Positions: make(map[string]Pos)}
	if n.kind != mapNode {
		p.errorf(n.pos, "a callback is a map with module and props, got %s", n.what())
		return c
	}
	for _, f := range n.fields {
		f.value.places(f.key, f.pos, c.Positions)
		switch f.key {
		case "module":
			c.Module = p.text(f)
		case "props":
			c.Props = p.plainMap(f)
		default:
			p.unknown(f, "a callback", "module", "props")
		}
	}
	if c.Module == "" {
		p.errorf(n.pos, "the callback names no module; add module: and one of those that `millrace modules` lists")
	}
	return c
}

func names(events []Event) []string {
	out := make([]string, len(events))
	for i, e := range events {
		out[i] = string(e)
	}
	return out
}
