package main

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/tool"
)

// link puts links to all programs of this machine that are tools into a folder that is to be PATH and one that is to be that of
// tools, and returns them by the tool's name. Chromium lies at a path of its own, and has none.
func link(t *testing.T, bin, folder string) map[string][]string {
	t.Helper()
	links := map[string][]string{}
	for _, there := range tool.All() {
		for _, name := range there.Programs {
			from, to := "", filepath.Join(bin, name)
			if filepath.Base(name) == name {
				from, _ = exec.LookPath(name)
			} else if !filepath.IsAbs(name) {
				// An environment of Python's or a package of npm's, whole: "blender", "npm/node_modules/fbx2gltf".
				part := strings.Split(name, "/")
				if part[0] == "npm" {
					part = part[:3]
				} else {
					part = part[:1]
				}
				from, to = filepath.Join("../../.tools", filepath.Join(part...)), filepath.Join(folder, filepath.Join(part...))
			}
			if _, err := os.Stat(from); err != nil {
				continue // one of several names
			}
			from, err := filepath.Abs(from)
			require.NoError(t, err)
			require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o755))
			require.NoError(t, os.Symlink(from, to))
			links[there.Name] = append(links[there.Name], to)
		}
	}
	return links
}

func TestEachToolTakenAwayIsOneSentenceThatNamesItsModules(t *testing.T) {
	bin, folder := t.TempDir(), t.TempDir()
	links := link(t, bin, folder)
	specs, err := allSpecs()
	require.NoError(t, err)
	taken := ""
	set := newToolSet(folder, specs)
	set.Path = bin
	set.Override = func(name string) string {
		if name == taken && links[name] == nil {
			return "/nowhere"
		}
		return ""
	}
	all := toolNeeds(specs)
	require.Len(t, all, len(tool.All()), "every tool that we know is run by a module")
	for _, need := range all {
		t.Run(need.Tool.Name, func(t *testing.T) {
			taken = need.Tool.Name
			for _, l := range links[taken] {
				to, err := os.Readlink(l)
				require.NoError(t, err)
				require.NoError(t, os.Remove(l))
				defer func() { require.NoError(t, os.Symlink(to, l)) }()
			}
			var out bytes.Buffer
			views := map[string]toolView{}
			for _, n := range all {
				v, err := viewTool(t.Context(), set, n)
				require.NoError(t, err)
				views[v.Name] = v
			}
			listTools(newScreen(&out), slices.Collect(maps.Values(views)))
			gone := []string{taken}
			if taken == tool.Node().Name {
				gone = append(gone, tool.Draco().Name, tool.GLTFValidator().Name)
			}
			for name, v := range views {
				if !slices.Contains(gone, name) {
					require.Empty(t, v.Missing, name)
					continue
				}
				require.NotEmpty(t, append(v.Modules, v.Extras...))
				for _, module := range append(v.Modules, v.Extras...) {
					require.Regexp(t, `(?m)^`+regexp.QuoteMeta(name)+` +missing, [^:]*\b`+regexp.QuoteMeta(module)+`\b[^:]*: .*; use the heavy image, or .+$`, out.String())
				}
			}
		})
	}
}
