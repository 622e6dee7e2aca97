package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/tool"
)

// imageTools is the folder of tools in an image.
const imageTools = "/opt/millrace/tools"

// toolsConfig says where the external programs of modules lie.
type toolsConfig struct {
	Tools string `flag:"tools" default:"" doc:"folder of the tools that are no packages of the system; empty is /opt/millrace/tools, else .tools of the checkout that this program was built in"`
}

func (c *toolsConfig) complete(from func(string) string) []error {
	if c.Tools == "" {
		c.Tools = builtTools()
		return nil
	}
	abs, err := filepath.Abs(c.Tools)
	if err == nil {
		_, err = os.ReadDir(abs)
	}
	if err != nil {
		return []error{fmt.Errorf("%s: no tools can be read in %s: %w", from("tools"), c.Tools, plainPath(err))}
	}
	c.Tools = abs
	return nil
}

// builtTools is the folder of tools that goes with this binary; empty where there is none. It never depends on the working
// folder: what lies there is not ours to run.
func builtTools() string {
	for _, dir := range []string{imageTools, besideBinary()} {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir
		}
	}
	return ""
}

// besideBinary is .tools of a checkout whose bin holds this binary.
func besideBinary() string {
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	return filepath.Join(filepath.Dir(filepath.Dir(self)), ".tools")
}

// newToolSet is what this machine has of the tools that modules run.
func newToolSet(folder string, specs []modules.Spec) *tool.Set {
	s := &tool.Set{
		Path:     os.Getenv("PATH"),
		Folder:   folder,
		Exec:     new(proc.Local),
		Override: func(name string) string { return os.Getenv(toolVar(name)) },
	}
	for _, need := range toolNeeds(specs) {
		s.Declared = append(s.Declared, need.Tool)
	}
	return s
}

// toolVar is the variable that names a tool's program by hand.
func toolVar(name string) string {
	return "MILLRACE_TOOL_" + strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return '_'
		}
		return unicode.ToUpper(r)
	}, name)
}

// A toolNeed is a tool and the modules that run it.
type toolNeed struct {
	Tool    tool.Tool
	Modules []string // that can't do without
	Extras  []string // that can
}

// toolNeeds lists the tools of some modules, by name.
func toolNeeds(specs []modules.Spec) []toolNeed {
	var all []toolNeed
	of := func(t tool.Tool) *toolNeed {
		i := slices.IndexFunc(all, func(n toolNeed) bool { return n.Tool.Name == t.Name })
		if i < 0 {
			i, all = len(all), append(all, toolNeed{Tool: t})
		}
		return &all[i]
	}
	for _, s := range specs {
		for _, t := range s.Tools {
			if n := of(t); !slices.Contains(n.Modules, s.Name) {
				n.Modules = append(n.Modules, s.Name)
			}
		}
		for _, t := range s.Extras {
			if n := of(t); !slices.Contains(n.Extras, s.Name) {
				n.Extras = append(n.Extras, s.Name)
			}
		}
	}
	slices.SortFunc(all, func(a, b toolNeed) int {
		return cmp.Compare(strings.ToLower(a.Tool.Name), strings.ToLower(b.Tool.Name))
	})
	return all
}

// machineTools looks for all tools that modules run, so that no child looks again. What is missing is one line of the log
// each: jobs that need it are left to other workers, and those that can do without do.
func (c *workConfig) machineTools(ctx context.Context, log *slog.Logger) (*tool.Set, error) {
	all, err := allSpecs()
	if err != nil {
		return nil, err
	}
	set := newToolSet(c.Tools, all)
	var found []tool.Found
	for _, need := range toolNeeds(all) {
		f, err := set.Find(ctx, need.Tool)
		if lacks, ok := errors.AsType[*tool.MissingError](err); ok {
			log.WarnContext(ctx, "tool missing", "tool", need.Tool.Name, "modules", strings.Join(need.Modules, ","), "extra_of", strings.Join(need.Extras, ","), "err", lacks)
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, f)
	}
	set.Known, set.Limits = found, c.toolLimits
	return set, nil
}

// allSpecs are those of tasks and of callbacks.
func allSpecs() ([]modules.Spec, error) {
	tasks, cbs, err := registries()
	if err != nil {
		return nil, err
	}
	return append(specs(tasks), specs(cbs)...), nil
}
