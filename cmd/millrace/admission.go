package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/modules/proc"
)

// admissionConfig says how much a task may take.
type admissionConfig struct {
	MaxInput   size     `flag:"max-input" default:"20Gi" doc:"most bytes that a task may read, where its module can tell before the work; 0 is no limit"`
	ToolLimits []string `flag:"tool-limits" default:"" doc:"memory and processor time of one run of a tool, name=memory/time, comma-separated: ImageMagick=2Gi/10m; 2Gi and /10m are one of them"`

	toolLimits map[string]proc.Limits // of ToolLimits, by complete
}

func (c *admissionConfig) complete(from func(string) string) (errs []error) {
	if len(c.ToolLimits) == 0 {
		return nil
	}
	all, err := allSpecs()
	if err != nil {
		return []error{err}
	}
	var known []string
	for _, need := range toolNeeds(all) {
		known = append(known, need.Tool.Name)
	}
	c.toolLimits = map[string]proc.Limits{}
	for _, text := range c.ToolLimits {
		name, limits, err := parseToolLimits(text)
		if err == nil && !slices.Contains(known, name) {
			err = fmt.Errorf("no module runs a tool called %q, only %s", name, strings.Join(known, ", "))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", from("tool-limits"), err))
		}
		c.toolLimits[name] = limits
	}
	return errs
}

// parseToolLimits reads name=memory/time.
func parseToolLimits(text string) (name string, limits proc.Limits, err error) {
	name, value, ok := strings.Cut(text, "=")
	memory, cpu, _ := strings.Cut(value, "/")
	if limits.Memory, err = parseSize(memory); err == nil && cpu != "" {
		limits.CPU, err = time.ParseDuration(cpu)
	}
	if !ok || name == "" || err != nil || limits.CPU < 0 || limits == (proc.Limits{}) {
		return "", proc.Limits{}, fmt.Errorf("%q is no limit of a tool; write it like ImageMagick=2Gi/10m", text)
	}
	return name, limits, nil
}
