package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/callbacks"
	"github.com/millrace/millrace/modules/standard"
)

// registries are what tasks and callbacks may name in this binary.
func registries() (tasks, cbs *modules.Registry, err error) {
	if tasks, err = modules.NewRegistry(standard.Modules()...); err != nil {
		return nil, nil, err
	}
	if cbs, err = modules.NewRegistry(callbacks.Modules()...); err != nil {
		return nil, nil, err
	}
	return tasks, cbs, nil
}

func newModulesCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "modules [NAME]",
		Short:   "List what tasks and callbacks can do, or describe one module",
		Example: "  millrace modules\n  millrace modules STL2OBJ\n  millrace modules Http --callbacks --json-schema\n  millrace modules --check",
		Args:    args(cobra.MaximumNArgs(1)),
	}
	var form moduleForm
	cmd.Flags().BoolVar(&form.callbacks, "callbacks", false, "of the modules that callbacks may name")
	cmd.Flags().BoolVar(&form.schema, "json-schema", false, "the JSON Schema of the props")
	cmd.Flags().BoolVar(&form.markdown, "markdown", false, "as a page of documentation")
	cmd.Flags().BoolVar(&form.json, "json", false, "as JSON")
	check := cmd.Flags().Bool("check", false, "look for the external programs that modules run; exit code 1 where one is missing that a module needs")
	all := cmd.Flags().Bool("all", false, "with --check: exit code 1 where any is missing, one that modules can do without too")
	cmd.MarkFlagsMutuallyExclusive("json-schema", "markdown", "json")
	for _, other := range []string{"callbacks", "json-schema", "markdown"} {
		cmd.MarkFlagsMutuallyExclusive("check", other)
	}
	var cfg toolsConfig
	load := bind(cmd, &cfg)
	cmd.RunE = func(c *cobra.Command, a []string) error {
		if err := load(); err != nil {
			return err
		}
		if *all && !*check {
			return usage("--all goes with --check")
		}
		if *check && len(a) > 0 {
			return usage("--check looks for the tools of all modules; leave %s out", a[0])
		}
		if *check {
			return checkTools(c.Context(), newScreen(c.OutOrStdout()), cfg.Tools, *all, form.json)
		}
		tasks, cbs, err := registries()
		if err != nil {
			return err
		}
		list := specs(tasks)
		if form.callbacks {
			list = specs(cbs)
		}
		s := newScreen(c.OutOrStdout())
		if len(a) == 0 {
			if form == (moduleForm{}) {
				return listModules(s, list, specs(cbs))
			}
			return form.print(s, list, false)
		}
		m, ok := tasks.Lookup(a[0])
		if cb, found := cbs.Lookup(a[0]); found && (form.callbacks || !ok) {
			m, ok = cb, true
		} else if form.callbacks {
			ok = false
		}
		if !ok {
			return unknownModule(a[0], tasks, cbs)
		}
		if err := form.print(s, []modules.Spec{m.Spec()}, true); err != nil {
			return err
		}
		if cb, found := cbs.Lookup(a[0]); found && cb != m && form == (moduleForm{}) {
			s.printf("\nCallbacks have a %s of their own: `millrace modules %s --callbacks`.\n", cb.Spec().Name, cb.Spec().Name)
		}
		return nil
	}
	return cmd
}

func specs(r *modules.Registry) []modules.Spec {
	var list []modules.Spec
	for m := range r.All() {
		list = append(list, m.Spec())
	}
	return list
}

func unknownModule(name string, tasks, cbs *modules.Registry) error {
	if planned(name) {
		return fmt.Errorf("module %s comes with a later version; `millrace modules` lists what this one has", name)
	}
	for _, r := range []*modules.Registry{tasks, cbs} {
		if near := r.Suggest(name); near != "" {
			return fmt.Errorf("there is no module %q, did you mean %q?", name, near)
		}
	}
	return fmt.Errorf("there is no module %q; `millrace modules` lists what there is", name)
}

// A moduleForm is how modules are shown; none of json, schema and markdown is text.
type moduleForm struct{ callbacks, schema, markdown, json bool }

// print shows the modules; one alone is not put into a list.
func (f moduleForm) print(s *screen, list []modules.Spec, one bool) error {
	switch {
	case f.schema && one:
		return printJSON(s, modules.JSONSchema(list[0]))
	case f.schema:
		all := map[string]any{}
		for _, spec := range list {
			all[spec.Name] = modules.JSONSchema(spec)
		}
		return printJSON(s, all)
	case f.json && one:
		return printJSON(s, viewOf(list[0]))
	case f.json:
		views := []moduleView{}
		for _, spec := range list {
			views = append(views, viewOf(spec))
		}
		return printJSON(s, views)
	}
	for i, spec := range list {
		if i > 0 {
			s.printf("\n")
		}
		if f.markdown {
			s.printf("%s", modules.Markdown(spec))
			continue
		}
		describeModule(s, spec)
	}
	return nil
}

func listModules(s *screen, tasks, cbs []modules.Spec) error {
	s.printf("%s\n", s.paint(bold, "Tasks may name"))
	summaries(s, tasks)
	s.printf("\n%s\n", s.paint(bold, "Callbacks may name"))
	summaries(s, cbs)
	s.printf("\nmillrace modules NAME shows props, outputs and an example.\n")
	return nil
}

func summaries(s *screen, list []modules.Spec) {
	widest := 0
	for _, spec := range list {
		widest = max(widest, len(spec.Name))
	}
	for _, spec := range list {
		for i, line := range wrap(spec.Summary, 76-widest) {
			name := ""
			if i == 0 {
				name = spec.Name
			}
			s.printf("  %s%s  %s\n", s.paint(cyan, name), strings.Repeat(" ", widest-len(name)), line)
		}
	}
}

func describeModule(s *screen, spec modules.Spec) {
	s.printf("%s\n%s\n", s.paint(bold, spec.Name), strings.Join(wrap(spec.Summary, 78), "\n"))
	if len(spec.Aliases) > 0 {
		s.printf("Also written %s.\n", strings.Join(spec.Aliases, ", "))
	}
	if needs := spec.Needs(); needs != "" {
		s.printf("%s\n", needs)
	}
	if spec.Shell {
		s.printf("Runs programs of the pipeline author's choice; an operator may forbid it.\n")
	}
	if len(spec.Props) > 0 {
		s.printf("\n%s\n", s.paint(bold, "Props"))
		describeFields(s, "", spec.Props, false)
	}
	if len(spec.Outputs) > 0 {
		s.printf("\n%s\n", s.paint(bold, "Outputs"))
		describeFields(s, "", spec.Outputs, true)
	}
	if spec.Example != "" {
		s.printf("\n%s\n  %s\n", s.paint(bold, "Example"), strings.ReplaceAll(strings.TrimRight(spec.Example, "\n"), "\n", "\n  "))
	}
}

func describeFields(s *screen, in string, fields []modules.Field, outputs bool) {
	for _, f := range fields {
		if outputs && f.Secret {
			continue
		}
		name := in + f.Name
		s.printf("  %s  %s\n", s.paint(cyan, name), s.paint(faint, strings.Join(traits(f, outputs), ", ")))
		if f.Doc != "" {
			s.printf("      %s\n", strings.Join(wrap(f.Doc, 72), "\n      "))
		}
		describeFields(s, name+".", f.Fields, outputs)
	}
}

// traits are what there is to know of a field besides its doc.
func traits(f modules.Field, output bool) []string {
	all := []string{typeName(f)}
	if output {
		return all
	}
	if f.Required {
		all = append(all, "required")
	}
	if f.Default != "" {
		all = append(all, "default "+f.Default)
	}
	if enum := enumOf(f); enum != nil {
		all = append(all, "one of "+strings.Join(enum, " "))
	}
	if len(f.Aliases) > 0 {
		all = append(all, "also "+strings.Join(f.Aliases, " "))
	}
	if f.Secret {
		all = append(all, "secret")
	}
	return all
}

func typeName(f modules.Field) string {
	switch {
	case f.Type == modules.Duration && f.Unit == time.Second:
		return "duration (a number is seconds)"
	case f.Type == modules.Duration:
		return "duration (a number is milliseconds)"
	case f.Elem != nil:
		return string(f.Type) + " of " + string(f.Elem.Type)
	}
	return string(f.Type)
}

func enumOf(f modules.Field) []string {
	if f.Enum == nil && f.Elem != nil {
		return f.Elem.Enum
	}
	return f.Enum
}

// A moduleView is the JSON form of a module's spec.
type moduleView struct {
	Name    string      `json:"name"`
	Aliases []string    `json:"aliases,omitzero"`
	Summary string      `json:"summary"`
	Example string      `json:"example,omitzero"`
	Needs   string      `json:"needs,omitzero"`
	Shell   bool        `json:"shell,omitzero"`
	Props   []fieldView `json:"props"`
	Outputs []fieldView `json:"outputs"`
}

// A fieldView is the JSON form of a prop or output.
type fieldView struct {
	Name     string      `json:"name"`
	Aliases  []string    `json:"aliases,omitzero"`
	Type     string      `json:"type"`
	Of       string      `json:"of,omitzero"` // of a list or map: the type of its elements
	Doc      string      `json:"doc,omitzero"`
	Required bool        `json:"required,omitzero"`
	Default  string      `json:"default,omitzero"`
	Enum     []string    `json:"enum,omitzero"`
	Secret   bool        `json:"secret,omitzero"`
	Fields   []fieldView `json:"fields,omitzero"`
}

func viewOf(s modules.Spec) moduleView {
	return moduleView{s.Name, s.Aliases, s.Summary, s.Example, s.Needs(), s.Shell, fieldViews(s.Props), fieldViews(s.Outputs)}
}

func fieldViews(fields []modules.Field) []fieldView {
	views := []fieldView{}
	for _, f := range fields {
		v := fieldView{
			Name: f.Name, Aliases: f.Aliases, Type: string(f.Type), Doc: f.Doc, Required: f.Required, Default: f.Default,
			Enum: enumOf(f), Secret: f.Secret,
		}
		if f.Elem != nil {
			v.Of = string(f.Elem.Type)
		}
		if f.Fields != nil {
			v.Fields = fieldViews(f.Fields)
		}
		views = append(views, v)
	}
	return views
}
