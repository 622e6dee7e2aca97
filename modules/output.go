package modules

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/millrace/millrace/modules/proc"
)

// ToolOutput is what every module that turns one file into another returns; embed it. Such a module takes the prop
// resultKey too: Define sees to it.
type ToolOutput struct {
	Src    string         `json:"src" doc:"What it read."`
	Dest   string         `json:"dest" doc:"What it wrote."`
	Config map[string]any `json:"config" doc:"The options it was given."`
	Size   string         `json:"size" default:"0" doc:"Size of what it wrote, in bytes, as text."`
	Stats  Stats          `json:"stats" doc:"What the work used."`
}

// Stats is what a tool used: a program's come from StatsOf, those of work in this process from Measure.
type Stats struct {
	MaxCPU  float64 `json:"maxcpu" doc:"CPU share in percent of one core: the highest seen of a program; of work in Millrace's own process, its average."`
	MaxMem  int64   `json:"maxmem" doc:"Highest resident memory in bytes: of a program; of work in Millrace's own process, of that since it began."`
	Elapsed int64   `json:"elapsed" doc:"Wall-clock time, in milliseconds."`
}

// StatsOf writes a program's figures the way outputs do.
func StatsOf(s proc.Stats) Stats {
	return Stats{MaxCPU: s.MaxCPU, MaxMem: s.MaxMem, Elapsed: int64(s.Elapsed / time.Millisecond)}
}

// encode turns a module's output into what `register` stores: text, bools, int64, float64, []any, map[string]any.
// Secret fields are left out; lists and maps are never null.
func encode(s Spec, out any) (map[string]any, error) {
	text, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("encode output of %s: %w", s.Name, err)
	}
	v, err := FromJSON(text)
	if err != nil {
		return nil, fmt.Errorf("encode output of %s: %w", s.Name, err)
	}
	m, ok := v.(map[string]any)
	if !ok {
		return map[string]any{}, nil
	}
	tidy(s.Outputs, m)
	return m, nil
}

func tidy(fields []Field, m map[string]any) {
	for _, f := range fields {
		v, given := m[f.Name]
		switch {
		case f.Secret:
			delete(m, f.Name)
		case !given:
		case v == nil && f.Type == List:
			m[f.Name] = []any{}
		case v == nil && f.Type == Map:
			m[f.Name] = map[string]any{}
		case v == "" && f.Default != "":
			m[f.Name] = f.Default
		default:
			if nested, ok := v.(map[string]any); ok {
				tidy(f.Fields, nested)
			}
		}
	}
}

// FromJSON parses one JSON value. Whole numbers that fit are int64, all others float64.
func FromJSON(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("parse JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("parse JSON: there is more after the value")
	}
	return numbers(v)
}

func numbers(v any) (any, error) {
	var err error
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i, nil
		}
		f, err := v.Float64()
		if err != nil {
			return nil, fmt.Errorf("parse JSON: %w", err)
		}
		return f, nil
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
