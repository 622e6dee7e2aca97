package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/millrace/millrace/modules/tool"
)

// A toolView is what `millrace modules --check --json` says of one tool.
type toolView struct {
	Name    string   `json:"name"`
	Modules []string `json:"modules"`         // that this binary has and that can't do without it
	Extras  []string `json:"extras,omitzero"` // that run it where it is there
	Path    string   `json:"path,omitzero"`
	Version string   `json:"version,omitzero"`
	Missing string   `json:"missing,omitzero"` // why it is not there
	Get     string   `json:"get,omitzero"`     // how to get what is missing
}

// checkTools shows every tool that modules of this binary run. It fails where one is missing that a module can't do without, or
// any with strict.
func checkTools(ctx context.Context, s *screen, folder string, strict, asJSON bool) error {
	specs, err := allSpecs()
	if err != nil {
		return err
	}
	needs := toolNeeds(specs)
	set := newToolSet(folder, specs)
	views, missing := []toolView{}, 0
	for _, need := range needs {
		v, err := viewTool(ctx, set, need)
		if err != nil {
			return err
		}
		views = append(views, v)
		if v.Missing != "" && (strict || v.Modules != nil) {
			missing++
		}
	}
	if asJSON {
		err = printJSON(s, views)
	} else {
		listTools(s, views)
	}
	if err == nil && missing > 0 {
		of := "that modules need "
		if strict {
			of = ""
		}
		err = fmt.Errorf("%d of the tools %s%s missing", missing, of, plural(missing, "is", "are"))
	}
	return err
}

func viewTool(ctx context.Context, set *tool.Set, need toolNeed) (toolView, error) {
	v := toolView{Name: need.Tool.Name, Modules: need.Modules, Extras: need.Extras}
	f, err := set.Find(ctx, need.Tool)
	if lacks, ok := errors.AsType[*tool.MissingError](err); ok {
		v.Missing, v.Get = lacks.Reason, lacks.Tool.Get
		return v, nil
	}
	v.Path, v.Version = f.Path, f.Version
	return v, err
}

// by says who runs it.
func (v toolView) by() string {
	var who []string
	if v.Modules != nil {
		who = append(who, "for "+strings.Join(v.Modules, ", "))
	}
	if v.Extras != nil {
		who = append(who, strings.Join(v.Extras, ", ")+" can do without")
	}
	return strings.Join(who, "; ")
}

// listTools writes a line for each tool.
func listTools(s *screen, views []toolView) {
	name, version := 0, 0
	for _, v := range views {
		name, version = max(name, len(v.Name)), max(version, len(v.Version))
	}
	for _, v := range views {
		by := v.by()
		label := s.paint(cyan, v.Name) + strings.Repeat(" ", name-len(v.Name))
		if v.Missing != "" {
			s.printf("%s  missing, %s: %s; %s\n", label, by, v.Missing, v.Get)
			continue
		}
		s.printf("%s  %-*s  %s  %s\n", label, version, v.Version, v.Path, s.paint(faint, by))
	}
}

func plural(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}
