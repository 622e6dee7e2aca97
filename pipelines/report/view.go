package report

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/modules/show"
	"github.com/millrace/millrace/modules/workspace"
	"github.com/millrace/millrace/pipelines/engine"
)

// maxResult is how much of one value of the result is shown, in characters.
const maxResult = 2000

// view is what the document sees: docs/documents.md names the fields.
func view(in Input, files []file, base string) map[string]any {
	r := in.Run
	took := seconds(r.Started, r.Ended)
	tasks := tasksOf(r, took, in.Workspace)
	var total int64
	list, pictures := []any{}, []any{}
	for i, f := range files {
		total += f.size
		if i == maxFiles {
			break
		}
		v := map[string]any{"path": f.path, "size": f.size, "link": link(base + f.path), "kind": strings.TrimPrefix(path.Ext(f.path), ".")}
		list = append(list, v)
		if isPicture(f.path) {
			pictures = append(pictures, v)
		}
	}
	v := map[string]any{
		"pipeline": r.Pipeline, "digest": r.Digest, "entry": r.Entry, "status": string(r.Status), "job": in.Job,
		"title":   title(in.Job, r.Pipeline),
		"started": stamp(r.Started), "ended": stamp(r.Ended), "seconds": took, "ticks": ticks(took),
		"tasks": tasks, "total": r.Total, "done": ended(r), "sizes": sizesOf(tasks),
		"files": list, "bytes": total, "more_files": len(files) > maxFiles, "pictures": pictures,
		"warnings": r.Warnings, "result": resultOf(r.Result),
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

// ended counts the tasks that have an outcome that is not a hard failure.
func ended(r *engine.Run) int {
	n := 0
	for _, t := range r.Tasks {
		if t.Status == engine.Succeeded || t.Status == engine.Skipped || t.Status == engine.Failed && t.Soft {
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

func tasksOf(r *engine.Run, took float64, ws *workspace.Dir) []any {
	all := []any{}
	for _, t := range r.Tasks {
		label := t.Name
		if label == "" {
			label = "#" + strconv.Itoa(t.Index)
		}
		v := map[string]any{
			"index": t.Index, "label": label, "name": t.Name, "module": t.Module, "status": string(t.Status), "soft": t.Soft,
			"tries": t.Tries, "started": stamp(t.Started), "seconds": seconds(t.Started, t.Ended), "left": 0.0, "width": 0.0,
			"output": t.Output,
		}
		if took > 0 && !t.Started.IsZero() {
			left := percent(seconds(r.Started, t.Started), took)
			v["left"], v["width"] = left, min(percent(seconds(t.Started, t.Ended), took), 100-left)
		}
		if t.Failure != nil {
			v["failure"] = failureOf(t.Failure)
		}
		if after, ok := bytesOf(t.Output["size"]); ok && after > 0 && t.Status == engine.Succeeded {
			v["after"], v["dest"], v["src"] = after, t.Output["dest"], t.Output["src"]
			if before, ok := before(t.Output, ws); ok {
				v["before"] = before
			}
		}
		all = append(all, v)
	}
	return all
}

// percent of a whole, with two decimals.
func percent(part, whole float64) float64 {
	return math.Round(min(100, part/whole*100)*100) / 100
}

// before is the size of what a task read: as it says, else of the file that is still there.
func before(output map[string]any, ws *workspace.Dir) (int64, bool) {
	if n, ok := bytesOf(output["originalSize"]); ok {
		return n, true
	}
	src, ok := output["src"].(string)
	if !ok || src == "" || ws == nil {
		return 0, false
	}
	info, err := ws.Stat(src)
	if err != nil || !info.Mode().IsRegular() {
		return 0, false
	}
	return info.Size(), true
}

// bytesOf reads a size, which modules give as text.
func bytesOf(v any) (int64, bool) {
	switch v := v.(type) {
	case string:
		n, err := strconv.ParseInt(v, 10, 64)
		return n, err == nil && n >= 0
	case int64:
		return v, v >= 0
	case float64:
		return int64(v), v >= 0 && v < 1<<53
	}
	return 0, false
}

// sizesOf are the tasks that made one file of another, whose sizes are both known. Bars are in percent of the larger.
func sizesOf(tasks []any) []any {
	all := []any{}
	for _, t := range tasks {
		t, _ := t.(map[string]any)
		before, ok := t["before"].(int64)
		after, _ := t["after"].(int64)
		if !ok || before == 0 {
			continue
		}
		largest := float64(max(before, after))
		all = append(all, map[string]any{
			"label": t["label"], "src": t["src"], "dest": t["dest"], "before": before, "after": after,
			"before_width": percent(float64(before), largest), "after_width": percent(float64(after), largest),
			"change": strings.Replace(fmt.Sprintf("%+.0f %%", (float64(after)/float64(before)-1)*100), "-", "−", 1),
		})
	}
	return all
}

func failureOf(f *engine.Failure) map[string]any {
	return map[string]any{"message": f.Message, "task": f.Task, "place": f.Place, "reason": string(f.Reason), "kind": string(f.Kind)}
}

// resultOf is what tasks registered, as text.
func resultOf(result map[string]any) []any {
	all := []any{}
	for _, key := range slices.Sorted(maps.Keys(result)) {
		text, err := show.Text(result[key], show.YAML)
		if err != nil {
			raw, _ := json.Marshal(result[key])
			text = string(raw)
		}
		if runes := []rune(text); len(runes) > maxResult {
			text = string(runes[:maxResult]) + "…"
		}
		all = append(all, map[string]any{"name": key, "text": text})
	}
	return all
}

func isPicture(name string) bool {
	return slices.Contains([]string{".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif"}, strings.ToLower(path.Ext(name)))
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
