package main_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// binary is the program under test, built once for all tests of this package.
var binary string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "millrace-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "millrace")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags", "disable_grpc_modules", "-o", binary, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the program under test: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// A result is how one call of the program ended.
type result struct {
	stdout, stderr string
	code           int
}

// A place is a folder that the program is called in, with nothing of the test's environment but PATH.
type place struct {
	t     *testing.T
	dir   string
	env   []string
	limit time.Duration // of one call; 0 is half a minute
}

func newPlace(t *testing.T) *place {
	t.Helper()
	return &place{t: t, dir: t.TempDir()}
}

// write puts a file into the folder and returns its name.
func (p *place) write(name, text string) string {
	p.t.Helper()
	require.NoError(p.t, os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600))
	return name
}

// millrace calls the program; it must end within the limit.
func (p *place) millrace(args ...string) result { return p.millraceReading("", args...) }

// millraceReading calls the program with something on stdin.
func (p *place) millraceReading(stdin string, args ...string) result {
	p.t.Helper()
	return p.start(stdin, args...)()
}

// start calls the program and returns what waits for its end.
func (p *place) start(stdin string, args ...string) (wait func() result) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), cmp.Or(p.limit, 30*time.Second))
	cmd := exec.CommandContext(ctx, binary, args...)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = p.dir, strings.NewReader(stdin), &stdout, &stderr
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.dir, "TZ=UTC"}, p.env...)
	cmd.WaitDelay = time.Second
	require.NoError(p.t, cmd.Start())
	return func() result {
		p.t.Helper()
		defer cancel()
		err := cmd.Wait()
		require.NoError(p.t, ctx.Err(), "millrace %s did not end: %s", strings.Join(args, " "), &stderr)
		if _, exited := errors.AsType[*exec.ExitError](err); !exited {
			require.NoError(p.t, err)
		}
		return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
	}
}

// succeeds calls the program, which must end with code 0, and returns its stdout.
func (p *place) succeeds(args ...string) string {
	p.t.Helper()
	r := p.millrace(args...)
	require.Equal(p.t, 0, r.code, "millrace %s: %s%s", strings.Join(args, " "), r.stdout, r.stderr)
	return r.stdout
}

// work runs a worker until the queue is empty.
func (p *place) work() {
	p.t.Helper()
	p.succeeds("work", "--exit-when-idle", "1s")
}

// decoded is JSON that the program wrote.
func decoded[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	require.NoError(t, json.Unmarshal([]byte(text), &v), "%s", text)
	return v
}

func TestHelloWorldPrintsItsGreetingAlone(t *testing.T) {
	p := newPlace(t)
	require.Equal(t, "Hello Modelops!!!\n", p.succeeds("run", "hello_world", "name=Modelops"))
	require.Equal(t, "Hello Modelops!!!\n", p.succeeds("hello_world", "name=Modelops"), "the word run is optional")
	p.env = append(p.env, "MILLRACE_LOGGER=json")
	require.Contains(t, p.succeeds("run", "hello_world"), `"kind":"task.stdout"`, "a variable says what its flag says")
}

func TestWhatCannotBeRunIsOneSentenceAndACode(t *testing.T) {
	p := newPlace(t)
	p.write("broken.yaml", "tasks: [")
	p.write("unknown.yaml", "tasks:\n  - module: Shel\n    props: {command: ls}\n")
	for _, tt := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"an unknown command", []string{"wrok"}, 2, "wrok"},
		{"an unknown command of jobs", []string{"jobs", "lst"}, 2, `"list"`},
		{"an unknown flag", []string{"lint", "--jason", "x.yaml"}, 2, "--jason"},
		{"no file", []string{"lint"}, 2, "millrace lint --help"},
		{"a file that is not there", []string{"lint", "nowhere.yaml"}, 1, "nowhere.yaml"},
		{"a pipeline that is not there", []string{"jobs", "run", "hello_wrld"}, 1, "hello_world"},
		{"a document that is none", []string{"jobs", "run", "broken.yaml"}, 1, "broken.yaml:"},
		{"state without a value", []string{"jobs", "run", "hello_world", "name"}, 2, "key=value"},
		{"too many attempts", []string{"jobs", "run", "hello_world", "--max-attempts", "21"}, 1, "max_attempts"},
		{"a deadline that is none", []string{"jobs", "run", "hello_world", "--deadline", "soon"}, 1, "deadline"},
		{"a callback that is no URL", []string{"jobs", "run", "hello_world", "--callback", "here"}, 1, "callback"},
		{"a form that is none", []string{"jobs", "run", "hello_world", "--dry-run", "-f", "xml"}, 2, "xml"},
		{"a module that is not there", []string{"run", "unknown.yaml"}, 1, `"Shell"`},
		{"a job where there are none", []string{"jobs", "describe", "x"}, 1, "millrace jobs run"},
		{"a list where there are none", []string{"jobs", "list", "--data", "nowhere"}, 1, "millrace jobs run"},
		{"a file without the word run", []string{"nowhere.yaml"}, 1, "there is no file nowhere.yaml"},
		{"a file in a folder that is not there", []string{"run", "no/where"}, 1, "there is no file no/where"},
		{"no job at all", []string{"jobs", "logs"}, 2, "JOB_ID"},
		{"a time that is none", []string{"jobs", "list", "--from", "yesteryear"}, 2, "12 hours ago"},
		{"a module's description that is not there", []string{"modules", "Shel"}, 1, `"Shell"`},
		{"a module of a later version", []string{"modules", "VntanaMetrics"}, 1, "later version"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := p.millrace(tt.args...)
			require.Equal(t, tt.code, r.code, r.stderr)
			require.Empty(t, r.stdout)
			require.Contains(t, r.stderr, tt.says)
			require.Equal(t, 1, strings.Count(strings.TrimRight(r.stderr, "\n"), "\n")+1, r.stderr)
		})
	}
	require.NoDirExists(t, filepath.Join(p.dir, ".millrace"), "what can't be run makes no folder")
}

func TestVersionSaysWhatItWasBuiltFrom(t *testing.T) {
	p := newPlace(t)
	require.Regexp(t, `^millrace dev.* go1\.\d+.* linux/`, p.succeeds("version"))
	v := decoded[map[string]any](t, p.succeeds("version", "--json"))
	require.Equal(t, "dev", v["version"])
	require.Contains(t, v["go"], "go1.")
}

func TestModulesAreListedAndDescribed(t *testing.T) {
	p := newPlace(t)
	list := p.succeeds("modules")
	for _, name := range []string{"Shell", "STL2OBJ", "Zip", "Callbacks may name"} {
		require.Contains(t, list, name)
	}
	one := p.succeeds("modules", "Shell")
	for _, text := range []string{"command", "required", "stdoutLines", "module: Shell"} {
		require.Contains(t, one, text)
	}
	schema := decoded[map[string]any](t, p.succeeds("modules", "Shell", "--json-schema"))
	require.Contains(t, schema["properties"], "command")
	all := decoded[[]map[string]any](t, p.succeeds("modules", "--json"))
	require.Greater(t, len(all), 5)
	require.Contains(t, p.succeeds("modules", "Http", "--callbacks", "--markdown"), "## Http")
}
