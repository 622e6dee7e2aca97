// Package usdchecker is the usdchecker module: OpenUSD's validators over one file, or those rules of them that Millrace knows
// itself.
package usdchecker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/tool"
)

// Module is the usdchecker task.
var Module = modules.Define(modules.Spec{
	Name:    "usdchecker",
	Summary: "Checks a USD, USDA, USDC or USDZ with OpenUSD's validators; where the machine lacks them, by the rules on packages, stage metadata and references alone.",
	Example: "- module: usdchecker\n  props: {src: model.usdz, dest: report.json, config: {arkit: true}}\n  register: usd",
	Extras:  []tool.Tool{tool.OpenUSD()},
}, run)

// Props are what a task writes under props.
type Props struct {
	Src    string `json:"src" doc:"File to check; layers and pictures that it refers to are read too, in the workspace alone."`
	Dest   string `json:"dest,omitzero" aliases:"dst" doc:"Report to write, as JSON; it appears when it is complete. That the file breaks rules is no failure: ask verdict or valid."`
	Config Config `json:"config,omitzero" doc:"Options of usdchecker."`
}

// Config is how to check.
type Config struct {
	Arkit        bool `json:"arkit" aliases:"ARKit" default:"false" doc:"Whether the rules on packages for Apple's devices hold too."`
	Strict       bool `json:"strict" aliases:"t" default:"false" doc:"Whether a file with warnings counts as not valid."`
	SkipVariants bool `json:"skipVariants" aliases:"skip-variants,s" default:"false" doc:"No choice: every variant is checked."`
	RootOnly     bool `json:"rootPackageOnly" aliases:"root-package-only,p" default:"false" doc:"No choice: what a package holds is checked."`
	NoAssets     bool `json:"noAssetChecks" aliases:"no-asset-checks" default:"false" doc:"No choice: what is referred to must be there."`
	Verbose      bool `json:"verbose" aliases:"v" default:"false" doc:"Print every issue, and not the first ones only."`
	DumpRules    bool `json:"dumpRules" aliases:"dump-rules,d" default:"false" doc:"No choice: the report names the rules that are broken."`
}

// Output is what register stores.
type Output struct {
	modules.ToolOutput
	Verdict   Verdict  `json:"verdict" doc:"pass, fail, unreadable (it is no stage), or incomplete: nothing is wrong with what was checked, and not all was."`
	Valid     bool     `json:"valid" doc:"Whether the verdict is pass."`
	By        string   `json:"by" doc:"What checked: OpenUSD and its version, or Millrace."`
	Errors    []string `json:"errors" doc:"Identifiers of the errors, each once."`
	Warnings  []string `json:"warnings" doc:"Identifiers of the warnings, each once; and options that change nothing, a sentence each."`
	Issues    []Issue  `json:"issues" doc:"Each of them, up to 100; the report has up to 1000."`
	Unchecked []string `json:"unchecked" doc:"What was not checked."`
	Reason    string   `json:"reason" doc:"Why it is unreadable."`
}

// A Verdict is what came of a check.
type Verdict string

// The verdicts.
const (
	Pass       Verdict = "pass"
	Fail       Verdict = "fail"
	Unreadable Verdict = "unreadable"
	Incomplete Verdict = "incomplete"
)

// An Issue is a rule that is broken.
type Issue struct {
	Severity string   `json:"severity" doc:"error, warning or information."`
	Code     string   `json:"code" doc:"Identifier of the rule, as OpenUSD has it."`
	Message  string   `json:"message" doc:"A sentence."`
	Sites    []string `json:"sites" doc:"Prims, properties and layers that it is about."`
}

// A report is what is written to dest.
type report struct {
	Version   string   `json:"version"`
	Verdict   Verdict  `json:"verdict"`
	Errors    []string `json:"errors"`
	Warnings  []string `json:"warnings"`
	Issues    []Issue  `json:"issues"`
	Truncated bool     `json:"truncated,omitzero"`
	Unchecked []string `json:"unchecked"`
	Reason    string   `json:"reason,omitzero"`
	Foreign   []string `json:"foreign,omitzero"` // files outside the workspace; then there is nothing else
}

const (
	maxBytes = 2 << 30 // of the file
	shown    = 100     // issues in what register stores
)

// memoryPerByte is what OpenUSD holds of a file, its own size apart.
const memoryPerByte = 6

// Probe refuses a file that is too large.
func (p *Props) Probe(_ context.Context, c *modules.Call) (modules.Demand, error) {
	s, err := find(c, p.Src)
	if err != nil {
		return modules.Demand{}, fmt.Errorf("read %s: %w", p.Src, err)
	}
	return modules.Demand{Input: s.size, Memory: 128<<20 + memoryPerByte*s.size}, nil
}

// A source is the file to check.
type source struct {
	real   string
	root   string // real folder that it may refer to
	size   int64
	format format
}

// find looks at what the file is by what it holds.
func find(c *modules.Call, name string) (s source, err error) {
	if s.real, err = c.Workspace.Path(name); err != nil {
		return s, err
	}
	f, err := c.Workspace.Open(name)
	if err != nil {
		return s, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return s, err
	}
	s.size = info.Size()
	switch {
	case !info.Mode().IsRegular():
		return s, fault.As(fault.Permanent, errors.New("it is not a regular file"))
	case s.size > maxBytes:
		return s, fault.As(fault.Permanent, fmt.Errorf("it has %d MiB, more than the %d that are checked", s.size>>20, maxBytes>>20))
	}
	head := make([]byte, 16)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return s, err
	}
	s.format = sniff(head[:n])
	s.root = c.Workspace.Real()
	if rel, err := filepath.Rel(s.root, s.real); err != nil || !filepath.IsLocal(rel) {
		s.root = filepath.Dir(s.real)
	}
	return s, nil
}

func run(ctx context.Context, c *modules.Call, p Props) (Output, error) {
	measured := modules.Measure()
	s, err := find(c, p.Src)
	if err != nil {
		return Output{}, fmt.Errorf("read %s: %w", p.Src, err)
	}
	r, stats, err := check(ctx, c, s, p.Config.Arkit)
	if err != nil {
		return Output{}, fmt.Errorf("check %s: %w", p.Src, err)
	}
	if r.Foreign != nil {
		return Output{}, fault.As(fault.Permanent, fmt.Errorf("check %s: it refers to files outside the workspace: %q", p.Src, r.Foreign))
	}
	size, err := publish(c, p, r)
	if err != nil {
		return Output{}, fmt.Errorf("write the report on %s: %w", p.Src, err)
	}
	if stats == (modules.Stats{}) {
		stats = measured()
	}
	return Output{
		ToolOutput: modules.ToolOutput{Src: p.Src, Dest: p.Dest, Config: settings(p.Config), Size: strconv.Itoa(size), Stats: stats},
		Verdict:    r.Verdict, Valid: r.Verdict == Pass && !(p.Config.Strict && len(r.Warnings) > 0), By: r.Version,
		Errors: r.Errors, Warnings: append(r.Warnings, ineffective(p.Config)...), Issues: r.Issues[:min(shown, len(r.Issues))],
		Unchecked: r.Unchecked, Reason: r.Reason,
	}, nil
}

// check asks OpenUSD, or where the machine lacks it our own rules.
func check(ctx context.Context, c *modules.Call, s source, arkit bool) (report, modules.Stats, error) {
	if s.format == other {
		return report{Version: "Millrace", Verdict: Unreadable, Reason: "it is none of the formats of USD: text, crate and package"}, modules.Stats{}, nil
	}
	_, err := c.Tools.Find(ctx, tool.OpenUSD())
	if _, lacks := errors.AsType[*tool.MissingError](err); lacks {
		r, err := byRules(ctx, s, arkit)
		return r, modules.Stats{}, err
	}
	return byOpenUSD(ctx, c, s, arkit)
}

// publish writes the report, where it was asked for, and prints what it says.
func publish(c *modules.Call, p Props, r report) (size int, err error) {
	fmt.Fprintf(c.Stdout, "%s: %s (%s): %d errors, %d warnings\n", p.Src, r.Verdict, r.Version, len(r.Errors), len(r.Warnings))
	most := 10
	if p.Config.Verbose {
		most = len(r.Issues)
	}
	for _, i := range r.Issues[:min(most, len(r.Issues))] {
		fmt.Fprintf(c.Stdout, "  %s: %s (%s)\n", i.Severity, i.Message, i.Code)
	}
	if p.Dest == "" {
		return 0, nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return 0, err
	}
	text = append(bytes.TrimSpace(text), '\n')
	return len(text), c.Workspace.Replace(p.Dest, func(f *os.File) error {
		_, err := f.Write(text)
		return err
	})
}

// settings is the config as it was in effect.
func settings(config Config) map[string]any {
	return map[string]any{"arkit": config.Arkit, "strict": config.Strict}
}

// ineffective names the options that were given and that this version has no choice of.
func ineffective(config Config) []string {
	var all []string
	for _, o := range []struct {
		given bool
		text  string
	}{
		{config.SkipVariants, "config.skipVariants changes nothing: every variant is checked"},
		{config.RootOnly, "config.rootPackageOnly changes nothing: what a package holds is checked"},
		{config.NoAssets, "config.noAssetChecks changes nothing: what is referred to must be there"},
		{config.DumpRules, "config.dumpRules changes nothing: the report names the rules that are broken"},
	} {
		if o.given {
			all = append(all, o.text)
		}
	}
	return all
}
