package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
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
	title := "a gear, made by our own code, to convert, measure, draw and pack"
	if own {
		title = filepath.Base(model) + ", to convert, measure, draw and pack"
	}
	// One attempt each: nobody wants to watch a back-off of 30 s.
	return []*act{
		{
			name: "model", title: title, expect: expectModel,
			body: encoded(map[string]any{
				"pipeline": "gear", "name": "demo-model", "max_attempts": 1, "state": map[string]any{"input": model},
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
	pictures := 0
	for _, art := range a.record.Artifacts {
		if err := checkArtifact(d.stored(art), art); err != nil {
			return err
		}
		if isPicture(art) {
			pictures++
		}
	}
	if pictures == 0 {
		return errors.New("it left no picture")
	}
	return nil
}

func isPicture(a record.Artifact) bool { return filepath.Ext(a.Path) == ".png" }

// checkArtifact looks at an artifact in the store: as long as its record says, and if it is a picture, one of something.
func checkArtifact(path string, a record.Artifact) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() != a.Size || a.Size == 0 {
		return fmt.Errorf("%s has %d bytes, and its record says %d", path, info.Size(), a.Size)
	}
	if !isPicture(a) {
		return nil
	}
	picture, err := png.Decode(f)
	if err != nil {
		return fmt.Errorf("look at %s: %w", path, err)
	}
	if isBlank(picture) {
		return fmt.Errorf("%s shows nothing", path)
	}
	return nil
}

// isBlank says whether a picture has one color alone, along its middle.
func isBlank(m image.Image) bool {
	b := m.Bounds()
	if b.Empty() {
		return true
	}
	y := (b.Min.Y + b.Max.Y) / 2
	first := m.At(b.Min.X, y)
	for x := b.Min.X; x < b.Max.X; x++ {
		if m.At(x, y) != first {
			return false
		}
	}
	return true
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
