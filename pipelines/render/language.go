package render

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/millrace/millrace/pipelines/nunjucks"
)

// Language is what pipelines' templates are written in: Nunjucks that escapes nothing, with the filters basename, stem,
// dirname, ext and json. A negative index counts from the end, which pipelines mean and JavaScript does not;
// strict leaves it undefined, as JavaScript does.
func Language(strict bool) *nunjucks.Env {
	return nunjucks.New(nunjucks.Config{NegativeIndex: !strict, JSON: true, Filters: map[string]nunjucks.Filter{
		"basename": ofPath(path.Base),
		"dirname":  ofPath(path.Dir),
		"ext":      ofPath(extension),
		"stem":     ofPath(func(p string) string { return strings.TrimSuffix(path.Base(p), extension(p)) }),
	}})
}

// ofPath makes a filter of what f says of a path. Nothing has no parts: its base is empty, not ".".
func ofPath(f func(string) string) nunjucks.Filter {
	return func(_ context.Context, v any, args []any) (any, error) {
		if len(args) > 0 {
			return nil, fmt.Errorf("takes no arguments, got %d", len(args))
		}
		if v == nil || v == "" {
			return "", nil
		}
		s, ok := v.(string)
		if !ok {
			return nil, errors.New("takes a path, which is text")
		}
		return f(s), nil
	}
}

// extension is ".glb" of "a/chair.glb"; that of a hidden file is none, as in Node.
func extension(p string) string {
	base := path.Base(p)
	if i := strings.LastIndexByte(base, '.'); i > 0 {
		return base[i:]
	}
	return ""
}
