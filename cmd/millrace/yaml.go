package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/modules/show"
)

// A yamlWriter writes YAML in an order of its own, with comments behind values. Single values are show's.
type yamlWriter struct {
	out   bytes.Buffer
	notes map[string]string // comments of a tree, by path
	fresh bool              // the indent of the next line stands already: "  - "
}

func (y *yamlWriter) printf(format string, args ...any) {
	fmt.Fprintf(&y.out, format, args...)
	y.fresh = !strings.HasSuffix(format, "\n")
}

func (y *yamlWriter) comment(format string, args ...any) {
	y.printf("# %s\n", plain(fmt.Sprintf(format, args...)))
}

func (y *yamlWriter) line(depth int, text string) {
	if y.fresh {
		depth = 0
	}
	y.printf("%s%s\n", strings.Repeat(" ", depth), text)
}

// pair writes one key whose values have no comments below.
func (y *yamlWriter) pair(depth int, key string, v any, note string) {
	y.notes = map[string]string{"": note}
	y.value(depth, y.scalar(key)+":", v, "")
}

// tree writes a map with the comments of its values.
func (y *yamlWriter) tree(depth int, key string, m map[string]any) {
	if len(m) == 0 {
		y.line(depth, key+": {}")
		return
	}
	y.line(depth, key+":")
	for _, k := range slices.Sorted(maps.Keys(m)) {
		y.value(depth+2, y.scalar(k)+":", m[k], k)
	}
}

// value writes a value behind a key or a dash.
func (y *yamlWriter) value(depth int, lead string, v any, path string) {
	switch x := v.(type) {
	case map[string]any:
		if len(x) > 0 {
			y.line(depth, lead)
			for _, k := range slices.Sorted(maps.Keys(x)) {
				y.value(depth+2, y.scalar(k)+":", x[k], below(path, k))
			}
			return
		}
	case []any:
		if len(x) > 0 {
			y.line(depth, lead)
			for i, e := range x {
				y.value(depth+2, "-", e, path+"["+strconv.Itoa(i)+"]")
			}
			return
		}
	case string:
		if lines := strings.Split(x, "\n"); len(lines) > 1 && literal(lines) {
			y.block(depth, lead, lines, path)
			return
		}
	}
	text := lead + " " + y.scalar(v)
	if note := y.notes[path]; note != "" {
		text += " # " + plain(note)
	}
	y.line(depth, text)
}

func below(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// literal says that text can be written as a block, line by line as it is.
func literal(lines []string) bool {
	if lines[0] == "" || lines[0][0] == ' ' || lines[len(lines)-1] == "" && len(lines) > 2 && lines[len(lines)-2] == "" {
		return false
	}
	return !slices.ContainsFunc(lines, func(l string) bool { return plain(l) != l || strings.HasSuffix(l, " ") })
}

func (y *yamlWriter) block(depth int, lead string, lines []string, path string) {
	sign := " |-"
	if lines[len(lines)-1] == "" {
		sign, lines = " |", lines[:len(lines)-1]
	}
	if note := y.notes[path]; note != "" {
		sign += " # " + plain(note)
	}
	y.line(depth, lead+sign)
	for _, l := range lines {
		if l == "" {
			y.line(0, "")
			continue
		}
		y.line(depth+2, l)
	}
}

// scalar writes a value on one line: text, a number, an empty list; and lists and maps of few words as JSON, which is
// YAML too.
func (y *yamlWriter) scalar(v any) string {
	if text, err := show.Text(v, show.YAML); err == nil && !strings.Contains(text, "\n") && !listOrMap(v) {
		return text
	}
	format := show.Raw // what is no text: as JSON on one line
	if _, ok := v.(string); ok {
		format = show.JSON
	}
	text, err := show.Text(v, format)
	if err != nil {
		return strconv.Quote(fmt.Sprint(v))
	}
	return text
}

func listOrMap(v any) bool {
	switch v.(type) {
	case []string, *gpu.Need:
		return true
	}
	return false
}
