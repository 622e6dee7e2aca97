package main_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines"
)

const twoEntries = `name: two
params: {who: {type: string, required: true, description: Whom to greet.}}
entries:
  hello: {tasks: [{module: StdOut, props: {msg: "hello {{ who }}"}}]}
  bye: {tasks: [{module: StdOut, props: {msg: "bye {{ who }}"}}]}
`

func TestOneEntryOfADocumentIsRunAndSent(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("two.yaml", twoEntries)
	require.Contains(t, p.succeeds("run", "two.yaml", "--entry", "bye", "who=Ada"), "bye Ada")
	r := p.millrace("run", "two.yaml", "who=Ada")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, "two.yaml has no tasks of its own; name one of its entries: hello, bye")

	job := id(t, p.succeeds("jobs", "run", "two.yaml", "--entry", "hello", "who=1815"))
	p.work()
	require.Contains(t, p.succeeds("jobs", "logs", job), "hello 1815")
}

func TestAJobThatCanNotRunIsNotSent(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("two.yaml", twoEntries)
	p.write("two.json", `{"pipeline": "two.yaml", "entry": "helo", "state": {"who": "Ada"}}`)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"two.yaml", "--entry", "hello", "woh=Ada"}, `param "who" (string) is required, and the job gives none: Whom to greet. (it gives "woh"; is that what is meant?)`},
		{[]string{"two.yaml", "--entry", "helo", "who=Ada"}, `two.yaml has no entry "helo", did you mean "hello"?`},
		{[]string{"two.json", "--pipelines", "."}, `two.yaml has no entry "helo", did you mean "hello"?`},
		{[]string{"two.yaml@" + pipelines.Digest(nil)}, "@sha256:… asks for a version of a pipeline of the catalogue, and two.yaml is a file"},
	} {
		r := p.millrace(append([]string{"jobs", "run"}, tt.args...)...)
		require.NotEqual(t, 0, r.code)
		require.Contains(t, r.stderr, tt.want)
	}
	require.NoDirExists(t, p.dir+"/.millrace")
}

func TestAVersionIsAskedForByItsDigest(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	src, err := os.ReadFile("../../pipelines/hello_world.yaml")
	require.NoError(t, err)
	now := pipelines.Digest(src)
	require.Contains(t, p.succeeds("run", "hello_world@"+now, "name=Ada"), "Hello Ada!!!")
	job := id(t, p.succeeds("jobs", "run", "hello_world@"+now, "name=Ada"))

	never := "sha256:" + strings.Repeat("0", 64)
	require.Contains(t, p.millrace("run", "hello_world@"+never).stderr, "hello_world.yaml is "+now+", not "+never)
	require.Contains(t, p.millrace("jobs", "run", "hello_world@"+never, "--dry-run").stderr, "the pipeline was not checked: hello_world.yaml is "+now+" here")
	other := id(t, p.succeeds("jobs", "run", "hello_world@"+never))
	p.work()
	require.Contains(t, p.succeeds("jobs", "logs", job), "Hello Ada!!!")
	require.Contains(t, p.millrace("jobs", "describe", other).stdout, "no worker has run this version of the pipeline with this store")
}
