package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/job"
)

// choose is the queue of those that are named which the message is for: that of the class which it requires, else of the one
// that its pipeline requires or needs, else the first.
func (m *message) choose(queues []queueRef) (queueRef, error) {
	if len(queues) == 1 && queues[0].class == "" {
		return queues[0], nil
	}
	if err := checkClasses(queues); err != nil {
		return queueRef{}, usage("--queue: %w", err)
	}
	class, why, err := m.class()
	if err != nil || class == "" {
		return queues[0], err
	}
	if i := slices.IndexFunc(queues, func(q queueRef) bool { return q.class == class }); i >= 0 {
		return queues[i], nil
	}
	var names []string
	for _, q := range queues {
		names = append(names, q.class)
	}
	return queueRef{}, usage("--queue: %s, so it is for class %s, and the queues that are named are for %s; name that one too, or say --class", why, class, strings.Join(names, ", "))
}

// checkClasses refuses several queues between which nobody could choose.
func checkClasses(queues []queueRef) error {
	if len(queues) > 1 && slices.ContainsFunc(queues, func(q queueRef) bool { return q.class == "" }) {
		return fmt.Errorf("a job goes to one queue, and %d are named; say which class of jobs each is for, like light=sqs:jobs,gpu=sqs:jobs-gpu", len(queues))
	}
	return nil
}

// class is the class of workers that the job is for, and why; empty is any.
func (m *message) class() (class, why string, err error) {
	if class := m.job.Requires[job.ClassLabel]; class != "" {
		return strings.ToLower(class), "the message requires it", nil
	}
	byPipeline := map[string]string{}
	if m.pipeline != nil {
		byPipeline = m.pipeline.Requires
	}
	switch class := byPipeline[job.ClassLabel]; {
	case class != "":
		return strings.ToLower(class), "its pipeline requires it", nil
	case job.GPUs(m.job.Requires, nil) > 0, job.GPUs(byPipeline, m.job.Requires) > 0: // the message's number goes before the pipeline's
		return engine.GPUClass, "it requires GPUs", nil
	case m.pipeline == nil:
		return "", "", nil
	}
	tasks, _, err := registries()
	if err != nil {
		return "", "", err
	}
	for _, n := range engine.Needs(tasks, m.pipeline) {
		if n.GPU.Use == gpu.Required {
			return engine.GPUClass, fmt.Sprintf("its task %q needs a GPU", n.Task), nil
		}
		if len(n.Tools) > 0 && class == "" {
			class, why = engine.HeavyClass, fmt.Sprintf("its task %q needs %s", n.Task, strings.Join(n.Tools, ", "))
		}
	}
	return class, why, nil
}

// toClass says where a message went, where that was chosen.
func toClass(to queueRef) string {
	if to.class == "" {
		return ""
	}
	return " to the queue of class " + to.class
}
