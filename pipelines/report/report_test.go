package report_test

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/redact"
	"github.com/millrace/millrace/modules/workspace"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/pipelines/report"
)

// input is a run of n tasks, two of which ran at once, and a workspace with outputs.
func input(t testing.TB, n int) report.Input {
	t.Helper()
	dir := t.TempDir()
	ws, err := workspace.Open(dir, workspace.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ws.Close()) })
	for name, size := range map[string]int{
		"in/chair.stl": 41_200_000, "outputs/chair.glb": 3_100_000, "outputs/views/front view.png": 0, "outputs/a:b<i>.txt": 10,
	} {
		require.NoError(t, ws.MkdirAll(filepath.Dir(name)))
		require.NoError(t, ws.WriteFile(name, make([]byte, size)))
	}
	picture(t, filepath.Join(dir, "outputs/views/front view.png"))
	start := time.Date(2026, 3, 1, 10, 20, 30, 0, time.UTC)
	at := func(s float64) time.Time { return start.Add(time.Duration(s * float64(time.Second))) }
	run := &engine.Run{
		Pipeline: "stl_to_glb", Digest: "sha256:3b1f", Status: engine.Succeeded, Started: start, Ended: at(float64(n) * 2), Total: n,
		Warnings: []string{`task "Thumbnail": <b>no GPU</b>`},
		Result:   map[string]any{"optimized": map[string]any{"dest": "outputs/chair.glb", "token": "s3cr3t-value"}},
	}
	for i := range n {
		run.Tasks = append(run.Tasks, engine.TaskRun{
			Index: i, Name: fmt.Sprintf("Task %d", i), Module: "Shell", Status: engine.Succeeded, Tries: 1, Started: at(float64(i) * 2), Ended: at(float64(i)*2 + 3),
		})
	}
	run.Tasks[0].Output = map[string]any{"src": "in/chair.stl", "dest": "outputs/chair.glb", "size": "3100000"}
	run.Tasks[0].Read = []modules.File{{Path: "in/chair.stl", Bytes: 41_200_000, Triangles: 824_000}}
	run.Tasks[0].Made = []modules.File{{Path: "outputs/chair.glb", Bytes: 3_100_000, Triangles: 50_000}}
	return report.Input{
		Run: run, Workspace: ws, Redact: new(redact.Set),
		Job: map[string]any{"id": "job-7", "title": "Chair <script>", "attempt": 2, "customerId": "acme"},
	}
}

func picture(t testing.TB, name string) {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 400, 300))
	for y := range 300 {
		for x := range 400 {
			img.Set(x, y, color.RGBA{uint8(x / 2), uint8(y / 2), 160, 255})
		}
	}
	f, err := os.Create(name)
	require.NoError(t, err)
	require.NoError(t, png.Encode(f, img))
	require.NoError(t, f.Close())
}

func TestAReportShowsTheRunAndItsFiles(t *testing.T) {
	in := input(t, 3)
	in.Run.Tasks[1].Status, in.Run.Tasks[1].Soft = engine.Failed, true
	in.Run.Tasks[1].Failure = &engine.Failure{Message: "exit code 2: <oops>"}
	in.Run.Tasks[2].Status, in.Run.Tasks[2].Started = engine.Skipped, time.Time{}
	in.Redact.Add("s3cr3t-value")
	written(t, report.Auto, in)
	page, err := in.Workspace.ReadFile("outputs/report.html")
	require.NoError(t, err)
	for _, want := range []string{
		"<h1>Chair &lt;script&gt;</h1>", `<span class="pill succeeded">`, `<span class="mono">job-7</span>`, "1 March 2026, 10:20:30 UTC",
		`<a href="views/front%20view.png"><img src="data:image/png;base64,`, `alt="views/front view.png"`, `<a href="./a:b%3Ci%3E.txt">a:b&lt;i&gt;.txt</a>`,
		"39.3 MiB → 3.0 MiB (−92 %)", "824,000 → 50,000 triangles (−94 %)", "exit code 2: &lt;oops&gt;", `class="row failed soft"`, ">skipped<", "&lt;b&gt;no GPU",
		`style="left: 33.33%; width: 50%"`, "<b>2 / 3</b><span>tasks done, 1 skipped",
	} {
		require.Contains(t, string(page), want)
	}
	for _, unwanted := range []string{"s3cr3t", "<script", "http://", "https://", "<b>no GPU"} {
		require.NotContains(t, string(page), unwanted)
	}
}

func TestARunGetsAReportWhenItIsToHaveOne(t *testing.T) {
	bare := func(t *testing.T) report.Input {
		in := input(t, 1)
		require.NoError(t, in.Workspace.RemoveAll("outputs"))
		return in
	}
	for _, tt := range []struct {
		name  string
		when  report.When
		input func(*testing.T) report.Input
		want  bool
	}{
		{"it left outputs", report.Auto, func(t *testing.T) report.Input { return input(t, 1) }, true},
		{"it left none", report.Auto, bare, false},
		{"it left none, and all are to have one", report.Always, bare, true},
		{"none are to have one", report.Never, func(t *testing.T) report.Input { return input(t, 1) }, false},
		{"it failed, so its outputs are not published", report.Always, func(t *testing.T) report.Input {
			in := input(t, 1)
			in.Run.Status = engine.Failed
			return in
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := tt.input(t)
			written(t, tt.when, in)
			_, err := in.Workspace.Stat("outputs/report.html")
			require.Equal(t, tt.want, err == nil)
		})
	}
}

func TestAJobsOwnReportIsKept(t *testing.T) {
	in := input(t, 1)
	require.NoError(t, in.Workspace.WriteFile("outputs/report.html", []byte("mine")))
	written(t, report.Auto, in)
	own, err := in.Workspace.ReadFile("outputs/report.html")
	require.NoError(t, err)
	require.Equal(t, "mine", string(own))
	page, err := in.Workspace.ReadFile("outputs/report-2.html")
	require.NoError(t, err)
	require.Contains(t, string(page), "</html>")
}

func written(t *testing.T, when report.When, in report.Input) string {
	t.Helper()
	name, err := report.Config{When: when}.Write(t.Context(), in)
	require.NoError(t, err)
	return name
}

func TestOperatorsShapeTheReport(t *testing.T) {
	dir := t.TempDir()
	own := filepath.Join(dir, "report.html")
	require.NoError(t, os.WriteFile(own, []byte(`{% extends "default/report.html" %}{% block footer %}ACME · {{ block.super }}{% endblock %}`), 0o600))
	c := report.Config{Documents: dir}
	page, err := c.Page(t.Context(), input(t, 1), "files/outputs/")
	require.NoError(t, err)
	require.Contains(t, page, "<footer>ACME · Pipeline")
	require.Contains(t, page, `href="files/outputs/views/front%20view.png"`)

	require.NoError(t, os.WriteFile(own, []byte("<p>\n{% include 'x' %}"), 0o600))
	require.ErrorContains(t, c.Check(), `report.html:2: there is no tag "include"`)
}

func TestEveryTextOfARunIsEscaped(t *testing.T) {
	in := input(t, 2)
	evil := `"'><script>alert(1)</script>`
	in.Run.Pipeline, in.Run.Digest, in.Run.Entry, in.Run.Status = evil, evil, evil, engine.Failed
	in.Run.Failure = &engine.Failure{Message: evil, Task: evil, Place: evil}
	in.Run.Tasks[0].Name, in.Run.Tasks[0].Module, in.Run.Tasks[0].Failure = evil, evil, in.Run.Failure
	in.Run.Tasks[0].Output["src"], in.Run.Warnings, in.Run.Result = evil, []string{evil}, map[string]any{evil: evil}
	for key := range in.Job {
		in.Job[key] = evil
	}
	require.NoError(t, in.Workspace.WriteFile("outputs/\"><script>.png", nil))
	page, err := report.Config{}.Page(t.Context(), in, "")
	require.NoError(t, err)
	require.NotContains(t, page, "<script")
	require.Equal(t, 1, strings.Count(page, "<main>"))
}

func BenchmarkReportOfTwentyTasks(b *testing.B) {
	in := input(b, 20)
	for b.Loop() {
		if _, err := (report.Config{}).Page(b.Context(), in, ""); err != nil {
			b.Fatal(err)
		}
	}
}
