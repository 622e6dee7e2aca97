package report

import (
	"context"
	"encoding/json"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/modules/redact"
	"github.com/millrace/millrace/modules/show"
	"github.com/millrace/millrace/pipelines/engine"
)

// What a page shows at most, so that one of the largest run is still a page.
const (
	maxTasks    = 500
	maxWarnings = 100
	maxResults  = 100
	maxResult   = 2000    // characters of one value of the result, and of one message
	maxOutput   = 2 << 20 // bytes of all tasks' outputs, as JSON; the tasks after that are without theirs
)

// view is what the document sees: docs/documents.md names the fields.
func view(ctx context.Context, in Input, files []file, base string) map[string]any {
	r := in.Run
	took := seconds(r.Started, r.Ended)
	tasks := tasksOf(r, took)
	small := newThumber(in)
	list, total := filesOf(in, files, base)
	pictures := picturesOf(ctx, in, files, base, small)
	warnings := []any{}
	for _, w := range r.Warnings[:min(len(r.Warnings), maxWarnings)] {
		warnings = append(warnings, cut(masked(in.Redact, w)))
	}
	result := resultOf(r.Result, in.Redact)
	v := map[string]any{
		"pipeline": r.Pipeline, "digest": r.Digest, "entry": r.Entry, "status": string(r.Status), "job": in.Job,
		"title":   title(in.Job, r.Pipeline),
		"started": stamp(r.Started), "ended": stamp(r.Ended), "seconds": took, "ticks": ticks(took),
		"tasks": tasks, "more_tasks": len(r.Tasks) - len(tasks), "total": r.Total, "sizes": sizesOf(ctx, r, small),
		"done": done(r), "skipped": skipped(r),
		"files": list, "bytes": total, "more_files": len(files) > maxFiles, "pictures": pictures,
		"warnings": warnings, "more_warnings": len(r.Warnings) - len(warnings),
		"result": result, "more_result": len(r.Result) - len(result),
	}
	if r.Failure != nil {
		v["failure"] = failureOf(r.Failure)
	}
	return v
}

func title(job map[string]any, pipeline string) string {
	for _, key := range []string{"title", "name"} {
		if s, ok := job[key].(string); ok && s != "" {
			return s
		}
	}
	return pipeline
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// masked is s without secrets. It comes before any cut, which could leave a part of one.
func masked(secrets *redact.Set, s string) string {
	if secrets == nil {
		return s
	}
	return secrets.String(s)
}

// cut is s in at most maxResult characters.
func cut(s string) string {
	if len(s) <= maxResult {
		return s
	}
	if runes := []rune(s); len(runes) > maxResult {
		return string(runes[:maxResult]) + "…"
	}
	return s
}

// done counts the tasks that ran and did not stop the job.
func done(r *engine.Run) int {
	n := 0
	for _, t := range r.Tasks {
		if t.Status == engine.Succeeded || t.Status == engine.Failed && t.Soft {
			n++
		}
	}
	return n
}

func skipped(r *engine.Run) int {
	n := 0
	for _, t := range r.Tasks {
		if t.Status == engine.Skipped {
			n++
		}
	}
	return n
}

// ticks are the times below the timeline: quarters of the whole.
func ticks(took float64) []any {
	all := []any{}
	for q := range 5 {
		all = append(all, map[string]any{"at": q * 25, "seconds": took * float64(q) / 4})
	}
	return all
}

func tasksOf(r *engine.Run, took float64) []any {
	all := []any{}
	room := maxOutput
	for _, t := range r.Tasks[:min(len(r.Tasks), maxTasks)] {
		label := t.Name
		if label == "" {
			label = "#" + strconv.Itoa(t.Index)
		}
		v := map[string]any{
			"index": t.Index, "label": label, "name": t.Name, "module": t.Module, "status": string(t.Status), "soft": t.Soft,
			"tries": t.Tries, "started": stamp(t.Started), "seconds": seconds(t.Started, t.Ended), "left": 0.0, "width": 0.0,
		}
		raw, err := json.Marshal(t.Output)
		if room -= len(raw); err == nil && room > 0 {
			v["output"] = t.Output
		}
		if took > 0 && !t.Started.IsZero() {
			left := percent(seconds(r.Started, t.Started), took)
			v["left"], v["width"] = left, min(percent(seconds(t.Started, t.Ended), took), 100-left)
		}
		if t.Failure != nil {
			v["failure"] = failureOf(t.Failure)
		}
		if len(t.Read) > 0 {
			v["src"], v["before"] = t.Read[0].Path, t.Read[0].Bytes
		}
		if len(t.Made) > 0 {
			v["dest"], v["after"] = t.Made[0].Path, t.Made[0].Bytes
		}
		all = append(all, v)
	}
	return all
}

// percent of a whole, with two decimals.
func percent(part, whole float64) float64 {
	return math.Round(min(100, part/whole*100)*100) / 100
}

func failureOf(f *engine.Failure) map[string]any {
	return map[string]any{"message": cut(f.Message), "task": f.Task, "place": f.Place, "reason": string(f.Reason), "kind": string(f.Kind)}
}

// resultOf is what tasks registered, as text.
func resultOf(result map[string]any, secrets *redact.Set) []any {
	all := []any{}
	for _, key := range slices.Sorted(maps.Keys(result)) {
		if len(all) == maxResults {
			break
		}
		value := result[key]
		if secrets != nil {
			value = secrets.Value(value)
		}
		text, err := show.Text(value, show.YAML)
		if err != nil {
			raw, _ := json.Marshal(value)
			text = string(raw)
		}
		all = append(all, map[string]any{"name": cut(masked(secrets, key)), "text": cut(masked(secrets, text))})
	}
	return all
}

// link is a path as a relative URL. "./" keeps a colon in the first name from being a scheme.
func link(p string) string {
	parts := strings.Split(p, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	joined := strings.Join(parts, "/")
	if strings.Contains(parts[0], ":") {
		return "./" + joined
	}
	return joined
}
