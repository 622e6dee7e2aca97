// Package render is what a pipeline's templates see, and their three forms: text, typed value, condition.
//
// A name means, innermost first: what With added (a callback's own), the state, and the built-ins name (the
// pipeline's), state (all of it without reserved keys), env (the variables the operator allows), job, and now().
// An undefined name renders empty.
package render

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/modules/redact"
	"github.com/millrace/millrace/pipelines/nunjucks"
)

// Config is what a State starts from. Nothing in it is written to.
type Config struct {
	Name string // the pipeline's
	// Document is the pipeline's own state. Its values may be templates over each other, in any order; a Scoped is one too.
	Document      map[string]any
	DocumentOrder *nunjucks.Order
	// At says where a top-level key of Document stands ("hello.yaml:3:5"), for errors; may be nil.
	At func(key string) string
	// Data is what a message or a person gave. It wins over Document, key by key, and is never rendered.
	Data      map[string]any
	DataOrder *nunjucks.Order
	// TrustData lets Data have reserved keys, those that start with "__". No template sees them, nor what Document has
	// under such a key.
	TrustData bool
	Env       map[string]string // those that templates may read; JOB_NAME is added where it is missing
	Job       map[string]any    // id, name, attempt, …
	Now       func() time.Time  // nil is time.Now
	OnSecret  func(string)      // gets the values in Env whose names say that they are secret; may be nil
	Templates *Cache            // parsed templates, shared by runs; nil is a cache of its own
	Strict    bool              // of Language
}

// A State is the variables of one run. It implements modules.State and is safe for concurrent use; what it hands out
// must not be written to.
type State struct {
	shared    *shared
	templates *templates
	scope     map[string]any // what With added
}

// shared is what a State and its scopes have in common.
type shared struct {
	builtins map[string]any
	mu       sync.Mutex
	values   map[string]any  // guarded by mu; plain
	order    *nunjucks.Order // guarded by mu: of values, all their keys; not written to
	vars     map[string]any  // guarded by mu: builtins and values as templates see them; nil after a Set
}

// NewState resolves the document's state. Its errors are permanent and name the key: a template that doesn't parse or
// run or comes to what JSON can't hold, keys that refer to each other in a circle ("a → b → a"), a reserved key in Data.
func NewState(ctx context.Context, c Config) (*State, error) {
	if err := CheckData(c.Data); err != nil && !c.TrustData {
		return nil, err
	}
	c.Data, c.Document = withoutReserved(c.Data, c.Data), withoutReserved(c.Document, c.Data)
	cache := c.Templates
	if cache == nil {
		cache = NewCache()
	}
	s := &State{shared: &shared{builtins: builtins(c)}, templates: cache.usual}
	if c.Strict {
		s.templates = cache.strict
	}
	values, order, err := resolve(ctx, s.templates, c, s.shared.builtins)
	if err != nil {
		return nil, err
	}
	s.shared.values, s.shared.order = values, &nunjucks.Order{Keys: order.Of(values)}
	if order != nil {
		s.shared.order.In = order.In
	}
	return s, nil
}

// CheckData refuses reserved keys in what a message gives. The error is permanent and names one of them.
func CheckData(data map[string]any) error {
	for _, k := range slices.Sorted(maps.Keys(data)) {
		if reserved(k) {
			return permanent("state key %q is reserved for the operator; give it a name that does not start with __", k)
		}
	}
	return nil
}

func builtins(c Config) map[string]any {
	now := c.Now
	if now == nil {
		now = time.Now
	}
	env := make(map[string]any, len(c.Env)+1)
	if id, ok := c.Job["id"]; ok {
		env["JOB_NAME"] = id
	}
	for k, v := range c.Env {
		env[k] = v
		if c.OnSecret != nil && v != "" && redact.NameIsSecret(k) {
			c.OnSecret(v)
		}
	}
	job := maps.Clone(c.Job)
	if job == nil {
		job = map[string]any{}
	}
	all := map[string]any{
		"env": env,
		"job": job,
		"now": nunjucks.Func(func(context.Context, []any) (any, error) { return Timestamp(now()), nil }),
	}
	if c.Name != "" {
		all["name"] = c.Name
	}
	return all
}

// Timestamp is how now() writes a time: UTC, with milliseconds, as JavaScript does.
func Timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// With returns a scope in which vars, plain or nunjucks.Ordered, hide all else. Set on it reaches the same state.
func (s *State) With(vars map[string]any) *State {
	return &State{shared: s.shared, templates: s.templates, scope: over(s.scope, vars)}
}

// Get returns the plain value at a dotted path, numbers index lists. "state" is all of it without reserved keys.
func (s *State) Get(path string) (any, bool) {
	v, missing := lookup(s.vars(), strings.Split(path, "."))
	return v, missing == 0
}

// Set stores a plain top-level value. A new name comes last in the order of the state.
func (s *State) Set(name string, v any) {
	s.shared.mu.Lock()
	defer s.shared.mu.Unlock()
	o := *s.shared.order.With(nil, name)
	if _, own := s.shared.values[name]; !own {
		o.Keys = append(o.Keys, name)
	}
	s.shared.values[name], s.shared.order, s.shared.vars = v, &o, nil
}

// vars returns what templates see. The map is never written to again.
func (s *State) vars() map[string]any {
	all := s.shared.all()
	if len(s.scope) == 0 {
		return all
	}
	return over(all, s.scope)
}

func (sh *shared) all() map[string]any {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.vars == nil {
		sh.vars = layer(sh.builtins, sh.values, sh.order)
	}
	return sh.vars
}

// layer puts a state, whose order o is, over the built-ins.
func layer(builtins, values map[string]any, o *nunjucks.Order) map[string]any {
	visible := make(map[string]any, len(values))
	for k, v := range values {
		if !reserved(k) {
			visible[k] = v
		}
	}
	out := make(map[string]any, len(builtins)+len(values)+1)
	maps.Copy(out, builtins)
	out["state"] = nunjucks.WithOrder(visible, o)
	maps.Copy(out, values)
	if o == nil {
		return out
	}
	for k, in := range o.In {
		if v, ok := values[k]; ok {
			out[k] = nunjucks.WithOrder(v, in)
		}
	}
	return out
}

// withoutReserved is values without the reserved keys of given.
func withoutReserved(values, given map[string]any) map[string]any {
	out := values
	for k := range given {
		if _, has := out[k]; !has || !reserved(k) {
			continue
		}
		if len(out) == len(values) {
			out = maps.Clone(values)
		}
		delete(out, k)
	}
	return out
}

// reserved says that a key configures a transport and is no part of what pipelines pass on.
func reserved(key string) bool { return strings.HasPrefix(key, "__") }
