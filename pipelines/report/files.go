package report

import (
	"context"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/workspace"
	"github.com/millrace/millrace/pipelines/engine"
)

const (
	maxPictures = 60 // that a page shows; the first maxThumbs of them stand in it
	maxSizes    = 60 // files that are held against what they were made of
)

// filesOf are the outputs, and their size in all.
func filesOf(in Input, files []file, base string) (list []any, total int64) {
	list = []any{}
	for i, f := range files {
		total += f.size
		if i < maxFiles {
			list = append(list, fileOf(in, f, base))
		}
	}
	return list, total
}

func fileOf(in Input, f file, base string) map[string]any {
	name := masked(in.Redact, f.path) // before a URL's escapes hide what is to be masked
	return map[string]any{"path": name, "size": f.size, "link": link(base + name), "kind": strings.TrimPrefix(path.Ext(name), ".")}
}

// picturesOf are the pictures among the outputs, and those that tasks made elsewhere, as far as they are small enough to stand
// in the page.
func picturesOf(ctx context.Context, in Input, files []file, base string, small *thumber) []any {
	all := []any{}
	var shown []os.FileInfo
	for _, f := range files {
		if !isPicture(f.path) || len(all) == maxPictures {
			continue
		}
		v := fileOf(in, f, base)
		v["thumb"] = small.of(ctx, path.Join(outputs, f.path), f.size)
		all = append(all, v)
		if info, err := in.Workspace.Stat(path.Join(outputs, f.path)); err == nil {
			shown = append(shown, info)
		}
	}
	for _, t := range in.Run.Tasks {
		for _, f := range t.Made {
			if !isPicture(f.Path) || len(all) == maxPictures || isShown(in.Workspace, f.Path, shown) {
				continue
			}
			if thumb := small.of(ctx, f.Path, f.Bytes); thumb != "" {
				all = append(all, map[string]any{"path": f.Path, "size": f.Bytes, "kind": strings.TrimPrefix(path.Ext(f.Path), "."), "thumb": thumb})
			}
		}
	}
	return all
}

// isShown says whether a path is one of some files, whatever they are called.
func isShown(ws *workspace.Dir, path string, files []os.FileInfo) bool {
	info, err := ws.Stat(path)
	return err == nil && slices.ContainsFunc(files, func(o os.FileInfo) bool { return os.SameFile(info, o) })
}

// sizesOf are the files that tasks made of another of their kind. Bars are in percent of the larger.
func sizesOf(ctx context.Context, r *engine.Run, small *thumber) []any {
	all := []any{}
	for _, t := range r.Tasks {
		if t.Status != engine.Succeeded || len(t.Read) == 0 {
			continue
		}
		from := t.Read[0]
		for _, made := range t.Made {
			if from.Bytes == 0 || made.Bytes == 0 || !alike(from.Path, made.Path) || len(all) == maxSizes {
				continue
			}
			v := sizeOf(from, made)
			v["label"], v["module"] = t.Label(), t.Module
			v["before_picture"], v["after_picture"] = small.of(ctx, from.Path, from.Bytes), small.of(ctx, made.Path, made.Bytes)
			all = append(all, v)
		}
	}
	return all
}

func sizeOf(from, made modules.File) map[string]any {
	largest := float64(max(from.Bytes, made.Bytes))
	return map[string]any{
		"src": from.Path, "dest": made.Path, "before_kind": kind(from.Path), "after_kind": kind(made.Path), "before": from.Bytes, "after": made.Bytes, "change": change(from.Bytes, made.Bytes),
		"before_width": percent(float64(from.Bytes), largest), "after_width": percent(float64(made.Bytes), largest),
		"before_triangles": from.Triangles, "after_triangles": made.Triangles, "triangles": triangles(from.Triangles, made.Triangles),
	}
}

// kind is what people call a file by its end: FBX.
func kind(name string) string { return strings.ToUpper(strings.TrimPrefix(path.Ext(name), ".")) }

// triangles says how many there were and are, as far as they were counted: "52,992 → 10,000 triangles (−81 %)".
func triangles(before, after int64) string {
	switch {
	case after == 0:
		return ""
	case before == 0 || before == after:
		return grouped(after) + " triangles"
	}
	return fmt.Sprintf("%s → %s triangles (%s)", grouped(before), grouped(after), change(before, after))
}

// grouped is a number that is not negative, with commas.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// change is from one figure to another in percent: "−92 %".
func change(before, after int64) string {
	return strings.Replace(fmt.Sprintf("%+.0f %%", (float64(after)/float64(before)-1)*100), "-", "−", 1)
}

// alike says whether the sizes of two files can be held against each other: models with models, pictures with
// pictures, others with their own kind.
func alike(from, to string) bool {
	if isModel(from) || isPicture(from) {
		return isModel(from) == isModel(to) && isPicture(from) == isPicture(to)
	}
	return strings.EqualFold(path.Ext(from), path.Ext(to))
}

func isModel(name string) bool {
	return slices.Contains([]string{
		".3ds", ".3mf", ".blend", ".dae", ".fbx", ".glb", ".gltf", ".iges", ".igs", ".obj", ".ply", ".step", ".stl",
		".stp", ".usd", ".usda", ".usdc", ".usdz", ".x3d",
	}, strings.ToLower(path.Ext(name)))
}

func isPicture(name string) bool {
	return slices.Contains([]string{".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif"}, strings.ToLower(path.Ext(name)))
}
