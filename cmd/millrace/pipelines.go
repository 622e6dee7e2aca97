package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/modules/show"
	"github.com/millrace/millrace/pipelines"
)

// catalogueConfig says where named pipelines are.
type catalogueConfig struct {
	Pipelines string `flag:"pipelines" default:"" doc:"folder of named pipelines, over the built-in ones"`
}

func (c *catalogueConfig) complete(from func(string) string) []error {
	return []error{checkPipelines(c.Pipelines, from)}
}

func newPipelinesCmd() *cobra.Command {
	list := newPipelinesListCmd()
	cmd := &cobra.Command{
		Use:   "pipelines",
		Short: "List the named pipelines, or show one",
		Args:  args(cobra.NoArgs),
	}
	cmd.Long = `Shows the catalogue: the named pipelines that messages, run and jobs run can ask
for. Those of the folder come before the shipped ones of the same name. Without a
further word it lists them.`
	cmd.Flags().AddFlagSet(list.Flags())
	cmd.RunE = list.RunE
	cmd.AddCommand(list, newPipelinesShowCmd())
	return cmd
}

func newPipelinesListCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the named pipelines, also those that don't parse",
		Args:  args(cobra.NoArgs),
	}
	var cfg catalogueConfig
	load := bind(cmd, &cfg)
	asJSON := cmd.Flags().Bool("json", false, "as JSON, one list")
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		if err := load(); err != nil {
			return err
		}
		all := newCatalogue(cfg.Pipelines).All()
		if *asJSON {
			views := make([]listedView, len(all))
			for i, l := range all {
				views[i] = viewListed(l)
			}
			return printJSON(c.OutOrStdout(), views)
		}
		return printListed(newScreen(c.OutOrStdout()), all)
	}
	return cmd
}

// A listedView is the JSON form of a pipeline in a list.
type listedView struct {
	Name        string      `json:"name"`
	From        string      `json:"from"` // "folder" or "shipped"
	Path        string      `json:"path,omitzero"`
	Digest      string      `json:"digest,omitzero"`
	Description string      `json:"description,omitzero"`
	Params      []paramView `json:"params"`
	Entries     []entryView `json:"entries"`
	Error       string      `json:"error,omitzero"` // why it can't be run
}

type paramView struct {
	Name        string              `json:"name"`
	Type        pipelines.ParamType `json:"type"`
	Description string              `json:"description,omitzero"`
	Required    bool                `json:"required,omitzero"`
	Unless      []string            `json:"unless,omitempty"` // params that stand in for it
	Default     any                 `json:"default,omitempty"`
	Enum        []any               `json:"enum,omitempty"`
}

type entryView struct {
	Name        string      `json:"name"`
	Description string      `json:"description,omitzero"`
	Params      []paramView `json:"params"`
	Tasks       []taskView  `json:"tasks,omitempty"`
}

type taskView struct {
	Name     string `json:"name"`
	Module   string `json:"module"`
	After    []int  `json:"after"` // indexes of the tasks that must have ended
	When     string `json:"when,omitzero"`
	Register string `json:"register,omitzero"`
}

func viewListed(l pipelines.Listed) listedView {
	v := listedView{
		Name: l.Name, From: l.Source, Path: l.Path, Digest: l.Digest, Description: l.Description,
		Params: viewParams(l.Params), Entries: []entryView{},
	}
	for _, e := range l.Entries {
		v.Entries = append(v.Entries, entryView{Name: e.Name, Description: e.Description, Params: viewParams(e.Params)})
	}
	if l.Err != nil {
		v.Error = l.Err.Error()
	}
	return v
}

func viewParams(list []pipelines.Param) []paramView {
	views := []paramView{}
	for _, p := range list {
		views = append(views, paramView{p.Name, p.Type, p.Description, p.Required, p.Unless, p.Default, p.Enum})
	}
	return views
}

func viewTasks(list []pipelines.Task) []taskView {
	views := []taskView{}
	for i, t := range list {
		after := t.After
		if after == nil {
			after = []int{}
		}
		views = append(views, taskView{cmp.Or(t.Name, t.ID, fmt.Sprintf("#%d", i)), t.Module, after, t.When, t.Register})
	}
	return views
}

func printListed(s *screen, all []pipelines.Listed) error {
	rows := make([][]string, len(all))
	for i, l := range all {
		about := shorten(l.Description, 60)
		if l.Err != nil {
			about = "! " + l.Err.Error()
		}
		rows[i] = []string{l.Name, l.Source, shortDigest(l.Digest), paramNames(l), about}
	}
	return table(s, []string{"NAME", "FROM", "DIGEST", "PARAMS", "DESCRIPTION"}, rows)
}

// shortDigest is enough of a digest to tell two apart.
func shortDigest(digest string) string {
	const hex = 12
	sum := strings.TrimPrefix(digest, "sha256:")
	return sum[:min(hex, len(sum))]
}

// paramNames lists params, required ones with a star, and behind each entry's name its own.
func paramNames(l pipelines.Listed) string {
	names := func(params []pipelines.Param) string {
		var out []string
		for _, p := range params {
			star := ""
			if p.Required {
				star = "*"
			}
			out = append(out, p.Name+star)
		}
		return strings.Join(out, " ")
	}
	parts := []string{}
	if own := names(l.Params); own != "" {
		parts = append(parts, own)
	}
	for _, e := range l.Entries {
		parts = append(parts, strings.TrimSpace(e.Name+": "+names(e.Params)))
	}
	return strings.Join(parts, "; ")
}

func newPipelinesShowCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show NAME",
		Short:   "Show a named pipeline: its text, or what it takes",
		Example: "  millrace pipelines show gear > mine.yaml\n  millrace pipelines show gear --params",
		Args:    args(cobra.ExactArgs(1)),
	}
	var cfg catalogueConfig
	load := bind(cmd, &cfg)
	asJSON := cmd.Flags().Bool("json", false, "as JSON: digest, params, entries, tasks")
	params := cmd.Flags().Bool("params", false, "the params that a job gives, as a table")
	cmd.MarkFlagsMutuallyExclusive("json", "params")
	cmd.RunE = func(c *cobra.Command, a []string) error {
		if err := load(); err != nil {
			return err
		}
		cat := newCatalogue(cfg.Pipelines)
		if !*asJSON && !*params {
			doc, _, _, err := cat.Document(a[0])
			if err != nil {
				return err
			}
			_, err = c.OutOrStdout().Write(doc)
			return err
		}
		p, err := cat.Lookup(a[0])
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), viewPipeline(p))
		}
		return printParams(newScreen(c.OutOrStdout()), p)
	}
	return cmd
}

// A pipelineView is the JSON form of a named pipeline.
type pipelineView struct {
	Name        string      `json:"name"`
	Source      string      `json:"source"`
	Digest      string      `json:"digest"`
	Description string      `json:"description,omitzero"`
	Params      []paramView `json:"params"`
	Entries     []entryView `json:"entries"`
	Tasks       []taskView  `json:"tasks"`
}

func viewPipeline(p *pipelines.Pipeline) pipelineView {
	v := pipelineView{
		Name: p.Name, Source: p.Source, Digest: p.Digest, Description: p.Description,
		Params: viewParams(p.Params), Entries: []entryView{}, Tasks: viewTasks(p.Tasks),
	}
	for _, e := range p.Entries {
		v.Entries = append(v.Entries, entryView{e.Name, e.Description, viewParams(e.Params), viewTasks(e.Tasks)})
	}
	return v
}

func printParams(s *screen, p *pipelines.Pipeline) error {
	var rows [][]string
	add := func(entry string, list []pipelines.Param) {
		for _, param := range list {
			rows = append(rows, []string{entry, param.Name, string(param.Type), taken(param), param.Description})
		}
	}
	add("", p.Params)
	for _, e := range p.Entries {
		add(e.Name, e.Params)
	}
	if len(rows) == 0 {
		s.printf("%s declares no params; a job may give any key of its state\n", plain(p.Source))
		return nil
	}
	return table(s, []string{"ENTRY", "PARAM", "TYPE", "VALUE", "DESCRIPTION"}, rows)
}

// taken says what a param may be and is where nothing is given.
func taken(p pipelines.Param) string {
	var parts []string
	if p.Required {
		parts = append(parts, strings.Join(append([]string{"required"}, p.Unless...), " or "))
	}
	if p.Default != nil {
		parts = append(parts, "default "+oneLine(p.Default))
	}
	if len(p.Enum) > 0 {
		parts = append(parts, "one of "+oneLine(p.Enum))
	}
	return strings.Join(parts, ", ")
}

func oneLine(v any) string {
	text, err := show.Text(v, show.Raw)
	if err != nil {
		return fmt.Sprint(v)
	}
	return text
}
