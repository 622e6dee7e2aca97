package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/modules/tool"
)

// A toolView is what `millrace modules --check --json` says of one tool.
type toolView struct {
	Name    string   `json:"name"`
	Modules []string `json:"modules"` // that this binary has and that run it
	Path    string   `json:"path,omitzero"`
	Version string   `json:"version,omitzero"`
	Missing string   `json:"missing,omitzero"` // why it is not there
	Get     string   `json:"get,omitzero"`     // how to get what is missing
}

// checkTools shows every tool: those that modules of this binary run, and the others that we know. It fails where one of
// the first is missing, or any with strict.
func checkTools(ctx context.Context, s *screen, folder string, strict, asJSON bool) error {
	specs, err := allSpecs()
	if err != nil {
		return err
	}
	needs := toolNeeds(specs)
	for _, t := range tool.All() {
		if !slices.ContainsFunc(needs, func(n toolNeed) bool { return n.Tool.Name == t.Name }) {
			needs = append(needs, toolNeed{Tool: t})
		}
	}
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
		of := "that modules run "
		if strict {
			of = ""
		}
		err = fmt.Errorf("%d of the tools %s%s missing", missing, of, plural(missing, "is", "are"))
	}
	return err
}

func viewTool(ctx context.Context, set *tool.Set, need toolNeed) (toolView, error) {
	v := toolView{Name: need.Tool.Name, Modules: need.Modules}
	f, err := set.Find(ctx, need.Tool)
	if lacks, ok := errors.AsType[*tool.MissingError](err); ok {
		v.Missing, v.Get = lacks.Reason, lacks.Tool.Get
		return v, nil
	}
	v.Path, v.Version = f.Path, f.Version
	return v, err
}

// listTools writes a line for each tool.
func listTools(s *screen, views []toolView) {
	name, version := 0, 0
	for _, v := range views {
		name, version = max(name, len(v.Name)), max(version, len(v.Version))
	}
	for _, v := range views {
		by := "for " + strings.Join(v.Modules, ", ")
		if v.Modules == nil {
			by = "no module of this version runs it"
		}
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
