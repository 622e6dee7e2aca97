package modules

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

// fieldsOf reads the struct tags of t; nil for a type that is no struct. Embedded structs count as if written out.
func fieldsOf(t reflect.Type) []Field {
	if t.Kind() != reflect.Struct {
		return nil
	}
	var fields []Field
	for sf := range t.Fields() {
		if embedded(sf) {
			fields = append(fields, fieldsOf(sf.Type)...)
			continue
		}
		if name, _, ok := jsonName(sf); ok {
			fields = append(fields, fieldOf(name, sf))
		}
	}
	return fields
}

func fieldOf(name string, sf reflect.StructField) Field {
	_, optional, _ := jsonName(sf)
	f := typed(sf.Type)
	f.Name = name
	f.Doc = sf.Tag.Get("doc")
	f.Default = sf.Tag.Get("default")
	f.Aliases = words(sf.Tag.Get("aliases"))
	f.Peers = sf.Tag.Get("peers") == "true"
	f.Secret = sf.Tag.Get("secret") == "true"
	f.Filled = sf.Tag.Get("filled") == "true"
	f.Required = !optional && f.Default == "" && sf.Type.Kind() != reflect.Pointer
	if f.Type == Duration && sf.Tag.Get("unit") == "s" {
		f.Unit = time.Second
	}
	enum := words(sf.Tag.Get("enum"))
	if f.Type == List && f.Elem != nil {
		f.Elem.Enum = enum
		return f
	}
	f.Enum = enum
	return f
}

// typed returns a nameless field of Go type t.
func typed(t reflect.Type) Field {
	if t == reflect.TypeFor[time.Duration]() {
		return Field{Type: Duration, Unit: time.Millisecond}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typed(t.Elem())
	case reflect.Interface:
		return Field{Type: Any}
	case reflect.String:
		return Field{Type: String}
	case reflect.Bool:
		return Field{Type: Bool}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return Field{Type: Integer}
	case reflect.Float32, reflect.Float64:
		return Field{Type: Number}
	case reflect.Slice:
		return Field{Type: List, Elem: elemOf(t)}
	case reflect.Map:
		return Field{Type: Map, Elem: elemOf(t)}
	case reflect.Struct:
		return Field{Type: Map, Fields: fieldsOf(t)}
	}
	panic(fmt.Sprintf("modules: a prop or output can't be a %s", t))
}

// elemOf describes the elements of a slice or map type; nil when they may be anything.
func elemOf(t reflect.Type) *Field {
	if t.Elem().Kind() == reflect.Interface {
		return nil
	}
	f := typed(t.Elem())
	f.Required = true
	return &f
}

func embedded(sf reflect.StructField) bool {
	return sf.Anonymous && sf.Type.Kind() == reflect.Struct && sf.Tag.Get("json") == ""
}

// jsonName returns the name a field has in YAML and whether it may be left out; ok is false for fields that have none.
func jsonName(sf reflect.StructField) (name string, optional, ok bool) {
	tag := sf.Tag.Get("json")
	if tag == "-" || !sf.IsExported() {
		return "", false, false
	}
	name, opts, _ := strings.Cut(tag, ",")
	if name == "" {
		name = sf.Name
	}
	return name, strings.Contains(opts, "omitzero"), true
}

func words(tag string) []string {
	if tag == "" {
		return nil
	}
	list := strings.Split(tag, ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}
