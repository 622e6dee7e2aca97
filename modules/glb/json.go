package glb

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// scan measures JSON before anything is built from it: how deep it nests, and how many values it has.
func scan(text []byte, l Limits) error {
	depth, values, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			values++
		case c == '}' || c == ']':
			depth--
		case c == ',':
			values++
		}
		if depth > l.Depth {
			return malformed("its JSON nests deeper than %d", l.Depth)
		}
		if values > l.Values {
			return malformed("its JSON has more than %d values", l.Values)
		}
	}
	return nil
}

// Decode reads what an extension says into a struct. Names count as they are written, as everywhere in glTF: encoding/json would take
// "SOURCE" for "source", which nobody has checked.
func Decode(text json.RawMessage, into any) error {
	if err := decode(text, reflect.ValueOf(into).Elem()); err != nil {
		return fmt.Errorf("an extension%w", err)
	}
	return nil
}

// decode reads JSON into v as encoding/json does, and what a struct does not name into its Rest. Its errors name the place.
func decode(text json.RawMessage, v reflect.Value) error {
	switch {
	case v.Kind() == reflect.Pointer && v.Type().Elem().Kind() == reflect.Struct:
		v.Set(reflect.New(v.Type().Elem()))
		return decode(text, v.Elem())
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		var all []json.RawMessage
		if err := plain(text, &all); err != nil {
			return err
		}
		v.Set(reflect.MakeSlice(v.Type(), len(all), len(all)))
		for i, raw := range all {
			if err := decode(raw, v.Index(i)); err != nil {
				return fmt.Errorf("[%d]%w", i, err)
			}
		}
		return nil
	case v.Kind() == reflect.Struct:
		return decodeObject(text, v)
	}
	return plain(text, v.Addr().Interface())
}

// plain is json.Unmarshal with an error that goes on behind the name of a place.
func plain(text json.RawMessage, into any) error {
	err := json.Unmarshal(text, into)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf(" is a JSON %s, which it can't be", wrong.Value)
	}
	if err != nil {
		return fmt.Errorf(": %w", err)
	}
	return nil
}

func decodeObject(text json.RawMessage, v reflect.Value) error {
	if len(text) == 0 || text[0] != '{' {
		return errors.New(" is no JSON object")
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	rest := reflect.Value{}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Name == "Rest" {
			rest = v.Field(i)
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		raw, there := all[name]
		if !there || name == "-" || !f.IsExported() {
			continue
		}
		delete(all, name)
		if err := decode(raw, v.Field(i)); err != nil {
			return fmt.Errorf(".%s%w", name, err)
		}
	}
	if len(all) > 0 && rest.IsValid() {
		rest.Set(reflect.ValueOf(Rest(all)))
	}
	return nil
}

// encode writes what decode reads.
func encode(b *bytes.Buffer, v reflect.Value) error {
	switch {
	case v.Kind() == reflect.Pointer && v.Type().Elem().Kind() == reflect.Struct:
		return encode(b, v.Elem())
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		b.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := encode(b, v.Index(i)); err != nil {
				return err
			}
		}
		b.WriteByte(']')
		return nil
	case v.Kind() == reflect.Struct:
		return encodeObject(b, v)
	}
	text, err := json.Marshal(v.Interface())
	b.Write(text)
	return err
}

func encodeObject(b *bytes.Buffer, v reflect.Value) error {
	var rest Rest
	sep := byte('{')
	key := func(name string) {
		b.WriteByte(sep)
		sep = ','
		text, _ := json.Marshal(name) // a string has JSON
		b.Write(append(text, ':'))
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Name == "Rest" {
			rest = v.Field(i).Interface().(Rest)
		}
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" || opts == "omitzero" && empty(v.Field(i)) {
			continue
		}
		key(name)
		if err := encode(b, v.Field(i)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		key(name)
		b.Write(rest[name])
	}
	if sep == '{' {
		b.WriteByte('{')
	}
	b.WriteByte('}')
	return nil
}

// empty is what is left out of JSON: a glTF list or map that has nothing in it is an error to its validator.
func empty(v reflect.Value) bool {
	return v.IsZero() || (v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && v.Len() == 0
}
