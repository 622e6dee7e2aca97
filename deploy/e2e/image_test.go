//go:build e2e && linux

package e2e_test

import (
	"context"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const handler = "/home/app/apps/handler/dist/index.js"

func TestTheImageStartsAsAnyUserOnAReadOnlyRoot(t *testing.T) {
	p := pod{name: "version", argv: []string{"sh", "-c", "millrace version && id -u && id -g && touch ~/x /tmp/x /home/workspace/x && ! touch /usr/x"}}
	p.start(t)
	code, log := p.end(t)
	require.Equal(t, "0", code, log)
	require.Contains(t, log, "millrace ")
	require.Contains(t, log, "\n1000680000\n0\n")
}

func TestTheImageSaysWhichToolsItHas(t *testing.T) {
	p := pod{name: "tools", argv: []string{"millrace", "modules", "--check", "--all"}}
	p.start(t)
	code, log := p.end(t)
	t.Log(log)
	if class() == "light" {
		require.Equal(t, "1", code)
		require.Contains(t, log, "missing, for ImageMagick")
		return
	}
	require.Equal(t, "0", code, log)
}

// What any user, or group 0, whose member every job is, could write to would be run by the jobs of others, where the root is
// not read-only.
func TestNothingOfTheImageIsOthersToWrite(t *testing.T) {
	p := pod{name: "modes", argv: []string{"sh", "-c", `find / -xdev \( -path /home -o -path /jobs \) -prune -o \( -type f -o -type d ! -perm -1000 \) \( -perm -002 -o -group 0 -perm -020 \) -print 2>/dev/null; echo looked`}}
	p.start(t)
	code, log := p.end(t)
	require.Equal(t, "0", code, log)
	require.Equal(t, "looked\n", log)
}

func TestAWorkerInThePodRunsAJobAndKeepsWhatItMade(t *testing.T) {
	part, err := os.ReadFile("testdata/part.stl")
	require.NoError(t, err)
	p := pod{
		name: "worker", argv: []string{"millrace", "work", "--read-paths", "/jobs"},
		files: map[string]string{"part.stl": string(part)},
	}
	p.start(t)
	p.running(t)
	id := strings.TrimSpace(p.inside(t, "millrace", "jobs", "run", "gear", "input=/jobs/part.stl", "width=320", "height=240"))
	p.inside(t, "millrace", "jobs", "watch", id)
	require.Contains(t, p.inside(t, "millrace", "jobs", "describe", id, "--json"), `"SUCCEEDED"`)

	picture := p.inside(t, "cat", "/home/workspace/.millrace/store/artifacts/"+id+"/1/part.png")
	drawn, err := png.Decode(strings.NewReader(picture))
	require.NoError(t, err)
	require.Equal(t, 320, drawn.Bounds().Dx())
	require.Equal(t, 240, drawn.Bounds().Dy())

	// The pod's own SIGTERM, as a scale-in sends it: the worker drains and ends well before the 30 s it is given.
	began := time.Now()
	p.inside(t, "sh", "-c", "kill -TERM 1")
	code, log := p.end(t)
	require.Equal(t, "0", code, log)
	require.Less(t, time.Since(began), 25*time.Second)
}

// The pipeline runs each kind of tool over a model of one colour, which a model without weights then names.
func TestTheToolsOfTheImageWorkInThePod(t *testing.T) {
	if class() == "light" {
		return // it has none, as TestTheImageSaysWhichToolsItHas shows
	}
	p := pod{name: "every-tool", argv: []string{"millrace", "run", "-f", "/jobs/every_tool.yaml"}, files: map[string]string{}}
	for _, file := range []string{"every_tool.yaml", "part.obj", "part.mtl", "colour.b64", "colour.yaml"} {
		text, err := os.ReadFile("testdata/" + file)
		require.NoError(t, err)
		p.files[file] = string(text)
	}
	p.start(t)
	code, log := p.end(t)
	require.Equal(t, "0", code, log)
	require.Contains(t, log, "drawn by three and cycles, looks red")
	require.Contains(t, log, "part.usdz: pass")
}

const greeting = `{name: hello, tasks: [{module: Shell, props: {command: "true"}}, {module: StdOut, props: {msg: "was greeted"}}]}`

func TestTheHandlersCommandLineRunsThePipeline(t *testing.T) {
	for _, tt := range []struct {
		name string
		argv []string
	}{
		{"node", []string{"node", handler, "-i", "yaml", "-f", "/jobs/job.yaml"}},
		{"node-options", []string{"node", "--max-old-space-size=4096", handler, "run", "-i", "yaml", "-f", "/jobs/job.yaml", "--debug", "--logger", "json"}},
		{"executable", []string{handler, "run", "-i", "yaml", "-f", "/jobs/job.yaml"}},
		{"stdin", []string{"sh", "-c", "node " + handler + " -i yaml </jobs/job.yaml"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := pod{name: "handler-" + tt.name, argv: tt.argv, files: map[string]string{"job.yaml": greeting}}
			p.start(t)
			code, log := p.end(t)
			require.Equal(t, "0", code, log)
			require.Contains(t, log, "was greeted")
		})
	}
}

func TestTheHandlersExitStatusIsThePipelines(t *testing.T) {
	p := pod{
		name: "handler-failing", argv: []string{"node", handler, "-i", "yaml", "-f", "/jobs/job.yaml"},
		files: map[string]string{"job.yaml": `{name: fails, tasks: [{module: Shell, props: {command: "false"}}]}`},
	}
	p.start(t)
	code, log := p.end(t)
	require.Equal(t, "1", code, log)
}

func TestTheHandlerPassesOnSIGTERM(t *testing.T) {
	p := pod{
		name: "handler-stopped", argv: []string{"node", handler, "-i", "yaml", "-f", "/jobs/job.yaml"},
		files: map[string]string{"job.yaml": `{name: waits, tasks: [{module: Shell, props: {command: sh, args: ["-c", "touch /home/workspace/began && sleep 600"]}}]}`},
	}
	p.start(t)
	p.running(t)
	p.inside(t, "sh", "-c", "until [ -e /home/workspace/began ]; do sleep 0.1; done; kill -TERM 1")
	code, log := p.end(t)
	require.Equal(t, "130", code, log)
}

// The image is pulled when a worker wakes from zero: what a registry sends is counted, not what it unpacks to.
func TestTheImageIsSmallEnoughToPull(t *testing.T) {
	const mib = 1 << 20
	folder := t.TempDir()
	_, err := command(t.Context(), upTime, "buildah", "push", "--quiet", image(), "oci:"+folder+":e2e")
	require.NoError(t, err)
	blobs, err := filepath.Glob(folder + "/blobs/sha256/*")
	require.NoError(t, err)
	require.NotEmpty(t, blobs)
	var size int64
	for _, blob := range blobs {
		info, err := os.Stat(blob)
		require.NoError(t, err)
		size += info.Size()
	}
	t.Logf("figure: image %s: %d MiB to pull", class(), size/mib)
	if class() == "light" {
		require.Less(t, size/mib, int64(100))
	}
}

func TestTheBinaryIsSmallAndStartsAtOnce(t *testing.T) {
	const mib = 1 << 20
	container, err := command(t.Context(), time.Minute, "buildah", "from", image())
	require.NoError(t, err)
	container = strings.TrimSpace(container)
	t.Cleanup(func() {
		_, err := command(context.Background(), time.Minute, "buildah", "rm", container)
		require.NoError(t, err)
	})
	root, err := command(t.Context(), time.Minute, "buildah", "mount", container)
	require.NoError(t, err)
	binary := filepath.Join(strings.TrimSpace(root), "usr/local/bin/millrace")
	info, err := os.Stat(binary)
	require.NoError(t, err)

	var took []time.Duration
	for range 11 {
		began := time.Now()
		_, err := command(t.Context(), time.Minute, binary, "version")
		require.NoError(t, err)
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	t.Logf("figure: image binary: %d MiB, starts in %v (median of 11)", info.Size()/mib, took[5].Round(100*time.Microsecond))
	require.Less(t, info.Size()/mib, int64(70))
	require.Less(t, took[5], 100*time.Millisecond)
}
