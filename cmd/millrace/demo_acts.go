package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

// An act is one message of the demo: what it is, what must become of it, and what did.
type act struct {
	name, title string
	body        []byte
	expect      func(d *demo, a *act) error // what its record must show

	id       string
	record   *record.Record
	callback received
	buried   *queue.Buried // nil unless it is in the dead-letter queue
}

// softPipeline comes with its message.
const softPipeline = `name: soft
tasks:
  - name: List the workspace
    module: Shell
    props: {command: ls, args: [-la]}

  - name: Read a preview
    module: Shell
    throw: false
    props: {command: cat, args: [preview.glb]}
    register: preview

  - name: Go on without it
    module: StdOut
    props:
      msg: "no preview, so the run goes on without it"
`

// garbage is what producers drop when they crash half-way.
const garbage = `{"pipeline": "gear", "state": {"input": "gear.st`

// acts are the three messages. own says that the model is the user's.
func acts(model string, own bool) []*act {
	title := "a gear, made by our own code, to become a small GLB, a picture and a page"
	if own {
		title = filepath.Base(model) + ", to become a small GLB, a picture and a page"
	}
	// One attempt each: nobody wants to watch a back-off of 30 s.
	return []*act{
		{
			name: "model", title: title, expect: expectModel,
			body: encoded(map[string]any{
				"pipeline": "web_model", "name": "demo-model", "max_attempts": 1, "state": map[string]any{"input": model},
			}),
		},
		{
			name: "soft", title: "a pipeline in its message, with an optional task that fails (throw: false)", expect: expectSoft,
			body: encoded(map[string]any{"pipeline": softPipeline, "name": "demo-soft", "max_attempts": 1}),
		},
		{
			name: "garbage", title: "half a message, as a producer that crashed leaves it", expect: expectGarbage,
			body: []byte(garbage),
		},
	}
}

// encoded is the JSON of a map that has one.
func encoded(fields map[string]any) []byte {
	b, err := json.Marshal(fields)
	if err != nil {
		panic(fmt.Sprintf("demo: a message without JSON: %v", err))
	}
	return b
}

// check says all that is not as it should be.
func (d *demo) check() []error {
	var problems []error
	if n := d.receiver.count(); n != len(d.acts) {
		problems = append(problems, fmt.Errorf("%s came for %d messages", count(n, "callback"), len(d.acts)))
	}
	for _, a := range d.acts {
		if err := errors.Join(a.expect(d, a), a.checkCallback()); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", a.name, err))
		}
	}
	return problems
}

// checkCallback holds the callback against the record.
func (a *act) checkCallback() error {
	want := map[record.Status]string{
		record.Succeeded: "job.succeeded", record.Failed: "job.failed", record.Dead: "job.dead", record.Cancelled: "job.cancelled",
	}[a.record.Status]
	switch {
	case a.callback.err != nil:
		return fmt.Errorf("callback: %w", a.callback.err)
	case a.callback.kind != want:
		return fmt.Errorf("its callback says %s, and its record %s", a.callback.kind, a.record.Status)
	}
	return nil
}

// leastModules is how many different modules the model must go through.
const leastModules = 5

func expectModel(d *demo, a *act) error {
	if a.record.Status != record.Succeeded {
		return fmt.Errorf("it is %s: %s", a.record.Status, a.record.Message)
	}
	used := map[string]bool{}
	for _, t := range a.record.Tasks {
		used[t.Module] = used[t.Module] || t.Status == engine.Succeeded
	}
	n := 0
	for _, ok := range used {
		if ok {
			n++
		}
	}
	if n < leastModules {
		return fmt.Errorf("it went through %d modules, and %d are promised", n, leastModules)
	}
	made := map[string]int{}
	for _, art := range a.record.Artifacts {
		if err := a.checkArtifact(d.stored(art), art); err != nil {
			return err
		}
		made[a.kindOf(art)]++
	}
	for _, kind := range []string{kindModel, kindPicture, kindViewer} {
		if made[kind] != 1 {
			return fmt.Errorf("it left %s of the kind %s, and one is promised", count(made[kind], "file"), kind)
		}
	}
	return nil
}

func expectSoft(_ *demo, a *act) error {
	if a.record.Status != record.Succeeded {
		return fmt.Errorf("it is %s: %s", a.record.Status, a.record.Message)
	}
	for _, t := range a.record.Tasks {
		if t.Soft && t.Status == engine.Failed && len(a.record.Warnings) > 0 {
			return nil
		}
	}
	return errors.New("no optional task failed with a warning")
}

func expectGarbage(_ *demo, a *act) error {
	switch {
	case a.record.Status != record.Failed && a.record.Status != record.Dead:
		return fmt.Errorf("it is %s, and must fail", a.record.Status)
	case a.buried == nil:
		return errors.New("it is not in the dead-letter queue")
	case a.buried.Reason == "" || string(a.buried.Body) != garbage:
		return errors.New("the dead-letter queue has it without its reason or its body")
	}
	return nil
}
