package modules

import (
	"cmp"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules/workspace"
)

// A File is what a task read or made, as the record and the report of a run show it.
type File struct {
	Path      string `json:"path"`               // as the task's output says it
	Bytes     int64  `json:"bytes"`              // its size
	Triangles int64  `json:"triangles,omitzero"` // that a model draws, where the module counted them
	Width     int    `json:"width,omitzero"`     // of a picture or video, in pixels
	Height    int    `json:"height,omitzero"`
}

// Facts are the files that a task read and made. Folders, and what lies on a server, are left out.
type Facts struct {
	Read []File
	Made []File // the first maxMade
}

const maxMade = 16

// factsOf reads the fact tags of an output, which a module's type has on the fields that say what its work was on:
//
//	fact:"read"            text: the path of what was read
//	fact:"made"            text or a list of it: the paths of what was made
//	fact:"read.triangles"  a number, or text that is one: what the first file has; also read.bytes, made.triangles, and
//	                       made.width and made.height, which all files have. Several have commas between
//
// Sizes that no field says are those of the files as they are now.
func factsOf(ws *workspace.Dir, out any) Facts {
	var f facts
	f.collect(reflect.ValueOf(out))
	all := Facts{Read: f.files(ws, "read", 1), Made: f.files(ws, "made", maxMade)}
	if len(all.Read) > 0 && slices.ContainsFunc(all.Made, func(m File) bool { return same(m.Path, all.Read[0].Path) }) {
		all.Read = nil // it was written over: what it was before is not known any more
	}
	return all
}

// facts is what the tagged fields of an output hold.
type facts struct {
	paths   map[string][]string // by role
	numbers map[string]int64    // by fact
}

func (f *facts) collect(out reflect.Value) {
	if out.Kind() != reflect.Struct {
		return
	}
	if f.paths == nil {
		f.paths, f.numbers = map[string][]string{}, map[string]int64{}
	}
	for sf := range out.Type().Fields() {
		field := out.FieldByIndex(sf.Index)
		if embedded(sf) {
			f.collect(field)
			continue
		}
		tag, ok := sf.Tag.Lookup("fact")
		if !ok {
			continue
		}
		for fact := range strings.SplitSeq(tag, ",") {
			f.note(fact, field)
		}
	}
}

func (f *facts) note(fact string, field reflect.Value) {
	counts := strings.Contains(fact, ".")
	switch {
	case counts && field.Kind() == reflect.String:
		if n, err := strconv.ParseInt(field.String(), 10, 64); err == nil && n > 0 {
			f.numbers[fact] = n
		}
	case counts && field.CanInt() && field.Int() > 0:
		f.numbers[fact] = field.Int()
	case field.Kind() == reflect.String:
		f.paths[fact] = append(f.paths[fact], field.String())
	case field.Kind() == reflect.Slice && field.Type().Elem().Kind() == reflect.String:
		for i := range min(field.Len(), maxMade) {
			f.paths[fact] = append(f.paths[fact], field.Index(i).String())
		}
	}
}

// files are those of a role that lie in the workspace.
func (f *facts) files(ws *workspace.Dir, role string, most int) []File {
	var all []File
	for _, path := range f.paths[role] {
		if path == "" || len(all) == most || slices.ContainsFunc(all, func(o File) bool { return same(o.Path, path) }) {
			continue
		}
		info, err := ws.Stat(path)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		file := File{Path: path, Bytes: info.Size(), Width: int(f.numbers[role+".width"]), Height: int(f.numbers[role+".height"])}
		if len(all) == 0 {
			file.Triangles = f.numbers[role+".triangles"]
			file.Bytes = cmp.Or(f.numbers[role+".bytes"], file.Bytes)
		}
		all = append(all, file)
	}
	return all
}

func same(a, b string) bool { return filepath.Clean(a) == filepath.Clean(b) }
