package pipelines

import (
	"maps"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/redact"
	"github.com/millrace/millrace/pipelines/nunjucks"
	"github.com/millrace/millrace/pipelines/render"
)

// maxParams bounds what one document or entry declares.
const maxParams = 500

// params reads the values that a job may or must give.
func (p *parser) params(f field) []Param {
	fields := p.fields(f)
	if len(fields) > maxParams {
		p.Errorf(f.pos, "params declares %d values, and %d are allowed; put them into a map", len(fields), maxParams)
		return nil
	}
	var out []Param
	for _, f := range fields {
		if param, ok := p.param(f); ok {
			out = append(out, param)
		}
	}
	p.standIns(out)
	return out
}

// param reads one declaration. The default and the values of enum are held against its type.
func (p *parser) param(f field) (Param, bool) {
	out := Param{Name: f.key, Type: ParamAny, Pos: f.pos}
	if !p.paramName(f) {
		return out, false
	}
	if f.value.kind != mapNode && !f.value.empty() {
		p.Errorf(f.pos, "param %q must be a map with type, description, required, unless, default and enum, got %s", f.key, f.value.what())
		return out, false
	}
	var otherwise, enum, unless *field
	for _, f := range f.value.fields {
		switch f.key {
		case "type":
			out.Type = p.paramType(f)
		case "description":
			out.Description = p.text(f)
		case "required":
			out.Required = p.boolean(f, false)
		case "unless":
			unless = &f
		case "default":
			otherwise = &f
		case "enum":
			enum = &f
		default:
			p.unknown(f, "a param", "type", "description", "required", "unless", "default", "enum")
		}
	}
	if unless != nil {
		out.Unless = p.unless(*unless, out)
	}
	if enum != nil {
		out.Enum = p.enum(*enum, out)
	}
	if otherwise != nil {
		out.Default, out.order = p.paramDefault(*otherwise, out), otherwise.value.order()
	}
	return out, true
}

// unless reads the names of params that may stand in for a required one.
func (p *parser) unless(f field, of Param) []string {
	if !of.Required && !f.value.empty() {
		p.Errorf(f.pos, "param %q is not required, so unless has no meaning; add required: true", Shorten(of.Name))
	}
	if f.value.kind == scalarNode {
		if name := p.text(f); name != "" {
			return []string{name}
		}
		return nil
	}
	var out []string
	for _, e := range p.list(f) {
		if name := p.text(field{f.key, e.pos, e}); name != "" {
			out = append(out, name)
		}
	}
	return out
}

// standIns reports names in unless that no other param has.
func (p *parser) standIns(params []Param) {
	known := map[string]bool{}
	for _, param := range params {
		known[param.Name] = true
	}
	for _, param := range params {
		for _, name := range param.Unless {
			if name == param.Name || !known[name] {
				p.Errorf(param.Pos, "param %q: unless must name other params of this list, and has %q", Shorten(param.Name), Shorten(name))
			}
		}
	}
}

func (p *parser) paramName(f field) bool {
	const longest = 128 // characters
	switch {
	case strings.HasPrefix(f.key, "__"):
		p.Errorf(f.pos, "param %q is reserved for the operator; give it a name that does not start with __", Shorten(f.key))
	case f.key == "" || len([]rune(f.key)) > longest || strings.ContainsFunc(f.key, func(r rune) bool { return r < ' ' || r == 0x7f }):
		p.Errorf(f.pos, "%q can't be a param's name; write at most %d characters on one line", Shorten(f.key), longest)
	default:
		return true
	}
	return false
}

// paramTypes are the types of params, and what other languages call them.
func paramTypes() (types []string, aliases map[string]ParamType) {
	return []string{"any", "string", "number", "integer", "boolean", "list", "map"}, map[string]ParamType{
		"array": ParamList, "object": ParamMap, "dict": ParamMap, "bool": ParamBoolean, "int": ParamInteger, "float": ParamNumber,
		"double": ParamNumber, "str": ParamString, "text": ParamString,
	}
}

func (p *parser) paramType(f field) ParamType {
	name := p.text(f)
	types, aliases := paramTypes()
	for _, t := range types {
		if t == name {
			return ParamType(t)
		}
	}
	if t, ok := aliases[name]; ok {
		return t
	}
	if near := modules.Closest(name, types); near != "" {
		p.Errorf(f.pos, "type %q is unknown, did you mean %q?", Shorten(name), near)
	} else if f.value.kind == scalarNode {
		p.Errorf(f.pos, "type %q is unknown; there are %s", Shorten(name), strings.Join(types, ", "))
	}
	return ParamAny
}

func (p *parser) enum(f field, of Param) []any {
	var out []any
	for _, e := range p.list(f) {
		v, ok := of.Type.take(e.any())
		switch {
		case e.kind != scalarNode || e.value == nil:
			p.Errorf(e.pos, "a value of enum must be text, a number, true or false, got %s", e.what())
		case !ok:
			p.Errorf(e.pos, "param %q is %s, and enum has %s", Shorten(of.Name), of.Type.article(), of.show(e.any()))
		default:
			out = append(out, v)
		}
	}
	return out
}

// paramDefault reads a default. One that is a template is held against nothing: what it comes to is known when the job runs.
func (p *parser) paramDefault(f field, of Param) any {
	v := f.value.any()
	if v == nil {
		return nil
	}
	if of.Required {
		p.Errorf(f.pos, "param %q is required, so its default is never used; remove one of the two", Shorten(of.Name))
		return nil
	}
	if render.IsTemplate(v) {
		return v
	}
	fit, ok := of.Type.take(v)
	switch {
	case !ok:
		p.Errorf(f.pos, "param %q is %s, and its default is %s", Shorten(of.Name), of.Type.article(), of.show(v))
	case !of.allows(fit):
		p.Errorf(f.pos, "param %q: its default %s is not in enum", Shorten(of.Name), of.show(v))
	}
	return fit
}

// defaults puts defaults into the state, where it has no such key.
func (p *Pipeline) defaults(params []Param) {
	added, order := map[string]any{}, &nunjucks.Order{In: map[string]*nunjucks.Order{}}
	for _, param := range params {
		if _, own := p.State[param.Name]; own || param.Default == nil {
			continue
		}
		added[param.Name], order.In[param.Name] = param.Default, param.order
		order.Keys = append(order.Keys, param.Name)
		if p.Positions == nil {
			p.Positions = Positions{}
		}
		p.Positions["state."+param.Name] = param.Pos
	}
	if len(added) == 0 {
		return
	}
	p.StateOrder = p.StateOrder.Overlay(p.State, added, order)
	if p.State == nil {
		p.State = map[string]any{}
	}
	maps.Copy(p.State, added)
}

// show describes a value of the param for a message; a secret by its kind alone.
func (p Param) show(v any) string {
	switch v.(type) {
	case []any:
		return "a list"
	case map[string]any:
		return "a map"
	case nil:
		return "nothing"
	}
	n := node{kind: scalarNode, value: v}
	if !redact.NameIsSecret(p.Name) {
		return n.what()
	}
	switch v.(type) {
	case string:
		return "text"
	case bool:
		return "true or false"
	}
	return "a number"
}
