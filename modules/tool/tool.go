// Package tool knows the external programs that modules run: where they are, which version they have, and how to get
// one that is missing.
package tool

import "time"

// A Tool is an external program that modules run.
type Tool struct {
	Name string // as its makers write it: "ImageMagick"
	// Programs are what to look for, the best first: a file name in PATH, a full path, or, with a slash inside, a path below
	// Set.Folder: "magick", "/usr/lib/chromium/chromium-headless-shell", "blender/bin/python".
	Programs []string
	Runner   *Tool // the interpreter, where Programs are its scripts; nil: they run by themselves
	// Version asks a program for its version: these arguments, then the script where there is a Runner, and the first match
	// of the pattern's only group in what it prints. A program that doesn't answer so is another one of the same name, and
	// not taken.
	Version []string
	Pattern string
	Least   string // version; empty is any
	Get     string // how to install it: "as root on Debian 12: apt-get install imagemagick"
	// What one run of it may use where the operator does not say.
	Memory int64         // resident bytes of it and all it starts; 0 is the job's own limit
	CPU    time.Duration // processor time; 0 is no limit
}

// A Found is a tool of this machine.
type Found struct {
	Name    string `json:"name"`
	Path    string `json:"path"`            // of the program, or of the script
	Runner  string `json:"runner,omitzero"` // path of the interpreter that runs the script; empty: it runs by itself
	Version string `json:"version"`
}

// Command returns the program to start and the arguments that go before the tool's own.
func (f Found) Command() (path string, args []string) {
	if f.Runner != "" {
		return f.Runner, []string{f.Path}
	}
	return f.Path, nil
}
