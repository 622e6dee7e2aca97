package nunjucks

import (
	"go/ast"
	goparser "go/parser"
	gotoken "go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// dialect reads from our source what templates may name: the cases of the functions that look names up.
func dialect(t testing.TB) map[string][]string {
	t.Helper()
	kinds := map[string]string{
		"builtinFilter": "filters", "numberFilter": "filters", "listFilter": "filters", "textFilter": "filters",
		"builtinTest": "tests", "orderTest": "tests", "typeTest": "tests", "builtinGlobal": "globals",
		"methodOf": "methods", "stringMethod": "methods", "stringPartMethod": "methods", "stringSearchMethod": "methods",
		"listMethod": "methods", "listChange": "methods", "regexMethod": "methods", "numberMethod": "methods",
		"statement": "tags",
	}
	lists := map[string][]string{}
	sources, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, source := range sources {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		file, err := goparser.ParseFile(gotoken.NewFileSet(), source, nil, 0)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || kinds[f.Name.Name] == "" {
				continue
			}
			kind := kinds[f.Name.Name]
			lists[kind] = append(lists[kind], caseNames(t, f)...)
		}
	}
	for kind, names := range lists {
		slices.Sort(names)
		lists[kind] = slices.Compact(names)
	}
	return lists
}

// caseNames are the string literals behind case in f.
func caseNames(t testing.TB, f *ast.FuncDecl) []string {
	t.Helper()
	var names []string
	ast.Inspect(f, func(n ast.Node) bool {
		c, ok := n.(*ast.CaseClause)
		if !ok {
			return true
		}
		for _, x := range c.List {
			if l, ok := x.(*ast.BasicLit); ok && l.Kind == gotoken.STRING {
				name, err := strconv.Unquote(l.Value)
				require.NoError(t, err)
				names = append(names, name)
			}
		}
		return true
	})
	return names
}

func TestTheDialectHasAllThatNunjucksHas(t *testing.T) {
	p, ours := startNode(t), dialect(t)
	for kind, theirs := range map[string][]string{"filters": p.Filters, "tests": p.Tests, "globals": p.Globals} {
		slices.Sort(theirs)
		require.Equal(t, theirs, ours[kind], kind)
	}
}
