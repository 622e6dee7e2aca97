package modules

import (
	"fmt"
	"reflect"
)

// fill stores clean values in a struct; fields without one keep what they hold.
// The only thing that can still be wrong is a number that is too large for its Go type.
func fill(dst reflect.Value, clean map[string]any, path string) *Problem {
	if dst.Kind() == reflect.Map {
		return assign(dst, clean, path)
	}
	if dst.Kind() != reflect.Struct {
		return nil
	}
	for sf := range dst.Type().Fields() {
		field := dst.FieldByIndex(sf.Index)
		if embedded(sf) {
			if p := fill(field, clean, path); p != nil {
				return p
			}
			continue
		}
		name, _, ok := jsonName(sf)
		if !ok {
			continue
		}
		v, given := clean[name]
		if !given || v == nil {
			continue
		}
		if p := assign(field, v, join(path, name)); p != nil {
			return p
		}
	}
	return nil
}

// assign stores one clean value. Its kind is right already: value made it so.
func assign(dst reflect.Value, v any, path string) *Problem {
	src := reflect.ValueOf(v)
	switch dst.Kind() {
	case reflect.Pointer:
		dst.Set(reflect.New(dst.Type().Elem()))
		return assign(dst.Elem(), v, path)
	case reflect.Struct:
		return fill(dst, v.(map[string]any), path)
	case reflect.Slice:
		return assignList(dst, v.([]any), path)
	case reflect.Map:
		return assignMap(dst, v.(map[string]any), path)
	case reflect.Interface:
		dst.Set(src)
		return nil
	}
	if dst.CanInt() && dst.OverflowInt(src.Int()) ||
		dst.CanUint() && (src.Int() < 0 || dst.OverflowUint(uint64(src.Int()))) {
		return &Problem{Path: path, Msg: fmt.Sprintf("prop %q is out of range: %v", path, v)}
	}
	dst.Set(src.Convert(dst.Type()))
	return nil
}

func assignList(dst reflect.Value, list []any, path string) *Problem {
	made := reflect.MakeSlice(dst.Type(), len(list), len(list))
	for i, e := range list {
		if e == nil {
			continue
		}
		if p := assign(made.Index(i), e, fmt.Sprintf("%s[%d]", path, i)); p != nil {
			return p
		}
	}
	dst.Set(made)
	return nil
}

func assignMap(dst reflect.Value, m map[string]any, path string) *Problem {
	made := reflect.MakeMapWithSize(dst.Type(), len(m))
	for key, e := range m {
		cell := reflect.New(dst.Type().Elem()).Elem()
		if e != nil {
			if p := assign(cell, e, join(path, key)); p != nil {
				return p
			}
		}
		made.SetMapIndex(reflect.ValueOf(key).Convert(dst.Type().Key()), cell)
	}
	dst.Set(made)
	return nil
}
