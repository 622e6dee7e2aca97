package blocks

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/millrace/millrace/pipelines/nunjucks"
	"github.com/millrace/millrace/pipelines/render"
)

// Expand runs the blocks over a state. Loops and conditions mean what they mean in a template. The error is an *Error;
// when ctx ended it wraps its cause.
func (d *Document) Expand(ctx context.Context, state *render.State) (*Expansion, error) {
	inner, cancel := context.WithTimeoutCause(ctx, maxTime, errTime)
	defer cancel()
	r := runner{writer: newWriter(d), state: state, scope: &scope{}, turns: maxTurns, room: maxCaptured}
	err := r.run(inner, d.parts)
	switch {
	case err == nil:
		return r.expansion(), nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("expand blocks: %w", context.Cause(ctx))
	}
	return nil, d.error(err)
}

type runner struct {
	*writer
	state *render.State
	scope *scope
	turns int // of loops that are left
	room  int // of maxCaptured that is left
}

func (r *runner) run(ctx context.Context, parts []part) error {
	for _, p := range parts {
		var err error
		switch {
		case p.set != nil:
			err = r.set(ctx, p.set)
		case p.branches != nil && p.branches[0].names != nil:
			err = r.loop(ctx, p.branches)
		case p.branches != nil:
			err = r.choose(ctx, p.branches)
		case r.text.Len()+p.to-p.from > maxText || len(r.chunks) >= maxChunks:
			err = wrong(p.from, "the document's blocks write more than %d MiB here; loop over less", maxText>>20)
		default:
			err = r.write(p)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// write adds a stretch with the variables that stand round it.
func (r *runner) write(p part) error {
	vars := r.scope.flat()
	if !r.scope.paid {
		const each = 64 // bytes of an entry in a map
		r.scope.paid = true
		r.room -= each * len(vars)
	}
	if r.room < 0 {
		return r.full(p.from)
	}
	r.add(p, vars)
	return nil
}

// eval evaluates a tag's expression.
func (r *runner) eval(ctx context.Context, t *tag) (any, error) {
	v, err := r.state.With(r.scope.flat()).Eval(ctx, t.args)
	switch {
	case err == nil:
		return v, nil
	case errors.Is(context.Cause(ctx), errTime):
		return nil, wrong(t.start, "the document's blocks take longer than %s to expand; loop over less", maxTime)
	}
	e, ok := errors.AsType[*nunjucks.Error](err)
	if !ok {
		return nil, wrong(t.start, "%v", err)
	}
	at := t.argsAt
	if e.Line > 0 {
		at += newIndex(t.args).offset(e.Line, e.Col)
	}
	return nil, wrong(at, "{%% %s %%}: %s", t.name, e.Text())
}

// keep is eval for a value that is captured.
func (r *runner) keep(ctx context.Context, t *tag) (any, error) {
	v, err := r.eval(ctx, t)
	if err != nil {
		return nil, err
	}
	if r.room -= weight(v); r.room < 0 {
		return nil, r.full(t.start)
	}
	return v, nil
}

func (r *runner) full(at int) error {
	return wrong(at, "the values that the document's blocks keep are larger than %d MiB in all; loop over less", maxCaptured>>20)
}

// weight is about how many bytes a value takes.
func weight(v any) int {
	const each = 32
	n := each
	v, _ = nunjucks.Plain(v)
	switch x := v.(type) {
	case string:
		n += len(x)
	case []any:
		for _, e := range x {
			n += weight(e)
		}
	case map[string]any:
		for k, e := range x {
			n += each + len(k) + weight(e)
		}
	}
	return n
}

func (r *runner) choose(ctx context.Context, branches []branch) error {
	for _, b := range branches {
		if b.tag.name != "else" {
			v, err := r.eval(ctx, b.tag)
			if err != nil {
				return err
			}
			if !nunjucks.Truthy(v) {
				continue
			}
		}
		r.ran[b.id] = true
		return r.run(ctx, b.body)
	}
	return nil
}

// set writes where the name already stands, in this scope or one around it; else here.
func (r *runner) set(ctx context.Context, s *set) error {
	v, err := r.keep(ctx, s.tag)
	if err != nil {
		return err
	}
	for _, name := range s.names {
		at := r.scope
		for o := r.scope; o != nil; o = o.parent {
			if _, ok := o.vars[name]; ok {
				at = o
				break
			}
		}
		at.bind(name, v)
		for o := r.scope; o != at; o = o.parent {
			o.all = nil
		}
	}
	return nil
}

func (r *runner) loop(ctx context.Context, branches []branch) error {
	b := branches[0]
	v, err := r.keep(ctx, b.tag)
	if err != nil {
		return err
	}
	if n := size(v); n > r.turns {
		return wrong(b.tag.start, "the document's loops take more than %d turns in all, %d of them here; loop over less, or start a job for each part", maxTurns, n)
	}
	turns, err := items(v, b)
	if err != nil {
		return err
	}
	r.turns -= len(turns)
	outer := r.scope
	r.scope = &scope{parent: outer}
	defer func() { r.scope = outer }()
	for i, values := range turns {
		if ctx.Err() != nil {
			return wrong(b.tag.start, "the document's blocks take longer than %s to expand; loop over less", maxTime)
		}
		r.ran[b.id] = true
		for j, name := range b.names {
			r.scope.bind(name, values[j])
		}
		r.scope.bind("loop", progress(i, len(turns)))
		if err := r.run(ctx, b.body); err != nil {
			return err
		}
	}
	if len(turns) == 0 && len(branches) > 1 {
		r.ran[branches[1].id] = true
		return r.run(ctx, branches[1].body)
	}
	return nil
}

// size is how many turns a loop over v takes.
func size(v any) int {
	v, _ = nunjucks.Plain(v)
	switch x := v.(type) {
	case []any:
		return len(x)
	case map[string]any:
		return len(x)
	case string:
		return utf8.RuneCountInString(x)
	}
	return 0
}

// items returns what a loop over v binds its variables to, turn by turn: lists by entry, unpacked where there are several
// names, maps by key and value in their order, text by character; nothing for all else, as in a template.
func items(v any, b branch) ([][]any, error) {
	var turns [][]any
	v, order := nunjucks.Plain(v)
	switch x := v.(type) {
	case []any:
		for i, e := range x {
			values, err := unpack(nunjucks.WithOrder(e, order.At(strconv.Itoa(i))), i, b)
			if err != nil {
				return nil, err
			}
			turns = append(turns, values)
		}
	case map[string]any:
		if len(b.names) != 2 {
			return nil, wrong(b.tag.start, "this loops over a map, which takes two names: {%% for key, value in … %%}")
		}
		for _, k := range order.Of(x) {
			turns = append(turns, []any{k, nunjucks.WithOrder(x[k], order.At(k))})
		}
	case string:
		if len(b.names) != 1 {
			return nil, wrong(b.tag.start, "this loops over text, which takes one name, that of a character")
		}
		for _, c := range x {
			turns = append(turns, []any{string(c)})
		}
	}
	return turns, nil
}

// unpack returns the values for a loop's names from entry i of its list.
func unpack(e any, i int, b branch) ([]any, error) {
	if len(b.names) == 1 {
		return []any{e}, nil
	}
	e, order := nunjucks.Plain(e)
	l, ok := e.([]any)
	if !ok {
		return nil, wrong(b.tag.start, "the loop has %d names, and entry %d of its list is no list to take them from", len(b.names), i)
	}
	values := make([]any, len(b.names))
	for j, v := range l[:min(len(l), len(values))] {
		values[j] = nunjucks.WithOrder(v, order.At(strconv.Itoa(j)))
	}
	return values, nil
}

// progress is the variable loop in turn i of n.
func progress(i, n int) map[string]any {
	return map[string]any{
		"index": i + 1, "index0": i, "revindex": n - i, "revindex0": n - i - 1,
		"first": i == 0, "last": i == n-1, "length": n,
	}
}
