package modules

import (
	"path"
	"strings"
)

// A Path is a file's path in parts, as Node's path.parse gives it.
type Path struct {
	Root string `json:"root" doc:"/ or nothing."`
	Dir  string `json:"dir" doc:"The folder it lies in."`
	Base string `json:"base" doc:"Its name."`
	Ext  string `json:"ext" doc:"Its extension, with the dot."`
	Name string `json:"name" doc:"Its name without the extension."`
}

// PathOf takes a path apart.
func PathOf(name string) Path {
	p := Path{Base: path.Base(name), Ext: path.Ext(name)}
	p.Name = strings.TrimSuffix(p.Base, p.Ext)
	if path.IsAbs(name) {
		p.Root = "/"
	}
	if dir := path.Dir(name); dir != "." {
		p.Dir = dir
	}
	return p
}
