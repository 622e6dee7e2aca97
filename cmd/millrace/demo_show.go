package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/record"
)

// show tells what became of each message.
func (d *demo) show() {
	for i, a := range d.acts {
		s := d.screen
		s.printf("\n%s %s  %s\n", s.paint(bold, fmt.Sprint(i+1)), s.paint(bold, a.name), a.title)
		s.printf("  %s after %s  %s\n", statusMark(s, a.record.Status), took(a.record.Finished.Sub(a.record.Started)), s.paint(faint, a.id))
		timeline(s, a.record.Tasks)
		for _, w := range a.record.Warnings {
			labeled(s, "warning", w)
		}
		if a.record.Message != "" {
			labeled(s, "why", a.record.Message)
		}
		for _, text := range said(a.record.Tasks) {
			labeled(s, "said", text)
		}
		s.printf("  %-9s %s\n  %-9s %s\n", "callback", a.callback.verdict(s), "", s.paint(faint, "webhook-id "+plain(a.callback.id)))
		d.showOutputs(a)
		if a.buried != nil {
			a.showBuried(s)
		}
	}
}

// showBuried says what the dead-letter queue has.
func (a *act) showBuried(s *screen) {
	reason := a.buried.Reason
	if strings.Contains(a.record.Message, reason) {
		reason = "the same"
	}
	labeled(s, "dead", fmt.Sprintf("in the dead-letter queue, whole (%s); reason: %s", bytesOf(int64(len(a.buried.Body))), reason))
	s.printf("  %-9s %s\n", "", s.paint(faint, shorten(plain(string(a.buried.Body)), 66)))
}

// showOutputs says where what was kept lies.
func (d *demo) showOutputs(a *act) {
	s, folder := d.screen, ""
	for _, art := range a.record.Artifacts {
		path := d.stored(art)
		if in := strings.TrimSuffix(path, filepath.FromSlash(art.Path)); in != folder {
			folder = in
			s.printf("  %-9s %s\n", "outputs", folder)
		}
		note := ""
		if kind := a.kindOf(art); kind != "" {
			note = s.paint(green, "  ← the "+kind)
		}
		s.printf("  %-9s %-24s %10s%s\n", "", plain(art.Path), bytesOf(art.Size), note)
	}
}

// next says what to try now.
func (d *demo) next() {
	s, self, data := d.screen, os.Args[0], " --data "+quoted(relative(d.cfg.Data))
	s.printf("\n%s\n", s.paint(green, "All three came out as they should."))
	for _, kind := range []string{kindModel, kindPicture, kindViewer, kindReport} {
		for _, art := range d.acts[0].record.Artifacts {
			if d.acts[0].kindOf(art) == kind {
				s.printf("The %-8s %s\n", kind, s.paint(cyan, d.stored(art)))
			}
		}
	}
	s.printf("\n%s\n", s.paint(bold, "Try next"))
	for _, line := range []string{
		self + " jobs list" + data,
		self + " jobs describe " + d.acts[0].id + data,
		self + " jobs logs " + d.acts[1].id + data,
		self + " run web_model tris=5000 input=" + quoted(relative(d.input)) + " --report report.html",
		self + " modules MeshOptimizer",
		"make demo INPUT=model.stl   # or .ply, .obj, .glb: your own",
	} {
		s.printf("  %s\n", line)
	}
}

// relative is a path from here, where that is shorter.
func relative(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	rel, err := filepath.Rel(here, path)
	if err != nil || len(rel) > len(path) {
		return path
	}
	return rel
}

// quoted is a word for a shell.
func quoted(word string) string {
	if strings.ContainsFunc(word, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("./_-+=:,@", r)
	}) {
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return word
}

// statusMark is a job's status with a sign.
func statusMark(s *screen, status record.Status) string {
	switch status {
	case record.Succeeded:
		return s.paint(green, "✓ "+string(status))
	case record.Failed, record.Dead:
		return s.paint(red, "✗ "+string(status))
	}
	return s.paint(yellow, "… "+string(status))
}

// labeled writes text under a label, wrapped.
func labeled(s *screen, label, text string) {
	for i, line := range wrap(plain(text), 66) {
		if i > 0 {
			label = ""
		}
		s.printf("  %-9s %s\n", label, line)
	}
}

// said is what tasks printed for people to read.
func said(tasks []engine.TaskRun) []string {
	var all []string
	for _, t := range tasks {
		if text, ok := t.Output["stdout"].(string); ok && t.Module == "StdOut" {
			all = append(all, text)
		}
	}
	return all
}

// barWidth is the length of a timeline, in characters.
const barWidth = 18

// timeline draws a run's tasks as bars on one scale, each with its module and how long it took.
func timeline(s *screen, tasks []engine.TaskRun) {
	var from, to time.Time
	for _, t := range tasks {
		if from.IsZero() || t.Started.Before(from) && !t.Started.IsZero() {
			from = t.Started
		}
		if t.Ended.After(to) {
			to = t.Ended
		}
	}
	for _, t := range tasks {
		mark, color, length := taskMark(t)
		s.printf("  %s %-28s %s %s %s\n", s.paint(color, mark), shorten(plain(t.Label()), 28),
			s.paint(faint, fmt.Sprintf("%-19s", shorten(plain(t.Module), 19))), bar(s, color, t, from, to), length)
	}
}

// taskMark is how a task stands: a sign, its color, and how long it took.
func taskMark(t engine.TaskRun) (mark, color, length string) {
	length = fmt.Sprintf("%8s", took(t.Ended.Sub(t.Started)))
	switch {
	case t.Status == engine.Succeeded:
		return "✓", green, length
	case t.Status == engine.Skipped:
		return "–", faint, " skipped"
	case t.Status == engine.Running:
		return "…", cyan, " running"
	case t.Soft:
		return "!", yellow, length
	}
	return "✗", red, length
}

// bar is a task's time between from and to.
func bar(s *screen, color string, t engine.TaskRun, from, to time.Time) string {
	whole := to.Sub(from)
	if whole <= 0 || t.Status == engine.Skipped || t.Started.IsZero() {
		return strings.Repeat("·", barWidth)
	}
	at := func(x time.Time) int { return int(x.Sub(from) * barWidth / whole) }
	start := min(at(t.Started), barWidth-1)
	length := min(max(at(t.Ended)-start, 1), barWidth-start)
	return strings.Repeat("·", start) + s.paint(color, strings.Repeat("█", length)) + strings.Repeat("·", barWidth-start-length)
}
