package main_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGraphDrawsAPipelineAsMermaidAndSVG(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("preview.yaml", preview)
	out := p.succeeds("graph", "preview.yaml")
	require.Contains(t, out, "flowchart TD\n")
	require.Contains(t, out, `  g0t2["<b>Thumbnail</b><br/>ScreenshotGenerator<br/><i>when picture</i><br/>may fail"]`)
	require.Contains(t, out, "  g0t0 --> g0t1\n  g0t0 --> g0t2\n  g0t0 --> g0t3\n  g0t0 --> g0t4\n  g0t1 --> g0t5\n  g0t2 --> g0t5\n  g0t4 --> g0t5\n")
	require.NotContains(t, out, "StdErr")
	require.Contains(t, p.succeeds("graph", "preview.yaml", "--callbacks"), "onError → StdErr")
	svg := p.succeeds("graph", "preview.yaml", "--format", "svg")
	require.Contains(t, svg, `<svg xmlns="http://www.w3.org/2000/svg"`)
	require.Contains(t, svg, ">Thumbnail</text>")
	require.Equal(t, 2, p.millrace("graph", "preview.yaml", "--format", "png").code)
}

func TestGraphDrawsTheTasksThatValuesMake(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.env = []string{"API_TOKEN=hush"}
	p.write("batch.yaml", batch)
	require.Contains(t, p.succeeds("graph", "batch.yaml", `assets=["chair","table"]`), "  g0t0 --> g0t1\n")
	require.NotContains(t, p.succeeds("graph", "batch.yaml", `assets=["chair"]`), "-->")
	p.write("token.yaml", "tasks:\n  {% for x in [1] %}\n  - {name: 'is {{ env.API_TOKEN }}', module: Shell, props: {command: ls}}\n  {% endfor %}\n")
	require.NotContains(t, p.succeeds("graph", "token.yaml", "--allow-env", "API_TOKEN"), "hush")
}

func TestGraphDrawsAllEntriesOrOne(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("two.yaml", twoEntries)
	out := p.succeeds("graph", "two.yaml")
	require.Contains(t, out, `subgraph g0["entry hello"]`)
	require.Contains(t, out, `subgraph g1["entry bye"]`)
	out = p.succeeds("graph", "two.yaml", "--entry", "bye")
	require.Contains(t, out, `subgraph g0["entry bye"]`)
	require.NotContains(t, out, "hello")
	require.Contains(t, p.millrace("graph", "two.yaml", "--entry", "by").stderr, `did you mean "bye"?`)
}

func TestTheGraphInTheDocsIsThatOfItsPipeline(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for _, b := range examples(t, "docs/pipelines.md", "yaml") {
		if name, ok := b.fileName(); ok && name == "preview.yaml" {
			p.write(name, b.text)
		}
	}
	drawn := examples(t, "docs/pipelines.md", "mermaid")
	require.Len(t, drawn, 1)
	require.Equal(t, drawn[0].text, p.succeeds("graph", "preview.yaml"))
}
