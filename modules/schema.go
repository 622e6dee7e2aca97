package modules

import (
	"encoding/json"
	"slices"
)

// JSONSchema describes a module's props (draft 2020-12), for editors. Where a number, a boolean or a list is wanted,
// text that holds a template is allowed too.
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
			old := fieldSchema(f)
			old["deprecated"] = true
			properties[alias] = old
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
	}
	if f.Default != "" {
		schema["default"] = defaultOf(f)
	}
	if f.Secret {
		schema["writeOnly"] = true
	}
	return schema
}

func typeSchema(f Field) map[string]any {
	template := map[string]any{"type": "string", "pattern": `\{[{%]`}
	or := func(schemas ...map[string]any) map[string]any {
		return map[string]any{"anyOf": append(schemas, template)}
	}
	switch f.Type {
	case String:
		if f.Enum != nil {
			return or(map[string]any{"enum": slices.Clone(f.Enum)})
		}
		return map[string]any{"type": []any{"string", "number", "boolean"}}
	case Duration:
		return map[string]any{"type": []any{"string", "number"}}
	case List:
		list := map[string]any{"type": "array"}
		if f.Elem != nil {
			list["items"] = typeSchema(*f.Elem)
		}
		return or(list)
	case Map:
		return or(mapSchema(f))
	case Any:
		return map[string]any{}
	}
	return or(map[string]any{"type": string(f.Type)})
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
