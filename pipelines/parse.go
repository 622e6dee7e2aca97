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
	"github.com/millrace/millrace/pipelines/blocks"
	"github.com/millrace/millrace/pipelines/nunjucks"
)

// Parse reads a pipeline from YAML or JSON. name is what problems call the source, "hello.yaml"; a pipeline without a
// name of its own is called after it, "hello".
//
// Everything wrong is reported at once: the error is a *ParseError, and permanent. Only the document's shape is
// looked at; package lint looks at what it asks for. Outside props, durations are a number of seconds or text as in "15s".
func Parse(name string, doc []byte) (*Pipeline, error) {
	p := parser{file: name}
	return p.parse(context.Background(), doc)
}

func (p *parser) parse(ctx context.Context, doc []byte) (*Pipeline, error) {
	pl := p.document(ctx, doc)
	if p.unresolved != nil {
		p.Add(*p.unresolved)
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	return pl, nil
}

// document reads a whole document; nil when there is nothing in it that is a pipeline.
func (p *parser) document(ctx context.Context, doc []byte) *Pipeline {
	pl := p.root(p.read(ctx, doc))
	if pl != nil {
		if p.assumed {
			unnamed(pl)
		}
		pl.Digest = Digest(doc)
	}
	return pl
}

// root reads a whole document from its nodes, which may be nil.
func (p *parser) root(root *node) *Pipeline {
	if root == nil || root.kind != mapNode {
		if root != nil {
			p.Errorf(root.pos, "a pipeline is a map with name, state and tasks, got %s", root.what())
		}
		return nil
	}
	pl := &Pipeline{Source: p.file, Structural: p.structural}
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
	if n := fromAny(raw, at, 0, &p.Problems); n != nil {
		out = p.callbacks(field{"callbacks", at, n}, PipelineEvents)
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	return out, nil
}

// Decode reads YAML or JSON as Parse does, within the same limits but that JSON may be longer, and returns plain values:
// maps are map[string]any, whole numbers int64. name is what problems call the source. The error is a *ParseError, and permanent.
func Decode(name string, doc []byte) (any, error) {
	v, _, err := DecodeOrdered(name, doc)
	return v, err
}

// DecodeOrdered is Decode with the order of the maps in the source, which is nil where all are sorted.
func DecodeOrdered(name string, doc []byte) (any, *nunjucks.Order, error) {
	p := parser{file: name}
	root := p.values(doc)
	if err := p.err(); err != nil {
		return nil, nil, err
	}
	return root.any(), root.order(), nil
}

// A parser turns nodes into the types of this package and collects what is wrong.
type parser struct {
	Problems
	file       string
	given      Given
	job        bool              // given is what a job gives: a param that it lacks is a mistake
	structural bool              // the document's blocks were expanded
	blocks     *blocks.Document  // that were; nil where they could not be
	expansion  *blocks.Expansion // of blocks
	strict     *bool             // how blocks read variables; nil where there are none
	assumed    bool              // expansion is not what anything given leads to, and its variables are not known
	unresolved *Problem          // why the state that blocks read is not known
	stopped    error             // why reading ended before it was done
}

func (p *parser) err() error {
	if p.stopped != nil {
		return p.stopped
	}
	if len(p.Problems) == 0 {
		return nil
	}
	return fault.As(fault.Permanent, &ParseError{p.Sorted()})
}

// read turns a document into nodes, its blocks expanded with what is given.
func (p *parser) read(ctx context.Context, doc []byte) *node {
	doc, ok := p.source(doc)
	switch {
	case !ok:
		return nil
	case !p.short(doc):
		return nil
	case json.Valid(doc):
		return readJSON(p.file, doc, &p.Problems)
	}
	return p.readYAML(ctx, doc)
}

// values turns bytes that are no document into nodes. What is valid JSON is read as JSON, all else as YAML. How long JSON
// may be is for those who got it to say.
func (p *parser) values(doc []byte) *node {
	doc, ok := p.source(doc)
	switch {
	case !ok:
		return nil
	case json.Valid(doc):
		return readJSON(p.file, doc, &p.Problems)
	case !p.short(doc):
		return nil
	}
	return readYAML(p.file, doc, &p.Problems)
}

// short refuses what is longer than a document may be.
func (p *parser) short(doc []byte) bool {
	if len(doc) <= maxSource {
		return true
	}
	p.Errorf(Pos{File: p.file, Line: 1, Column: 1}, "the document is larger than %d KiB; put data into files or objects and name them in the state", maxSource>>10)
	return false
}

// source returns the text to read, unless it is refused as it is.
func (p *parser) source(doc []byte) (text []byte, ok bool) {
	start := Pos{File: p.file, Line: 1, Column: 1}
	doc = bytes.TrimPrefix(doc, []byte("\ufeff"))
	switch {
	case len(bytes.TrimSpace(doc)) == 0:
		p.Errorf(start, "the document is empty; a pipeline has at least tasks")
		return nil, false
	}
	return doc, checkText(p.file, doc, &p.Problems)
}

func (p *parser) pipeline(root *node, pl *Pipeline) {
	pl.Positions = make(Positions)
	for _, f := range root.fields {
		if f.key != "tasks" && f.key != "callbacks" && f.key != "entries" {
			f.value.places(f.key, f.pos, pl.Positions)
		}
		switch f.key {
		case "name":
			pl.Name = p.text(f)
		case "description":
			pl.Description = p.text(f)
		case "params":
			pl.Params = p.params(f)
		case "state":
			pl.State, pl.StateOrder = p.plainMap(f), f.value.order()
		case "tasks":
			pl.Tasks = p.tasks(f)
		case "entries":
			pl.Entries = p.entries(f, pl.Positions)
		case "callbacks":
			pl.Callbacks = p.callbacks(f, PipelineEvents)
		case "plugins":
			pl.Plugins = p.plugins(f)
		case "settings":
			p.settings(f, &pl.Settings)
		case "deadline":
			pl.Settings.Deadline = p.duration(f)
		case "requires":
			pl.Requires = p.requires(f)
		default:
			p.unknown(f, "a pipeline", "name", "description", "params", "state", "tasks", "entries", "callbacks", "plugins",
				"settings", "deadline", "requires")
		}
	}
	if !root.has("tasks") && len(pl.Entries) == 0 {
		p.Errorf(root.pos, "the pipeline has no tasks; add a list of them under tasks")
	}
	p.twice(pl)
	pl.defaults(pl.Params)
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
		case "parallel":
			s.Parallel = p.parallel(f)
		case "strict":
			s.Strict = p.boolean(f, false)
			if p.strict != nil && s.Strict != *p.strict {
				p.Errorf(f.pos, "a block can't set strict, which holds in the blocks themselves; set it outside")
			}
		default:
			p.unknown(f, "settings", "global_retry", "global_retry_sleep", "retry", "retry_sleep", "timeout", "parallel", "strict")
		}
		if other, twice := given[short]; twice {
			p.Errorf(f.pos, "%s and %s are the same setting; keep one of them", f.key, other)
		}
		given[short] = f.key
	}
}

func (p *parser) plugins(f field) []string {
	var out []string
	for _, e := range p.list(f) {
		name, ok := e.value.(string)
		if !ok || name == "" {
			p.Errorf(e.pos, "a plugin is a name, got %s", e.what())
			continue
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}
