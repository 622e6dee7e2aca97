package modules

import (
	"context"
	"reflect"
	"sync"

	"github.com/millrace/millrace/modules/fault"
)

// Define makes a Module from a typed function. The fields of P become the props and those of O the outputs,
// by these struct tags:
//
//	json:"src"            the name; with ,omitzero the prop is optional
//	doc:"…"               one sentence
//	default:"10m"         as written in YAML (lists and maps: as JSON); makes the prop optional
//	aliases:"dst,target"  older spellings
//	peers:"true"          the aliases are as good as the name, and not older
//	enum:"raw,json"       allowed values
//	secret:"true"         never shown: handed to Call.Secret before run, left out of outputs
//	filled:"true"         null or empty is an error, where other optional props count as not given: leaving it out says
//	                      something of its own, such as whose keys are used, and a variable that is missing does not
//	unit:"s"              what a bare number means, of a time.Duration; milliseconds without it
//
// Fields of O may have the tag fact besides: see factsOf.
// Where O embeds ToolOutput, there is one prop more, resultKey: the state key that the output is stored under as well.
//
// run sees props that hold every rule in the tags and, where *P is a Validator, its own.
// A type that can't be a prop (a channel, a func) panics when the spec is first asked for.
func Define[P, O any](s Spec, run func(context.Context, *Call, P) (O, error)) Module {
	spec := sync.OnceValue(func() Spec {
		full := s
		full.Props = fieldsOf(reflect.TypeFor[P]())
		full.Outputs = fieldsOf(reflect.TypeFor[O]())
		if isTool[O]() {
			full.Props = append(full.Props, Field{
				Name: resultKey, Type: String, Doc: "State key under which the output is stored too, for the tasks that follow.",
			})
		}
		return full
	})
	return &defined[P, O]{brief: s, spec: spec, run: run}
}

// defined is what Define returns. The fields are worked out on first use, so that start-up does not pay for them.
type defined[P, O any] struct {
	brief Spec // without fields
	spec  func() Spec
	run   func(context.Context, *Call, P) (O, error)
}

func (d *defined[P, O]) Spec() Spec { return d.spec() }

func (d *defined[P, O]) names() []string { return append([]string{d.brief.Name}, d.brief.Aliases...) }

func (d *defined[P, O]) Run(ctx context.Context, c *Call, raw map[string]any) (map[string]any, error) {
	p := new(P)
	clean, err := d.read(c, raw, p)
	if err != nil {
		return nil, err
	}
	return d.do(ctx, c, *p, clean)
}

// read fills p, and returns the props as they are written in full.
func (d *defined[P, O]) read(c *Call, raw map[string]any, p *P) (clean map[string]any, err error) {
	s := d.spec()
	if c.Secret != nil {
		tellSecrets(s.Props, raw, c.Secret)
	}
	clean, wrong := decode(&checker{}, s, raw, p)
	if wrong != nil {
		return nil, fault.As(fault.Permanent, wrong)
	}
	return clean, nil
}

func (d *defined[P, O]) do(ctx context.Context, c *Call, p P, clean map[string]any) (map[string]any, error) {
	result, err := d.run(ctx, c, p)
	if err != nil {
		return nil, err
	}
	out, err := encode(d.spec(), result)
	if err != nil {
		return nil, err
	}
	if c.Facts != nil {
		c.Facts(factsOf(c.Workspace, result))
	}
	if key, ok := clean[resultKey].(string); ok && isTool[O]() {
		c.State.Set(key, out)
	}
	return out, nil
}

// Check returns what m says of props before it does any work: nil, or a *PropError. Where Define made m, that includes
// the rules of its own (Validator), else it is what CheckProps says.
func Check(m Module, props map[string]any) error {
	if d, ok := m.(interface{ check(map[string]any) error }); ok {
		return d.check(props)
	}
	if problems := CheckProps(m.Spec(), props, nil); len(problems) > 0 {
		return &PropError{Problems: problems}
	}
	return nil
}

func (d *defined[P, O]) check(props map[string]any) error {
	var p P
	if _, err := decode(&checker{}, d.spec(), props, &p); err != nil {
		return err
	}
	return nil
}

// Work is what a module is about to do.
type Work struct {
	Demand
	Run func(context.Context) (map[string]any, error) // does it
}

// Probe returns the work of m with these props. Its Demand is zero where m can't tell, and where the props break a rule: Run
// says that better. Run has the props as Probe of a Prober left them.
func Probe(ctx context.Context, m Module, c *Call, props map[string]any) (Work, error) {
	if d, ok := m.(interface {
		probe(context.Context, *Call, map[string]any) (Work, error)
	}); ok {
		return d.probe(ctx, c, props)
	}
	return Work{Run: func(ctx context.Context) (map[string]any, error) { return m.Run(ctx, c, props) }}, nil
}

func (d *defined[P, O]) probe(ctx context.Context, c *Call, raw map[string]any) (w Work, err error) {
	p := new(P)
	clean, wrong := d.read(c, raw, p)
	w.Run = func(ctx context.Context) (map[string]any, error) {
		if wrong != nil {
			return nil, wrong
		}
		return d.do(ctx, c, *p, clean)
	}
	if prober, ok := any(p).(Prober); ok && wrong == nil {
		w.Demand, err = prober.Probe(ctx, c)
	}
	return w, err
}

// resultKey is the prop that every tool has.
const resultKey = "resultKey"

// isTool says whether O embeds ToolOutput.
func isTool[O any]() bool {
	t := reflect.TypeFor[O]()
	if t.Kind() != reflect.Struct {
		return false
	}
	f, ok := t.FieldByName("ToolOutput")
	return ok && f.Anonymous && f.Type == reflect.TypeFor[ToolOutput]()
}
