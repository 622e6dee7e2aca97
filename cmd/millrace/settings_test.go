package main_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatAWorkerCantWorkWithIsRefusedAllAtOnce(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("file", "")
	p.env = []string{"MILLRACE_INLINE=perhaps", "MILLRACE_MIN_FREE=much"}
	r := p.millrace("work", "--pipelines", "/nope", "--read-paths", "nowhere,.", "--slots", "100000", "--reuse", "0",
		"--deadline", "0s", "--data", "", "--isolation", "foo", "--visibility", "0s", "--confine=perhaps", "--grace", "soon",
		"--max-input", "lots", "--warm", "blender,gimp", "--tool-limits", "Gimp=2Gi,ImageMagick,ImageMagick=much,ImageMagick=2Gi/soon,ImageMagick=/")
	require.Equal(t, 2, r.code)
	for _, text := range []string{
		"--pipelines: the folder of pipelines /nope can't be read: no such file or directory",
		"--read-paths: jobs can't be let read nowhere: no such file or directory",
		"--slots: must be 0 to 1024, got 100000",
		"--reuse: must be at least 1, got 0",
		"--deadline: must be more than 0s, got 0s",
		"--data: is empty: name a folder",
		`--isolation: "foo" is none of job, pipeline, none`,
		"--visibility: must be at least 1s, got 0s",
		`--confine: "perhaps" is neither true nor false`,
		`--grace: "soon" is no duration`,
		`--max-input: "lots" is no size`,
		`--warm: "gimp" can't be started in advance; there are blender and chromium`,
		`--tool-limits: no module runs a tool called "Gimp", only `,
		`--tool-limits: "ImageMagick" is no limit of a tool; write it like ImageMagick=2Gi/10m`,
		`--tool-limits: "ImageMagick=much" is no limit`,
		`--tool-limits: "ImageMagick=2Gi/soon" is no limit`,
		`--tool-limits: "ImageMagick=/" is no limit`,
		`MILLRACE_INLINE: "perhaps" is none of auto, on, off`,
		`MILLRACE_MIN_FREE: "much" is no size`,
	} {
		require.Contains(t, r.stderr, "millrace: "+text)
	}
	require.NotContains(t, r.stderr, "strconv")
	require.Contains(t, p.millrace("work", "--warm=blender", "--isolation=none").stderr, "--warm: with isolation none no process waits for a job; choose isolation job or pipeline")
	p.env = nil
	require.Contains(t, p.millrace("run", "hello_world", "--pipelines", "file").stderr, "not a directory")
	require.Equal(t, 2, p.millrace("jobs", "run", "hello_world", "--pipelines", "/nope").code)
	require.Equal(t, 2, p.millrace("jobs", "list", "--data", "").code)
}

func TestAPathThatJobsMayReadMayBeRelative(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("input.txt", "read me")
	p.write("read.yaml", "tasks: [{module: Shell, props: {command: cat, args: ['"+p.dir+"/input.txt']}}]\n")
	job := id(t, p.succeeds("jobs", "run", "read.yaml", "--max-attempts", "1"))
	p.succeeds("work", "--exit-when-idle", "1s", "--read-paths", ".", "--confine=true")
	require.Contains(t, p.succeeds("jobs", "logs", job), "read me")
}

func TestJSONThatIsAskedForIsJSON(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("s.yaml", "tasks: [{module: StdOut, props: {msg: hello}}]\n")
	r := p.millrace("run", "-i", "json", "-f", "s.yaml")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, "s.yaml is not JSON")
	require.Equal(t, "hello\n", p.succeeds("run", "-i", "yaml", "-f", "s.yaml"))
}
