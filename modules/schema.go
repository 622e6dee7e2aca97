package modules

import (
	"encoding/json"
	"slices"
	"strings"
)

// JSONSchema describes a module's props (draft 7), for editors. Where a number, a boolean or a list is wanted, text that
// holds a template is allowed too. Older spellings are allowed, marked, and not offered. It is stricter than Run in two
// things: a prop without a value is refused, and an enum has to be written in its own case.
func JSONSchema(s Spec) map[string]any {
	schema := objectSchema(s.Props)
	schema["description"] = s.Summary
	return schema
}

func objectSchema(fields []Field) map[string]any {
	properties := map[string]any{}
	var rules []any
	for _, f := range fields {
		properties[f.Name] = fieldSchema(f)
		for _, alias := range f.Aliases {
			properties[alias] = olderSchema(f)
		}
		if f.Required {
			rules = append(rules, present(f))
		}
	}
	schema := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if rules != nil {
		schema["allOf"] = rules
	}
	return schema
}

// olderSchema is that of an alias of f. The two keys that are in no draft are those editors know.
func olderSchema(f Field) map[string]any {
	schema := fieldSchema(f)
	if f.Peers {
		return schema
	}
	schema["deprecated"] = true
	schema["deprecationMessage"] = "An older spelling of " + f.Name + "."
	schema["doNotSuggest"] = true
	return schema
}

// present demands a field under any of its names.
func present(f Field) map[string]any {
	rule := map[string]any{"required": []any{f.Name}}
	if len(f.Aliases) == 0 {
		return rule
	}
	either := []any{rule}
	for _, alias := range f.Aliases {
		either = append(either, map[string]any{"required": []any{alias}})
	}
	return map[string]any{"anyOf": either}
}

func fieldSchema(f Field) map[string]any {
	schema := typeSchema(f)
	if f.Doc != "" {
		schema["description"] = f.Doc
		schema["markdownDescription"] = markdownDoc(f)
	}
	if f.Default != "" {
		schema["default"] = defaultOf(f)
	}
	if f.Secret {
		schema["writeOnly"] = true
	}
	if f.Required && f.Type == String && f.Enum == nil {
		schema["minLength"] = 1
	}
	return schema
}

// markdownDoc is a field's doc with what else there is to know of it.
func markdownDoc(f Field) string {
	doc := f.Doc
	if f.Default != "" {
		doc += " Default `" + f.Default + "`."
	}
	if len(f.Aliases) > 0 {
		doc += " Also written `" + strings.Join(f.Aliases, "`, `") + "`."
	}
	if f.Secret {
		doc += " Secret: never shown."
	}
	return doc
}

// What text must look like where something else is wanted: a template, or that thing as text.
const (
	templateText = `\{[{%#]`
	numberText   = `|^\s*[-+]?[0-9.]+([eE][-+]?[0-9]+)?\s*$`
	boolText     = `|^(true|false)$`
)

func typeSchema(f Field) map[string]any {
	or := func(text, remedy string, schema map[string]any) map[string]any {
		if !f.Required {
			text += `|^$`
		}
		return map[string]any{"anyOf": []any{schema, map[string]any{
			"type": "string", "pattern": templateText + text, "patternErrorMessage": "Write " + remedy + ", or a {{ template }}.",
		}}}
	}
	switch f.Type {
	case String:
		if f.Enum != nil {
			return or("", "one of "+strings.Join(f.Enum, ", "), map[string]any{"enum": slices.Clone(f.Enum)})
		}
		return map[string]any{"type": []any{"string", "number", "boolean"}}
	case Duration:
		return map[string]any{"type": []any{"string", "number"}}
	case List:
		list := map[string]any{"type": "array"}
		if f.Elem != nil {
			list["items"] = typeSchema(*f.Elem)
		}
		return or("", "a list", list)
	case Map:
		return or("", "a map", mapSchema(f))
	case Bool:
		return or(boolText, "true or false", map[string]any{"type": "boolean"})
	case Integer:
		return or(numberText, "a whole number", map[string]any{"type": "integer"})
	case Number:
		return or(numberText, "a number", map[string]any{"type": "number"})
	}
	return map[string]any{} // Any
}

func mapSchema(f Field) map[string]any {
	switch {
	case f.Fields != nil:
		return objectSchema(f.Fields)
	case f.Elem != nil:
		return map[string]any{"type": "object", "additionalProperties": typeSchema(*f.Elem)}
	}
	return map[string]any{"type": "object"}
}

// defaultOf returns a default as JSON has it: a duration stays text.
func defaultOf(f Field) any {
	if f.Type == String || f.Type == Duration {
		return f.Default
	}
	var v any
	if err := json.Unmarshal([]byte(f.Default), &v); err != nil {
		return f.Default
	}
	return v
}
