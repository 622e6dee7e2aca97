// Package viewermigration is the ViewerMigration task: the settings and hotspots of a web viewer become one text.
package viewermigration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/threejs"
)

// Module is the ViewerMigration task.
var Module = modules.Define(modules.Spec{
	Name:    "ViewerMigration",
	Summary: "Joins a web viewer's settings and hotspots, two JSON files, into the one text that viewerConfig takes.",
	Example: "- module: ViewerMigration\n  props: {settings: viewer.json, hotspots: hotspots.json}\n  register: migrated\n",
}, run)

// Props are what a task writes under props.
type Props struct {
	Settings string `json:"settings" default:"/home/workspace/migrated-config.json" doc:"The viewer's settings: a JSON map. Keys may be written as attributes are (tone-mapping)."`
	Hotspots string `json:"hotspots" default:"/home/workspace/migrated-hotspots.json" doc:"Its hotspots: a JSON list, or a map with the list as hotspots; there are none where the file is not there."`
}

// Output is what register stores.
type Output struct {
	MigratedConfig string   `json:"migratedConfig" doc:"The settings as JSON, keys like toneMapping, with the hotspots as hotspots; for viewerConfig."`
	Hotspots       int      `json:"hotspots" doc:"How many hotspots there are."`
	Warnings       []string `json:"warnings" doc:"Settings that are kept, but that no module of Millrace uses, a sentence each."`
}

const maxBytes = 4 << 20 // of a file

func run(_ context.Context, c *modules.Call, p Props) (Output, error) {
	read, err := parse(c, p.Settings)
	if err != nil {
		return Output{}, fmt.Errorf("read %s: %w", p.Settings, err)
	}
	settings, ok := read.(map[string]any)
	if !ok {
		return Output{}, fault.As(fault.Permanent, fmt.Errorf("read %s: it is no JSON map", p.Settings))
	}
	out := map[string]any{}
	for key, v := range settings {
		name := threejs.Camel(key)
		if _, twice := out[name]; twice || name == "" {
			return Output{}, fault.As(fault.Permanent, fmt.Errorf("read %s: setting %q is there in two spellings, or is none", p.Settings, key))
		}
		out[name] = v
	}
	own, err := list(out["hotspots"])
	if err != nil {
		return Output{}, fmt.Errorf("read %s: %w", p.Settings, err)
	}
	delete(out, "hotspots")
	_, unused, err := threejs.ReadSettings(out)
	if err != nil {
		return Output{}, fault.As(fault.Permanent, fmt.Errorf("read %s: %w", p.Settings, err))
	}
	hotspots, err := spots(c, p.Hotspots)
	if err != nil {
		return Output{}, fmt.Errorf("read %s: %w", p.Hotspots, err)
	}
	if hotspots == nil {
		hotspots = own
	}
	if len(hotspots) > 0 {
		out["hotspots"] = hotspots
	}
	text, err := json.Marshal(out)
	if err != nil {
		return Output{}, err
	}
	return Output{MigratedConfig: string(text), Hotspots: len(hotspots), Warnings: unused}, nil
}

// spots are the hotspots of a file; nil where it is not there.
func spots(c *modules.Call, name string) ([]any, error) {
	read, err := parse(c, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if m, ok := read.(map[string]any); ok {
		read = m["hotspots"]
	}
	return list(read)
}

// list is a list of maps.
func list(v any) ([]any, error) {
	if v == nil {
		return nil, nil
	}
	all, ok := v.([]any)
	if !ok {
		return nil, fault.As(fault.Permanent, errors.New("its hotspots are no list"))
	}
	for i, h := range all {
		if _, ok := h.(map[string]any); !ok {
			return nil, fault.As(fault.Permanent, fmt.Errorf("its hotspot %d is no map", i))
		}
	}
	return all, nil
}

func parse(c *modules.Call, name string) (any, error) {
	f, err := c.Workspace.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxBytes {
		return nil, fault.As(fault.Permanent, fmt.Errorf("it has more than %d MiB", maxBytes>>20))
	}
	v, err := modules.FromJSON(text)
	if err != nil {
		return nil, fault.As(fault.Permanent, fmt.Errorf("it is no JSON: %w", err))
	}
	return v, nil
}
