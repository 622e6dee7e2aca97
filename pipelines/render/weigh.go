package render

import (
	"context"
	"fmt"
	"math"

	"github.com/millrace/millrace/pipelines/nunjucks"
)

// maxValue is how many bytes of JSON, about, the templates of one value may come to together: of a task's props, of a
// document's state. A template shares what it repeats; whoever writes the value out does not.
const maxValue = 64 << 20

// A scale weighs what templates come to. What stands in it twice counts twice.
type scale struct{ left int }

func newScale() *scale { return &scale{left: maxValue} }

// value is what a template comes to: something that JSON can hold, since outputs, records and requests are JSON.
func (s *scale) value(ctx context.Context, t *template, vars map[string]any) (any, error) {
	v, err := t.tmpl.Value(ctx, vars)
	if err != nil {
		return nil, err
	}
	return v, s.weigh(v)
}

// ordered is value with the order of the maps in it.
func (s *scale) ordered(ctx context.Context, t *template, vars map[string]any) (any, *nunjucks.Order, error) {
	v, order, err := t.tmpl.Ordered(ctx, vars)
	if err != nil {
		return nil, nil, err
	}
	return v, order, s.weigh(v)
}

// weigh takes v's weight off what is left.
func (s *scale) weigh(v any) error {
	s.left -= len("null,")
	switch x := v.(type) {
	case string:
		s.left -= len(x)
	case float64:
		if math.IsInf(x, 0) || math.IsNaN(x) {
			name := map[bool]string{true: "NaN", false: "Infinity"}[math.IsNaN(x)]
			return fmt.Errorf("the template comes to %s, which JSON can't hold; look for a division by zero or a number that is missing", name)
		}
	case []any:
		for _, e := range x {
			if err := s.weigh(e); err != nil {
				return err
			}
		}
	case map[string]any:
		for k, e := range x {
			s.left -= len(k)
			if err := s.weigh(e); err != nil {
				return err
			}
		}
	}
	if s.left < 0 {
		return fmt.Errorf("templates come to more than %d MiB here: %w", maxValue>>20, nunjucks.ErrMemory)
	}
	return nil
}
