package document

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/flosch/pongo2/v6"

	"github.com/millrace/millrace/modules/show"
)

// ownFilters are what documents have besides pongo2's.
func ownFilters() map[string]pongo2.FilterFunction {
	return map[string]pongo2.FilterFunction{
		"bytes":    filter("bytes", func(in any, _ *pongo2.Value) (any, error) { return onNumber(in, Bytes) }),
		"date":     filter("date", date),
		"duration": filter("duration", func(in any, _ *pongo2.Value) (any, error) { return onNumber(in, Seconds) }),
		"entities": filter("entities", func(in any, _ *pongo2.Value) (any, error) { return entities(textOf(in)), nil }),
		"fixed":    filter("fixed", fixed),
		"join":     filter("join", join),
		"json":     filter("json", func(in any, _ *pongo2.Value) (any, error) { return jsonOf(in), nil }),
		"yaml":     filter("yaml", func(in any, _ *pongo2.Value) (any, error) { return show.Text(in, show.YAML) }),
	}
}

// filter makes a pongo2 filter of a function from plain values.
func filter(name string, f func(in any, param *pongo2.Value) (any, error)) pongo2.FilterFunction {
	return func(in, param *pongo2.Value) (*pongo2.Value, *pongo2.Error) {
		v, _, err := plain(in.Interface())
		if err == nil {
			v, err = f(v, param)
		}
		if text, ok := v.(string); ok && len(text) > maxText {
			err = errLongText
		}
		if err != nil {
			return nil, &pongo2.Error{Sender: "filter:" + name, OrigError: fmt.Errorf("|%s: %w", name, err)}
		}
		return pongo2.AsValue(v), nil
	}
}

// onNumber applies f to a number, or a text that is one; nothing stays nothing.
func onNumber(in any, f func(float64) string) (any, error) {
	switch v := in.(type) {
	case nil:
		return nil, nil
	case int64:
		return f(float64(v)), nil
	case float64:
		return f(v), nil
	case decimal:
		return onNumber(string(v), f)
	case string:
		if n, err := strconv.ParseFloat(v, 64); err == nil {
			return f(n), nil
		}
	}
	return nil, fmt.Errorf("%s is no number", clip(textOf(in)))
}

// Bytes is a size as people read it: "1.4 MiB".
func Bytes(n float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for ; math.Abs(n) >= 1024 && i < len(units)-1; i++ {
		n /= 1024
	}
	if i == 0 || math.Abs(n) >= 100 {
		return fmt.Sprintf("%.0f %s", n, units[i])
	}
	return fmt.Sprintf("%.1f %s", n, units[i])
}

// Seconds is a duration as people read it: "114 µs", "420 ms", "2.04 s", "12.3 s", "4 m 5 s", "2 h 3 m".
func Seconds(s float64) string {
	d := int64(math.Round(s))
	switch {
	case s == 0:
		return "0 s"
	case math.Abs(s) < 0.001:
		return fmt.Sprintf("%.0f µs", s*1e6)
	case math.Abs(s) < 1:
		return fmt.Sprintf("%.0f ms", s*1000)
	case math.Abs(s) < 10:
		return fmt.Sprintf("%.2f s", s)
	case math.Abs(s) < 60:
		return fmt.Sprintf("%.1f s", s)
	case d < 3600:
		return fmt.Sprintf("%d m %d s", d/60, d%60)
	}
	return fmt.Sprintf("%d h %d m", d/3600, d%3600/60)
}

// date formats an RFC 3339 time; its layout is Go's.
func date(in any, param *pongo2.Value) (any, error) {
	text, ok := in.(string)
	if !ok || text == "" {
		return nil, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, fmt.Errorf("%q is no time of the form 2006-01-02T15:04:05Z", clip(text))
	}
	layout := param.String()
	if layout == "" {
		layout = "2006-01-02 15:04:05 MST"
	}
	return t.UTC().Format(layout), nil
}

// fixed formats a number with so many decimals, 0 to 15.
func fixed(in any, param *pongo2.Value) (any, error) {
	n := param.Integer()
	if n < 0 || n > 15 {
		return nil, errors.New("takes 0 to 15 decimals")
	}
	v, err := onNumber(in, func(f float64) string { return strconv.FormatFloat(f, 'f', n, 64) })
	if text, ok := v.(string); ok {
		return decimal(text), err
	}
	return v, err
}

func join(in any, param *pongo2.Value) (any, error) {
	list, ok := in.([]any)
	if !ok {
		return in, nil
	}
	between, ok := param.Interface().(string)
	if !ok {
		return nil, errors.New("takes a text to stand between")
	}
	parts := make([]string, len(list))
	size := 0
	for i, e := range list {
		parts[i] = textOf(e)
		if size += len(parts[i]) + len(between); size > maxText {
			return nil, errLongText
		}
	}
	return strings.Join(parts, between), nil
}

// entities writes &, < and > as Slack wants them in text that is to mean nothing.
func entities(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
