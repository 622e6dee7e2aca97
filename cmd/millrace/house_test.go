package main_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// maxLines is the hard limit of a product file; 300 is what we aim at.
const maxLines = 500

func TestNoFileIsTooLongToRead(t *testing.T) {
	all, err := sources()
	require.NoError(t, err)
	for _, s := range all {
		if s.size > maxLines && !s.test && !ast.IsGenerated(s.file) {
			t.Errorf("%s has %d lines, and %d are allowed: split it by what its parts do", s.name, s.size, maxLines)
		}
	}
}

func TestTheTopLevelIsClosed(t *testing.T) {
	for _, name := range topLevel(t) {
		switch name {
		case "cmd", "worker", "modules", "deploy", "keda", "pipelines", "docs",
			"Dockerfile.cuda", "go.mod", "go.sum", "Makefile", "README.md", "LICENSE":
		default:
			if !strings.HasPrefix(name, ".") {
				t.Errorf("%s: the layout has no such entry; put it into one of the folders (docs/CONTRIBUTING.md)", name)
			}
		}
	}
}

// topLevel is what git knows of the top level; where there is no git, as in an unpacked archive, what lies there.
func topLevel(t *testing.T) []string {
	t.Helper()
	var names []string
	cmd := exec.CommandContext(t.Context(), "git", "ls-files", "--cached", "--others", "--exclude-standard")
	cmd.Dir = "../.."
	if out, err := cmd.Output(); err == nil {
		for line := range strings.Lines(string(out)) {
			name, _, _ := strings.Cut(strings.TrimSpace(line), "/")
			names = append(names, name)
		}
		slices.Sort(names)
		return slices.Compact(names)
	}
	entries, err := os.ReadDir("../..")
	require.NoError(t, err)
	for _, e := range entries {
		if e.Name() != "bin" {
			names = append(names, e.Name())
		}
	}
	return names
}

func TestFoldersAreNamedForWhatTheyHold(t *testing.T) {
	all, err := sources()
	require.NoError(t, err)
	for _, s := range all {
		for dir := range strings.SplitSeq(s.folder(), "/") {
			switch dir {
			case "internal", "pkg", "util", "utils", "common", "types", "base", "helpers", "misc":
				t.Errorf("%s: a folder called %s says nothing: name it for what it holds", s.name, dir)
			}
		}
	}
}

// calls is what product code does not call, and what it does instead. Below cmd means: cmd may.
var calls = map[string]struct {
	instead  string
	belowCmd bool
}{
	"time.Sleep":         {instead: "use a timer and select, so that ctx can end it"},
	"slog.Default":       {instead: "take a *slog.Logger"},
	"http.DefaultClient": {instead: "take an *http.Client: the operator's limits are in it"},
	"http.Get":           {instead: "take an *http.Client: the operator's limits are in it"},
	"http.Post":          {instead: "take an *http.Client: the operator's limits are in it"},
	"os.Getenv":          {instead: "take it from the configuration: cmd alone reads the environment", belowCmd: true},
	"os.LookupEnv":       {instead: "take it from the configuration: cmd alone reads the environment", belowCmd: true},
}

func TestProductCodeKeepsNoGlobalState(t *testing.T) {
	all, err := sources()
	require.NoError(t, err)
	for _, s := range all {
		if s.test || ast.IsGenerated(s.file) {
			continue
		}
		for _, problem := range globalState(s) {
			t.Error(problem)
		}
	}
}

func TestGlobalStateIsFound(t *testing.T) {
	for _, tt := range []struct {
		name, file, code string
		found            bool
	}{
		{"init", "worker/x.go", "func init() {}", true},
		{"a method called init is fine", "worker/x.go", "type T int\n\nfunc (T) init() {}", false},
		{"a regexp compiled at every start", "worker/x.go", `var re = regexp.MustCompile("a")`, true},
		{
			"a regexp compiled when first used is fine", "worker/x.go",
			`var re = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile("a") })`, false,
		},
		{"a sleep that nothing ends", "cmd/x.go", "func f() { time.Sleep(1) }", true},
		{"the environment below cmd", "worker/x.go", `var home = os.Getenv("HOME")`, true},
		{"the environment in cmd is fine", "cmd/x.go", `var home = os.Getenv("HOME")`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, tt.file, "package x\n\n"+tt.code, 0)
			require.NoError(t, err)
			require.Equal(t, tt.found, len(globalState(source{name: tt.file, file: file, fset: fset})) > 0)
		})
	}
}

// globalState finds what costs something at every start, what changes what others see, and what reads it.
func globalState(s source) []string {
	var problems []string
	for _, decl := range s.file.Decls {
		if why := costAtStart(decl); why != "" {
			problems = append(problems, s.at(decl.Pos())+": "+why)
		}
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		name := selector(n)
		call, listed := calls[name]
		if listed && !(call.belowCmd && strings.HasPrefix(s.name, "cmd/")) {
			problems = append(problems, s.at(n.Pos())+": "+name+": "+call.instead)
		}
		return true
	})
	return problems
}

// costAtStart says what is wrong with a declaration that runs before main.
func costAtStart(decl ast.Decl) string {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil && d.Name.Name == "init" {
			return "init: do it in a constructor that cmd calls"
		}
	case *ast.GenDecl:
		why := ""
		ast.Inspect(d, func(n ast.Node) bool {
			if _, later := n.(*ast.FuncLit); later || d.Tok != token.VAR {
				return false
			}
			switch selector(n) {
			case "regexp.MustCompile", "template.Must", "regexp2.MustCompile":
				why = selector(n) + " at start: every start of a child pays for it; use sync.OnceValue"
			}
			return true
		})
		return why
	}
	return ""
}

// selector is "pkg.Name" for such an expression, else "".
func selector(n ast.Node) string {
	if sel, ok := n.(*ast.SelectorExpr); ok {
		if pkg, ok := sel.X.(*ast.Ident); ok {
			return pkg.Name + "." + sel.Sel.Name
		}
	}
	return ""
}

// Each fault of the matrix that this part must stand has a test that bears its number in its name, so that `go test -run F19`
// runs what there is of it.
func TestEveryFaultHasATestThatBearsItsNumber(t *testing.T) {
	all, err := sources()
	require.NoError(t, err)
	missing := map[string]bool{"F33": true}
	for _, span := range [][2]int{{1, 31}, {36, 38}, {43, 46}} {
		for n := span[0]; n <= span[1]; n++ {
			missing[fmt.Sprintf("F%02d", n)] = true
		}
	}
	for _, s := range all {
		if !s.test {
			continue
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !strings.HasPrefix(f.Name.Name, "Test") && !strings.HasPrefix(f.Name.Name, "Fuzz") {
				continue
			}
			maps.DeleteFunc(missing, func(number string, _ bool) bool { return strings.Contains(f.Name.Name, number) })
		}
	}
	require.Empty(t, missing)
}
