// Package argv turns what pipelines write about a program's options into its arguments. No shell is
// involved: what comes out reaches the program as it is.
package argv

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// From turns a config map into options, in the order of its keys: a key of one letter is written -k, a
// longer one --key, as spelled; one that begins with a dash is an option already.
//
//	true               the option alone
//	false, null, []    nothing
//	a scalar           the option, then the value; numbers as JavaScript prints them
//	a list             the option, then each element
//	a map              the option, then the map as JSON
func From(config map[string]any) []string {
	return from(config, func(key string) string {
		if len(key) == 1 {
			return "-" + key
		}
		return "--" + key
	})
}

// FromSingleDash is From for programs whose options all take one dash, such as ffmpeg.
func FromSingleDash(config map[string]any) []string {
	return from(config, func(key string) string { return "-" + key })
}

func from(config map[string]any, option func(key string) string) []string {
	var args []string
	for _, key := range slices.Sorted(maps.Keys(config)) {
		name := key
		if !strings.HasPrefix(key, "-") {
			name = option(key)
		}
		switch v := config[key].(type) {
		case nil:
		case bool:
			if v {
				args = append(args, name)
			}
		case []any:
			args = appendList(args, name, v)
		case []string:
			args = appendList(args, name, v)
		default:
			args = append(args, name, text(v))
		}
	}
	return args
}

// appendList appends name and the elements of list; an empty one would leave an option without the
// value it needs.
func appendList[T any](args []string, name string, list []T) []string {
	if len(list) == 0 {
		return args
	}
	args = append(args, name)
	for _, v := range list {
		args = append(args, text(v))
	}
	return args
}

// Args returns the words of a pipeline's args: each string is split like a shell's words, so
// "-w 1024" and "-w", "1024" are the same; other scalars are printed, null is left out, lists are
// taken element by element. The error names the item.
func Args(list []any) ([]string, error) {
	var args []string
	for i, item := range list {
		words, err := words(item)
		if err != nil {
			return nil, fmt.Errorf("args[%d]: %w", i, err)
		}
		args = append(args, words...)
	}
	return args, nil
}

func words(item any) ([]string, error) {
	switch v := item.(type) {
	case nil:
		return nil, nil
	case string:
		return Split(v)
	case []any:
		return Args(v)
	case map[string]any:
		return nil, fmt.Errorf("a map is no argument, write options under config or as text")
	}
	return []string{text(item)}, nil
}

// Safe returns path so that no program takes it for an option: "-x" becomes "./-x".
func Safe(path string) string {
	if strings.HasPrefix(path, "-") {
		return "./" + path
	}
	return path
}

// text prints a value as JavaScript would, and maps and lists as JSON.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return v
	case float64:
		return number(v)
	case float32:
		return number(float64(v))
	case fmt.Stringer:
		return v.String()
	case map[string]any, []any, []string:
		if b, err := json.Marshal(v); err == nil {
			return string(b)
		}
	}
	return fmt.Sprint(v)
}
