package modules

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
)

// FromJSON parses one JSON value. Whole numbers that fit are int64, all others float64.
func FromJSON(text []byte) (any, error) {
	var v any
	if err := UnmarshalJSON(text, &v); err != nil {
		return nil, fmt.Errorf("parse JSON: %w", err)
	}
	return v, nil
}

// UnmarshalJSON is json.Unmarshal with the numbers of FromJSON wherever v says no type, so that what is written and
// read back is written alike. The method of that name of a type with a map[string]any in it should call it.
func UnmarshalJSON(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more after the value")
	}
	return settle(reflect.ValueOf(v))
}

// settle puts int64 or float64 in the place of every json.Number in v, which was decoded from JSON.
func settle(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return settle(v.Elem())
		}
	case reflect.Interface:
		n, err := numbers(v.Interface())
		if err == nil && n != nil {
			v.Set(reflect.ValueOf(n))
		}
		return err
	case reflect.Map:
		if m, ok := v.Interface().(map[string]any); ok {
			_, err := numbers(m)
			return err
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return nil
		}
		for i := range v.Len() {
			if err := settle(v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if !v.Type().Field(i).IsExported() {
				continue
			}
			if err := settle(v.Field(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

func numbers(v any) (any, error) {
	var err error
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil && v != "-0" {
			return i, nil
		}
		return v.Float64()
	case []any:
		for i := range v {
			if v[i], err = numbers(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for key := range v {
			if v[key], err = numbers(v[key]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}
