package main

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/millrace/millrace/pipelines"
)

// fitConfig says which jobs a worker is fit for, and where the others go.
type fitConfig struct {
	Labels      []string `flag:"labels" default:"" doc:"what this worker has, name=value, comma-separated: jobs that require something else are handed back"`
	ClassQueues []string `flag:"class-queues" default:"" doc:"queues that jobs of another class are sent on to, class=queue, comma-separated"`

	labels  map[string]string   // of Labels, by complete
	classes map[string]queueRef // of ClassQueues, by complete
}

func (c *fitConfig) complete(from func(string) string) (errs []error) {
	c.labels, c.classes = map[string]string{}, map[string]queueRef{}
	for _, text := range c.Labels {
		name, value, ok := strings.Cut(text, "=")
		if !ok || !pipelines.IsLabel(name) || value == "" {
			errs = append(errs, fmt.Errorf("%s: %q is no label; write it like gpu=l4", from("labels"), text))
		}
		if strings.EqualFold(name, "kind") {
			errs = append(errs, fmt.Errorf("%s: %q fits no job: kind is another word for class in what messages require; write class=%s", from("labels"), text, value))
		}
		if isWrongSize(value) {
			errs = append(errs, fmt.Errorf("%s: %q is no size; write it like %s=24Gi", from("labels"), text, name))
		}
		c.labels[strings.ToLower(name)] = value
	}
	for _, text := range c.ClassQueues {
		class, ref, ok := strings.Cut(text, "=")
		class = strings.ToLower(class) // as what a job requires is compared
		_, twice := c.classes[class]
		r, err := parseQueue(ref)
		switch {
		case !ok || class == "":
			errs = append(errs, fmt.Errorf("%s: %q is not class=queue; write it like gpu=sqs:gpu-jobs", from("class-queues"), text))
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", from("class-queues"), err))
		case twice:
			errs = append(errs, fmt.Errorf("%s: class %s has two queues", from("class-queues"), class))
		}
		c.classes[class] = r
	}
	return errs
}

// isWrongSize says whether a label's value is meant to be a size, and is not: jobs that require a size would never fit.
func isWrongSize(value string) bool {
	unit := strings.TrimLeft(value, "0123456789.")
	return unit != value && len(unit) == 2 && strings.Contains("kmgt", strings.ToLower(unit[:1])) &&
		unicode.IsLetter(rune(unit[1])) && strings.ToLower(unit[1:]) != "i"
}
