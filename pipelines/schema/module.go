package schema

import (
	"slices"
	"strings"

	"github.com/millrace/millrace/modules"
)

// A moduleChoice is what one kind of entry (task, callback) may name.
type moduleChoice struct {
	name    map[string]any // the schema of a module's name
	rules   []any          // name → props
	plugins []any          // names of those that can be one
}

// moduleSchemas adds the props of every module to definitions, as "kind.Name".
func moduleSchemas(definitions map[string]any, kind string, reg *modules.Registry, planned []string) moduleChoice {
	var names []any
	var c moduleChoice
	for m := range reg.All() {
		s := m.Spec()
		definitions[kind+"."+s.Name] = modules.JSONSchema(s)
		names = append(names, map[string]any{"const": s.Name, "description": s.Summary, "markdownDescription": moduleDoc(s)})
		for _, alias := range s.Aliases {
			names = append(names, older(documented(map[string]any{"const": alias}, s.Summary), s.Name))
		}
		if s.Plugin != nil {
			c.plugins = append(c.plugins, texts(append([]string{s.Name}, s.Aliases...)...)...)
		}
		then := map[string]any{"properties": map[string]any{"props": ref(kind + "." + s.Name)}}
		if slices.ContainsFunc(s.Props, func(f modules.Field) bool { return f.Required }) {
			then["required"] = []any{"props"}
		}
		either := map[string]any{"enum": texts(append([]string{s.Name}, s.Aliases...)...)}
		c.rules = append(c.rules, map[string]any{
			"if":   map[string]any{"properties": map[string]any{"module": either}, "required": []any{"module"}},
			"then": then,
		})
	}
	for _, name := range planned {
		c.plugins = append(c.plugins, name)
		names = append(names, documented(map[string]any{"const": name}, "Comes with a later version; here it fails."))
	}
	c.name = map[string]any{"anyOf": names}
	return c
}

// schema is that of an entry with these keys besides module and props.
func (c moduleChoice) schema(properties map[string]any, propsDoc string) map[string]any {
	properties["module"] = documented(map[string]any{"anyOf": c.name["anyOf"]}, "What is run.")
	properties["props"] = documented(orNothing("object"), propsDoc)
	return map[string]any{
		"type": "object", "properties": properties, "required": []any{"module"}, "additionalProperties": false, "allOf": c.rules,
	}
}

// moduleDoc is what an editor shows beside a module's name.
func moduleDoc(s modules.Spec) string {
	if s.Example == "" {
		return s.Summary
	}
	return s.Summary + "\n\n```yaml\n" + strings.TrimRight(s.Example, "\n") + "\n```"
}

func ref(definition string) map[string]any {
	return map[string]any{"$ref": "#/definitions/" + definition}
}

// documented says what a schema is for. Draft 7 reads nothing beside a $ref, so one is wrapped.
func documented(schema map[string]any, doc string) map[string]any {
	if _, is := schema["$ref"]; is {
		schema = map[string]any{"allOf": []any{schema}}
	}
	schema["description"] = doc
	return schema
}

// older marks a spelling that is accepted and not offered.
func older(schema map[string]any, name string) map[string]any {
	schema["deprecationMessage"] = "An older spelling of " + name + "."
	schema["doNotSuggest"] = true
	return schema
}

// scalarSchema is text, or what a document may write instead of it.
func scalarSchema() map[string]any {
	return map[string]any{"type": []any{"string", "number", "boolean", "null"}}
}

func orNothing(kind string) map[string]any { return map[string]any{"type": []any{kind, "null"}} }

func requires(key string) map[string]any { return map[string]any{"required": []any{key}} }
