package modules

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/millrace/millrace/modules/proc"
)

// ToolOutput is what every module that turns one file into another returns; embed it. Such a module takes the prop
// resultKey too: Define sees to it.
type ToolOutput struct {
	Src    string         `json:"src" fact:"read" doc:"What it read."`
	Dest   string         `json:"dest" fact:"made" doc:"The file or folder that came of it."`
	Config map[string]any `json:"config" doc:"The options it was given."`
	Size   string         `json:"size" default:"0" doc:"Size of dest, in bytes, as text."`
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
