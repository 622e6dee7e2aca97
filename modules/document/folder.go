package document

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
)

// Config is where documents are found.
type Config struct {
	Dir      string // the operator's folder; empty is none
	Defaults fs.FS  // what is built in; nil is none. Templates inherit from them as "default/NAME"
}

// A Folder is the operator's documents over the built-in ones. Files are read when they are opened.
type Folder struct{ cfg Config }

// NewFolder returns a Folder. It does not look at the files.
func NewFolder(cfg Config) *Folder { return &Folder{cfg} }

// defaultPrefix names the built-in documents, also where the folder has one of the same name.
const defaultPrefix = "default/"

const maxInherit = 10 // templates that stand on each other

// Open parses the named document: the operator's, else the one built in. Its errors are *Error.
func (f *Folder) Open(name string) (*Template, error) {
	pieces, err := f.inherit(name, nil)
	if err != nil {
		return nil, err
	}
	format, ok := FormatOf(name)
	if !ok {
		return nil, &Error{Name: name, Msg: "its name does not tell how values are written; end it as .html, .json, .yaml or .txt"}
	}
	return newTemplate(name, format, withoutBlocks(pieces))
}

// Own says whether the operator's folder has a document of that name; not where the folder can't be read.
func (f *Folder) Own(name string) bool {
	_, err := f.own(name)
	return err == nil
}

func (f *Folder) read(name string) (string, error) {
	if !fs.ValidPath(name) || name == "." {
		return "", &Error{Name: name, Msg: "a document is named by its path within the folder, without .. and without a / in front"}
	}
	base, builtIn := strings.CutPrefix(name, defaultPrefix)
	if !builtIn && f.cfg.Dir != "" {
		text, err := f.own(name)
		if !errors.Is(err, fs.ErrNotExist) {
			return text, err
		}
	}
	if f.cfg.Defaults != nil {
		if text, err := fs.ReadFile(f.cfg.Defaults, base); err == nil {
			return string(text), nil
		}
	}
	where := "there is no folder of documents (MILLRACE_DOCUMENTS)"
	if f.cfg.Dir != "" {
		where = f.cfg.Dir + " has no such document"
	}
	return "", &Error{Name: name, Msg: where + ", and it is none of those built in: " + strings.Join(f.builtIn(), ", ")}
}

func (f *Folder) builtIn() []string {
	if f.cfg.Defaults == nil {
		return nil
	}
	names, err := fs.Glob(f.cfg.Defaults, "*.*")
	if err != nil {
		return nil
	}
	return names
}

// own reads a file of the operator's folder: a plain one, that no link leads out to.
func (f *Folder) own(name string) (text string, err error) {
	if f.cfg.Dir == "" {
		return "", fs.ErrNotExist
	}
	root, err := os.OpenRoot(f.cfg.Dir)
	if err != nil { // not fs.ErrNotExist: that the folder is gone is not that it has no such document
		return "", &Error{Name: name, Msg: "the folder of documents can't be read: " + err.Error()}
	}
	defer root.Close()
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe must not block us
	if errors.Is(err, fs.ErrNotExist) {
		return "", fs.ErrNotExist
	}
	if err != nil {
		return "", &Error{Name: name, Msg: err.Error()}
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", &Error{Name: name, Msg: "it is no regular file"}
	}
	all, err := io.ReadAll(io.LimitReader(file, maxSource+1))
	if err != nil {
		return "", &Error{Name: name, Msg: err.Error()}
	}
	return string(all), nil
}

// inherit reads a template and puts its blocks into what it extends. The blocks' tags stay, for who extends it.
func (f *Folder) inherit(name string, below []string) ([]piece, error) {
	if slices.Contains(below, name) {
		return nil, &Error{Name: name, Msg: "it extends itself: " + strings.Join(append(below, name), " → ")}
	}
	if below = append(below, name); len(below) > maxInherit {
		return nil, &Error{Name: name, Msg: fmt.Sprintf("at most %d documents stand on each other", maxInherit)}
	}
	text, err := f.read(name)
	if err != nil {
		return nil, err
	}
	pieces, err := scan(name, text)
	if err != nil {
		return nil, err
	}
	own, err := blocksOf(pieces)
	if err != nil {
		return nil, err
	}
	parent, at, err := parentOf(pieces)
	if err != nil || parent == "" {
		return pieces, err
	}
	if !strings.HasPrefix(parent, defaultPrefix) {
		parent = path.Clean(parent)
	}
	base, err := f.inherit(parent, below)
	if e, ok := errors.AsType[*Error](err); ok && e.Line == 0 && e.Name == parent {
		return nil, at.errorf("extends %q: %s", parent, e.Msg)
	}
	if err != nil {
		return nil, err
	}
	return override(base, own, at)
}

// parentOf is what a template extends.
func parentOf(pieces []piece) (string, place, error) {
	for i, p := range pieces {
		if p.word() != "extends" {
			continue
		}
		if i > 1 || i == 1 && strings.TrimSpace(pieces[0].text) != "" {
			return "", p.at, p.at.errorf("{%% extends %%} must stand first")
		}
		name := strings.TrimSpace(strings.TrimPrefix(p.text, "extends"))
		if n := len(name); n < 3 || name[0] != name[n-1] || name[0] != '"' && name[0] != '\'' {
			return "", p.at, p.at.errorf(`{%% extends %%} names a document in quotes: {%% extends "default/report.html" %%}`)
		}
		return name[1 : len(name)-1], p.at, nil
	}
	return "", place{}, nil
}

// blocksOf is what stands in each block, the inner ones' tags included.
func blocksOf(pieces []piece) (map[string][]piece, error) {
	blocks := map[string][]piece{}
	var open []int
	for i, p := range pieces {
		switch p.word() {
		case "block":
			if blockName(p) == "" {
				return nil, p.at.errorf("a block needs a name: {%% block title %%}")
			}
			open = append(open, i)
		case "endblock":
			if len(open) == 0 {
				return nil, p.at.errorf("{%% endblock %%} has no beginning")
			}
			from := open[len(open)-1]
			open = open[:len(open)-1]
			name := blockName(pieces[from])
			if _, twice := blocks[name]; twice {
				return nil, pieces[from].at.errorf("there are two blocks %q", name)
			}
			blocks[name] = pieces[from+1 : i]
		}
	}
	if n := len(open); n > 0 {
		return nil, pieces[open[n-1]].at.errorf("{%% %s %%} has no end: {%% endblock %%} is missing", pieces[open[n-1]].text)
	}
	return blocks, nil
}

func blockName(p piece) string {
	name := strings.TrimSpace(strings.TrimPrefix(p.text, "block"))
	return name[:nameLen(name)]
}

// override puts own blocks in the place of base's. {{ block.super }} in one is what base had there.
func override(base []piece, own map[string][]piece, at place) ([]piece, error) {
	for _, name := range slices.Sorted(maps.Keys(own)) {
		from := slices.IndexFunc(base, func(p piece) bool { return p.word() == "block" && blockName(p) == name })
		if from < 0 {
			continue
		}
		blocks, err := blocksOf(base)
		if err != nil {
			return nil, err
		}
		fresh := withSuper(own[name], blocks[name])
		base = slices.Concat(base[:from+1], fresh, base[from+1+len(blocks[name]):])
		size := 0
		for _, p := range base {
			size += len(p.text)
		}
		if len(base) > maxPieces || size > maxExpanded {
			return nil, at.errorf("with all that it inherits it is longer than %d KiB", maxExpanded>>10)
		}
	}
	return base, nil
}

// withSuper puts old in the place of {{ block.super }}.
func withSuper(body, old []piece) []piece {
	old = withoutBlocks(old)
	var all []piece
	for _, p := range body {
		if p.kind == isValue && strings.EqualFold(p.text, "block.super") {
			all = append(all, old...)
			continue
		}
		all = append(all, p)
	}
	return all
}

// withoutBlocks leaves the blocks' tags out.
func withoutBlocks(pieces []piece) []piece {
	return slices.DeleteFunc(slices.Clone(pieces), func(p piece) bool { return p.word() == "block" || p.word() == "endblock" })
}
