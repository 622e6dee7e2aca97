// Package gltfvalidator is the glTF-Validator module: Khronos' validator over one file.
package gltfvalidator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/gltfcheck"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/tool"
)

// Module is the glTF-Validator task.
var Module = modules.Define(modules.Spec{
	Name:    "glTF-Validator",
	Summary: "Checks a GLB or glTF with Khronos' validator: in Node.js where the machine has it, else slower in this process.",
	Example: "- module: glTF-Validator\n  props: {src: model.glb, dest: report.json}\n  register: validation",
	Extras:  []tool.Tool{tool.GLTFValidator()},
}, run)

// Props are what a task writes under props.
type Props struct {
	Src    string `json:"src" doc:"GLB or glTF to check; what it refers to is read too, in the workspace alone."`
	Dest   string `json:"dest,omitzero" aliases:"dst" doc:"Report to write, as JSON; it appears when it is complete. That the file breaks rules is no failure: ask issues.numErrors."`
	Config Config `json:"config,omitzero" doc:"Options of the validator, as its npm package writes them or its command line."`
}

// Config is how to check.
type Config struct {
	MaxIssues         int                           `json:"maxIssues" aliases:"max-issues" default:"1000" doc:"Most issues that the report lists, up to 10000; where there are more, the validator stops looking."`
	IgnoredIssues     []string                      `json:"ignoredIssues,omitzero" aliases:"ignored-issues,ignore" doc:"Codes of issues to pass over."`
	OnlyIssues        []string                      `json:"onlyIssues,omitzero" aliases:"only-issues,only" doc:"Codes of the only issues to look for."`
	SeverityOverrides map[string]gltfcheck.Severity `json:"severityOverrides,omitzero" aliases:"severity-overrides,override" doc:"Severity of an issue by its code: 0 is an error, 1 a warning, 2 an information, 3 a hint."`
	ValidateResources bool                          `json:"validateResources" aliases:"validate-resources,r" default:"true" doc:"Whether what the file refers to is checked too."`
	WriteTimestamp    bool                          `json:"writeTimestamp" aliases:"write-timestamp,t" default:"false" doc:"Whether the report says when it was written."`
	Messages          bool                          `json:"messages" aliases:"m" default:"false" doc:"Print every issue of the report, and not the first ones only."`
	Stdout            bool                          `json:"stdout" aliases:"o" default:"false" doc:"Print the report too."`
	All               bool                          `json:"all" aliases:"a" default:"true" doc:"No choice: warnings, informations and hints are always in the report."`
	AbsolutePath      bool                          `json:"absolutePath" aliases:"absolute-path,p" default:"false" doc:"No choice: the report calls the file as src does."`
	Threads           int                           `json:"threads" default:"1" doc:"No choice: one file is checked by one thread."`
}

// Output is what register stores.
type Output struct {
	modules.ToolOutput
	gltfcheck.Report
	Valid    bool     `json:"valid" doc:"Whether there is no error."`
	Warnings []string `json:"warnings" doc:"Options that change nothing here, a sentence each."`
}

// shown is how many issues are printed, and listed in what register stores: the report has them all.
const shown = 100

// Validate checks what the tags can't say.
func (p *Props) Validate() error {
	var problems []modules.Problem
	report := func(path, msg string) { problems = append(problems, modules.Problem{Path: path, Msg: msg}) }
	if p.Config.MaxIssues < 1 || p.Config.MaxIssues > 10_000 {
		report("config.maxIssues", fmt.Sprintf(`prop "config.maxIssues" must be 1 to 10000, got %d`, p.Config.MaxIssues))
	}
	if p.Config.OnlyIssues != nil && p.Config.IgnoredIssues != nil {
		report("config.onlyIssues", `props "config.onlyIssues" and "config.ignoredIssues" exclude each other; leave one out`)
	}
	for code, severity := range p.Config.SeverityOverrides {
		if severity < gltfcheck.Error || severity > gltfcheck.Hint {
			at := "config.severityOverrides." + code
			report(at, fmt.Sprintf("prop %q must be 0 (error), 1, 2 or 3 (hint), got %d", at, severity))
		}
	}
	if problems != nil {
		return &modules.PropError{Problems: problems}
	}
	return nil
}

// memoryPerByte is what Node.js holds of a file, its own size apart: the bytes, what it reads of them, and the report.
const memoryPerByte = 4

// Probe refuses a file that is too large.
func (p *Props) Probe(_ context.Context, c *modules.Call) (modules.Demand, error) {
	info, err := c.Workspace.Stat(p.Src)
	if err != nil {
		return modules.Demand{}, fmt.Errorf("read %s: %w", p.Src, err)
	}
	if info.Size() > gltfcheck.MaxBytes {
		return modules.Demand{}, fault.As(fault.Permanent, fmt.Errorf(
			"read %s: it has %d MiB, more than the %d that are checked", p.Src, info.Size()>>20, gltfcheck.MaxBytes>>20))
	}
	return modules.Demand{Input: info.Size(), Memory: 64<<20 + memoryPerByte*info.Size()}, nil
}

func run(ctx context.Context, c *modules.Call, p Props) (Output, error) {
	measured := modules.Measure()
	file, err := find(c, p)
	if err != nil {
		return Output{}, fmt.Errorf("read %s: %w", p.Src, err)
	}
	validator := gltfcheck.Validator{Tools: c.Tools, Exec: c.Exec, Env: c.Env}
	got, err := validator.Check(ctx, file, gltfcheck.Options{
		MaxIssues: p.Config.MaxIssues, IgnoredIssues: p.Config.IgnoredIssues, OnlyIssues: p.Config.OnlyIssues,
		SeverityOverrides: p.Config.SeverityOverrides, WriteTimestamp: p.Config.WriteTimestamp,
	})
	if err != nil {
		return Output{}, err
	}
	size, err := publish(c, p, got)
	if err != nil {
		return Output{}, fmt.Errorf("write the report on %s: %w", p.Src, err)
	}
	out := Output{
		ToolOutput: modules.ToolOutput{Src: p.Src, Dest: p.Dest, Config: settings(p.Config), Size: strconv.Itoa(size), Stats: measured()},
		Report:     got.Report,
		Valid:      got.Issues.Errors == 0,
		Warnings:   ineffective(p.Config),
	}
	if got.Stats != (proc.Stats{}) {
		out.Stats = modules.StatsOf(got.Stats)
	}
	if len(out.Issues.Messages) > shown {
		out.Issues.Messages, out.Issues.Truncated = out.Issues.Messages[:shown], true
	}
	return out, nil
}

// find returns the file and the folder that it may refer to: the workspace, or its own where it lies elsewhere.
func find(c *modules.Call, p Props) (gltfcheck.File, error) {
	info, err := c.Workspace.Stat(p.Src)
	if err != nil {
		return gltfcheck.File{}, err
	}
	if !info.Mode().IsRegular() {
		return gltfcheck.File{}, fault.As(fault.Permanent, errors.New("it is not a regular file"))
	}
	path, err := c.Workspace.Path(p.Src)
	if err != nil {
		return gltfcheck.File{}, err
	}
	file := gltfcheck.File{Path: path, Name: p.Src, Alone: !p.Config.ValidateResources}
	if rel, err := filepath.Rel(c.Workspace.Real(), path); err == nil && filepath.IsLocal(rel) {
		file.Root = c.Workspace.Real()
	}
	return file, nil
}

// publish writes the report, where it was asked for, and prints what it says.
func publish(c *modules.Call, p Props, got gltfcheck.Result) (size int, err error) {
	var text bytes.Buffer
	if err := json.Indent(&text, got.JSON, "", "  "); err != nil {
		return 0, err
	}
	text.WriteByte('\n')
	summary(c, p, got.Issues)
	if p.Config.Stdout {
		if _, err := c.Stdout.Write(text.Bytes()); err != nil {
			return 0, err
		}
	}
	if p.Dest == "" {
		return 0, nil
	}
	return text.Len(), c.Workspace.Replace(p.Dest, func(f *os.File) error {
		_, err := f.Write(text.Bytes())
		return err
	})
}

// summary tells a person what was found.
func summary(c *modules.Call, p Props, found gltfcheck.Issues) {
	fmt.Fprintf(c.Stdout, "%s: %d errors, %d warnings, %d informations, %d hints\n", p.Src, found.Errors, found.Warnings, found.Infos, found.Hints)
	most := 10
	if p.Config.Messages {
		most = len(found.Messages)
	}
	for _, m := range found.Messages[:min(most, len(found.Messages))] {
		fmt.Fprintf(c.Stdout, "  %s %s %s\n", m.Code, m.Pointer, strings.ToValidUTF8(m.Message, "�"))
	}
}

// settings is the config as it was in effect.
func settings(config Config) map[string]any {
	all := map[string]any{}
	text, err := json.Marshal(config)
	if err == nil {
		err = modules.UnmarshalJSON(text, &all)
	}
	if err != nil {
		panic("config is numbers, texts and lists of them: " + err.Error())
	}
	return all
}

// ineffective names the options that were given a value that this version has no choice of.
func ineffective(config Config) []string {
	var all []string
	if !config.All {
		all = append(all, "config.all: false changes nothing: warnings, informations and hints are always in the report")
	}
	if config.AbsolutePath {
		all = append(all, "config.absolutePath changes nothing: the report calls the file as src does")
	}
	if config.Threads != 1 {
		all = append(all, "config.threads changes nothing: one file is checked by one thread")
	}
	return all
}
