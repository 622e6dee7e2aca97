package main_test

import (
	"flag"
	"fmt"
	"go/ast"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	millrace "github.com/millrace/millrace/cmd/millrace"
	"github.com/millrace/millrace/modules/servertest"
	"github.com/millrace/millrace/modules/tool"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

var update = flag.Bool("update", false, "write the generated parts of the documentation anew")

const repository = "../../"

// pages are the documents whose every claim is held against the program.
func pages() []string {
	return []string{
		"README.md", "docs/bench.md", "docs/buckets.md", "docs/deploy.md", "docs/documents.md", "docs/editor.md", "docs/gateway.md", "docs/gpu.md",
		"docs/image.md", "docs/messages.md", "docs/models.md", "docs/modules.md", "docs/operations.md", "docs/pipelines.md", "docs/queues.md", "docs/record.md", "docs/routes.md", "docs/scaler.md", "docs/tools.md",
	}
}

func pageText(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(repository + page)
	require.NoError(t, err)
	return string(text)
}

// matches holds a page against what it should say, or writes it with -update.
func matches(t *testing.T, page, want string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(repository+page, []byte(want), 0o644))
	}
	require.Equal(t, want, pageText(t, page), "`go test ./cmd/millrace -run 'Readme|ToolsPage' -update` writes %s anew", page)
}

func TestTheReadmesConfigurationIsWhatTheProgramTakes(t *testing.T) {
	const begin, end = "<!-- configuration: generated -->\n", "<!-- configuration: end -->\n"
	head, rest, ok := strings.Cut(pageText(t, "README.md"), begin)
	require.True(t, ok, "the README has lost its mark %s", begin)
	_, tail, ok := strings.Cut(rest, end)
	require.True(t, ok, "the README has lost its mark %s", end)
	matches(t, "README.md", head+begin+millrace.ConfigTable()+end+tail)
}

const modulesHead = `# Modules

What tasks and callbacks can name. This page is what ` + "`millrace modules --markdown`" + ` prints, kept so by a test. Durations
are text such as ` + "`90s`" + ` or a number; [pipelines.md](pipelines.md) says of what.

# Tasks

`

func TestTheReadmesModulePageIsWhatTheProgramSays(t *testing.T) {
	p := newPlace(t)
	matches(t, "docs/modules.md", modulesHead+p.succeeds("modules", "--markdown")+
		"\n# Callbacks\n\n"+p.succeeds("modules", "--callbacks", "--markdown"))
}

// The table of tools.md has a row for each tool, in order, with all that is looked for.
func TestTheToolsPageNamesWhatIsLookedFor(t *testing.T) {
	var want []string
	for _, known := range tool.All() {
		programs := ""
		for _, program := range known.Programs {
			programs += ", `" + program + "`"
			if strings.Contains(program, "/") && !filepath.IsAbs(program) {
				programs += " in the tools' folder"
			}
		}
		if known.Runner != nil {
			programs += ", and " + known.Runner.Name
		}
		want = append(want, "| "+known.Name+" | "+strings.TrimPrefix(programs, ", ")+" |\n")
	}
	const begin, end = "| --- | --- |\n", "\nA worker looks once"
	head, rest, ok := strings.Cut(pageText(t, "docs/tools.md"), begin)
	require.True(t, ok)
	_, tail, ok := strings.Cut(rest, end)
	require.True(t, ok)
	matches(t, "docs/tools.md", head+begin+strings.Join(want, "")+end+tail)
}

// An example is one fenced block of a page.
type example struct {
	page, language, text string
	line                 int // of its fence, from 1
}

func (b example) String() string { return fmt.Sprintf("%s:%d", b.page, b.line) }

// examples returns the fenced blocks of a page in one language.
func examples(t *testing.T, page, language string) []example {
	t.Helper()
	var all []example
	open := false
	n := 0
	for line := range strings.Lines(pageText(t, page)) {
		n++
		fence, is := strings.CutPrefix(line, "```")
		switch {
		case is && open:
			open = false
		case is:
			open = true
			all = append(all, example{page, strings.TrimSpace(fence), "", n})
		case open:
			all[len(all)-1].text += line
		}
	}
	require.False(t, open, "%s: a fence is not closed", page)
	var wanted []example
	for _, b := range all {
		if b.language == language {
			wanted = append(wanted, b)
		}
	}
	return wanted
}

// fileName is what an example's first line calls it: "# part.yaml".
func (b example) fileName() (string, bool) {
	first, _, _ := strings.Cut(b.text, "\n")
	name, ok := strings.CutPrefix(first, "# ")
	return name, ok && filepath.Ext(name) == ".yaml" && filepath.Base(name) == name
}

func TestEveryPipelineInTheReadmeAndTheDocsLintsClean(t *testing.T) {
	for _, page := range []string{"README.md", "docs/pipelines.md", "docs/editor.md", "docs/documents.md", "docs/buckets.md"} {
		all := examples(t, page, "yaml")
		require.NotEmpty(t, all, page)
		for _, b := range all {
			if name, _ := b.fileName(); strings.HasSuffix(name, ".test.yaml") {
				continue
			}
			p := newPlace(t)
			text := b.text
			if strings.HasPrefix(text, "- ") {
				text = "tasks:\n" + text
			}
			r := p.millrace("lint", p.write("example.yaml", text))
			require.Equal(t, 0, r.code, "%s: %s", b, r.stdout)
			require.Empty(t, r.stdout, "%s", b)
		}
	}
}

func TestTheTestsInTheDocsPass(t *testing.T) {
	p := newPlace(t)
	for _, b := range examples(t, "docs/pipelines.md", "yaml") {
		if name, ok := b.fileName(); ok {
			p.write(name, b.text)
		}
	}
	require.Equal(t, 2, strings.Count(p.succeeds("test", "report.yaml"), "ok  "))
}

func TestTheDocsListThePipelinesThatAreShipped(t *testing.T) {
	_, list, found := strings.Cut(pageText(t, "docs/pipelines.md"), "\n## Those that are shipped\n")
	require.True(t, found)
	c := pipelines.NewCatalogue("")
	for _, name := range c.Names() {
		p, err := c.Lookup(name)
		require.NoError(t, err)
		require.Contains(t, list, fmt.Sprintf("| `%s` | %s |\n", name, p.Description))
	}
}

func TestTheReadmesMessagesAreTaken(t *testing.T) {
	all := examples(t, "README.md", "json")
	require.NotEmpty(t, all)
	for _, b := range all {
		_, err := job.One(queue.Message{ID: "1", Body: []byte(b.text)})
		require.NoError(t, err, "%s", b)
	}
}

// What a reader types, one line after the other in one folder, works.
func TestTheReadmesCommandsWork(t *testing.T) {
	p := newPlace(t)
	for _, b := range examples(t, "README.md", "yaml") {
		if name, ok := b.fileName(); ok {
			p.write(name, b.text)
		}
	}
	port, hold, err := servertest.Reserve()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, hold.Close()) })
	here := fmt.Sprintf("127.0.0.1:%d", port)
	script := "set -eu\ntrap 'trap \"\" TERM; kill 0; wait' EXIT\n" // what goes on in the background ends with it
	for _, b := range examples(t, "README.md", "sh") {
		if !strings.Contains(b.text, "make ") {
			script += fmt.Sprintf("echo '--- %s' >&2\n%s", b, b.text)
		}
	}
	require.Contains(t, script, "millrace ")
	cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.ReplaceAll(script, "localhost:8080", here))
	cmd.Dir = p.dir
	cmd.Env = []string{"PATH=" + filepath.Dir(binary) + ":" + os.Getenv("PATH"), "HOME=" + p.dir, "TZ=UTC", "MILLRACE_LISTEN=" + here}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func TestTheRecordPageExplainsEveryField(t *testing.T) {
	page := pageText(t, "docs/record.md")
	for _, v := range []any{
		record.Record{},
		record.AttemptRecord{},
		record.Folded{},
		record.Artifact{},
		record.Diagnostic{},
		record.Cancellation{},
		record.Delivery{},
		record.Owed{},
		engine.TaskRun{},
		engine.Failure{},
		engine.Event{},
	} {
		for f := range reflect.TypeOf(v).Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			require.Contains(t, page, "`"+name+"`", "%T.%s", v, f.Name)
		}
	}
}

func TestEveryTestThatTheReadmeAndTheDocsNameExists(t *testing.T) {
	name := regexp.MustCompile(`(?:^|[^:\w])((?:Test|Fuzz)[A-Z][A-Za-z0-9]+)`) // not s3:TestEvent
	declared := map[string]bool{}
	all, err := sources()
	require.NoError(t, err)
	for _, s := range all {
		for _, decl := range s.file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && s.test {
				declared[f.Name.Name] = true
			}
		}
	}
	for _, page := range pages() {
		for _, m := range name.FindAllStringSubmatch(pageText(t, page), -1) {
			if !declared[m[1]] {
				t.Errorf("%s names %s, and there is no such test", page, m[1])
			}
		}
	}
}

func TestEveryFileThatTheReadmeAndTheDocsNameExists(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#]+)[^)]*\)`)
	for _, page := range pages() {
		for _, m := range link.FindAllStringSubmatch(pageText(t, page), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(repository, filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", page, m[1], err)
			}
		}
	}
}
