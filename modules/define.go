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
	s := d.spec()
	if c.Secret != nil {
		tellSecrets(s.Props, raw, c.Secret)
	}
	var p P
	clean, wrong := decode(&checker{}, s, raw, &p)
	if wrong != nil {
		return nil, fault.As(fault.Permanent, wrong)
	}
	result, err := d.run(ctx, c, p)
	if err != nil {
		return nil, err
	}
	out, err := encode(s, result)
	if err != nil {
		return nil, err
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

// Probe returns what the work of m with these props will take. It is the zero Demand where m can't tell, and where the
// props break a rule: Run says that better.
func Probe(ctx context.Context, m Module, c *Call, props map[string]any) (Demand, error) {
	d, ok := m.(interface {
		probe(context.Context, *Call, map[string]any) (Demand, error)
	})
	if !ok {
		return Demand{}, nil
	}
	return d.probe(ctx, c, props)
}

func (d *defined[P, O]) probe(ctx context.Context, c *Call, raw map[string]any) (Demand, error) {
	if _, ok := any((*P)(nil)).(Prober); !ok {
		return Demand{}, nil
	}
	s := d.spec()
	if c.Secret != nil {
		tellSecrets(s.Props, raw, c.Secret)
	}
	p := new(P)
	if _, wrong := decode(&checker{}, s, raw, p); wrong != nil {
		return Demand{}, nil
	}
	return any(p).(Prober).Probe(ctx, c)
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
