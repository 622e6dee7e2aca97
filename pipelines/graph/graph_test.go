package graph_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/graph"
)

var update = flag.Bool("update", false, "write the golden files anew")

type task = pipelines.Task

func calls(ev pipelines.Event, names ...string) map[pipelines.Event][]pipelines.Callback {
	var list []pipelines.Callback
	for _, n := range names {
		list = append(list, pipelines.Callback{Module: n})
	}
	return map[pipelines.Event][]pipelines.Callback{ev: list}
}

// hello is a chain of one.
func hello() *pipelines.Pipeline {
	return &pipelines.Pipeline{Name: "Hello World", Tasks: []task{{Name: "Greet", Module: "Shell"}}}
}

// preview has two branches that meet, and all that a box can say.
func preview() *pipelines.Pipeline {
	return &pipelines.Pipeline{
		Name: "Preview",
		Tasks: []task{
			{Name: "Fetch", Module: "Shell"},
			{Name: "Convert", Module: "STL2OBJ", After: []int{0}},
			{Name: "Thumbnail", Module: "ScreenshotGenerator", After: []int{0}, Soft: true, When: "thumbnail and fetched.stats.size < 50000000", Callbacks: calls(pipelines.OnError, "StdErr", "Http")},
			{Name: "Render", Module: "Render", After: []int{1}, GPU: &gpu.Need{Use: gpu.Required, Count: 2, Memory: 16 << 30, Encoder: true}},
			{Name: "Join", Module: "Zip", After: []int{0, 1, 2, 3}},
		},
		Callbacks: calls(pipelines.OnEnd, "Http"),
	}
}

// mesh is three diamonds of twelve tasks, with lines that pass rows.
func mesh() *pipelines.Pipeline {
	names := []string{"fetch", "check", "split", "mesh A", "mesh B", "mesh C", "bake", "textures", "merge", "thumbnail", "viewer", "publish"}
	after := [][]int{{}, {0}, {0}, {2}, {2}, {1, 2}, {3, 4}, {2}, {5, 6}, {1}, {8, 7}, {9, 10}}
	p := &pipelines.Pipeline{Name: "Diamond mesh"}
	for i, n := range names {
		p.Tasks = append(p.Tasks, task{Name: n, Module: "Shell", After: after[i]})
	}
	return p
}

func chain(n int) *pipelines.Pipeline {
	p := &pipelines.Pipeline{Name: "Chain"}
	for i := range n {
		t := task{Name: fmt.Sprintf("Process model%d.fbx", i), Module: "AssetConverter"}
		if i > 0 {
			t.After = []int{i - 1}
		}
		p.Tasks = append(p.Tasks, t)
	}
	return p
}

// fan is one task, n that follow it at once, and one that waits for them.
func fan(n int) *pipelines.Pipeline {
	p := &pipelines.Pipeline{Name: "Fan", Tasks: []task{{Name: "begin", Module: "Shell"}}}
	last := task{Name: "end", Module: "Shell"}
	for i := range n {
		p.Tasks = append(p.Tasks, task{Name: fmt.Sprintf("part %d", i), Module: "Shell", After: []int{0}})
		last.After = append(last.After, i+1)
	}
	p.Tasks = append(p.Tasks, last)
	return p
}

// tangle is n tasks in rows of eight, each of which waits for three before it, some of them far away.
func tangle(n int) *pipelines.Pipeline {
	p := &pipelines.Pipeline{Name: "Tangle"}
	for i := range n {
		t := task{Name: fmt.Sprintf("task %d", i), Module: "Shell"}
		for _, back := range []int{8, 9 + i%5, 20 + i%17} {
			if i >= back {
				t.After = append([]int{i - back}, t.After...)
			}
		}
		p.Tasks = append(p.Tasks, t)
	}
	return p
}

// entries is a document of its own tasks and two entries, one without tasks.
func entries() *pipelines.Pipeline {
	p := hello()
	p.Entries = []pipelines.Entry{{Name: "preview", Tasks: preview().Tasks}, {Name: "nothing"}}
	return p
}

// hostile has names that mean something to Mermaid, HTML, XML, CSS, YAML and a terminal.
func hostile() *pipelines.Pipeline {
	names := []string{
		`"] --> x["`, "a\n  end\n  t9 --> t0", "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "]]>&amp;#34;", "style a:b#35;c;",
		"`**bold** 1. list`", "%%{init: {\"theme\":\"dark\"}}%%", "end", "click g0t0 call alert()", "\x1b[31mred\x00\u202egnp.exe", "\xff\xfe bad",
		strings.Repeat("long ", 400), "日本語の名前はとても長いので切られるかもしれませんよね", "{{ asset }}", "::: class", "---", "$(id)", "", "1. one",
	}
	p := &pipelines.Pipeline{Name: "---\ntitle: </title><script>\" #quot; \\"}
	for i, n := range names {
		t := task{Name: n, Module: n, When: n}
		if i > 0 {
			t.After = []int{i - 1}
		}
		p.Tasks = append(p.Tasks, t)
	}
	p.Callbacks = calls(pipelines.OnEnd, names[0], names[2])
	p.Entries = []pipelines.Entry{{Name: names[2], Tasks: p.Tasks[:2]}}
	return p
}

var all = map[string]func() *pipelines.Pipeline{
	"hello": hello, "preview": preview, "mesh": mesh, "entries": entries, "hostile": hostile,
	"chain8": func() *pipelines.Pipeline { return chain(8) },
}

func svg(t *testing.T, p *pipelines.Pipeline) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, graph.New(p).SVG(&b))
	return b.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "`go test ./pipelines/graph -update` writes %s anew", path)
}

func TestTheTextsAndPicturesAreTheReviewedOnes(t *testing.T) {
	for name, p := range all {
		golden(t, name+".mmd", graph.New(p()).Mermaid())
		golden(t, name+".svg", svg(t, p()))
	}
}

func TestArrowsThatFollowFromOthersAreLeftOut(t *testing.T) {
	g := graph.New(&pipelines.Pipeline{Tasks: []task{{}, {After: []int{0}}, {After: []int{0, 1}}, {After: []int{0, 1, 2, 4}}, {}}})
	var after [][]int
	for _, t := range g.Groups[0].Tasks {
		after = append(after, t.After)
	}
	require.Equal(t, [][]int{nil, {0}, {1}, {2, 4}, nil}, after)
	require.Equal(t, 4, g.Edges())
}

func TestAGraphWithoutCallbacksHasNone(t *testing.T) {
	g := graph.New(preview())
	require.Contains(t, g.Mermaid(), "StdErr")
	bare := g.WithoutCallbacks()
	require.NotContains(t, bare.Mermaid(), "StdErr")
	require.NotContains(t, bare.Mermaid(), "onEnd")
	require.Contains(t, g.Mermaid(), "StdErr", "the graph itself stays whole")
}

func TestCallbacksStandInTheOrderInWhichTheyHappen(t *testing.T) {
	p := hello()
	p.Callbacks = map[pipelines.Event][]pipelines.Callback{}
	for _, ev := range pipelines.PipelineEvents {
		p.Callbacks[ev] = []pipelines.Callback{{Module: "StdOut"}}
	}
	require.Equal(t, []string{
		"onStart → StdOut", "onLog → StdOut", "onDebug → StdOut", "onSuccess → StdOut", "onError → StdOut", "onFailure → StdOut", "onEnd → StdOut",
	}, graph.New(p).Callbacks)
}

// A rect is a box of a picture, in the picture's coordinates.
type rect struct{ x, y, w, h float64 }

// boxes reads a picture as XML and returns its boxes and the ends of its wires.
func boxes(t *testing.T, picture string) (boxes []rect, wires int) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(picture))
	d.Strict = true
	var at []rect
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return boxes, wires
		}
		require.NoError(t, err)
		switch e := token.(type) {
		case xml.StartElement:
			require.Contains(t, []string{"svg", "title", "style", "g", "rect", "path", "text"}, e.Name.Local)
			a := map[string]string{}
			for _, attr := range e.Attr {
				a[attr.Name.Local] = attr.Value
				require.NotContains(t, attr.Name.Local, "on")
			}
			here := rect{}
			if len(at) > 0 {
				here = at[len(at)-1]
			}
			if move := a["transform"]; move != "" {
				var dx, dy float64
				_, err := fmt.Sscanf(move, "translate(%f %f)", &dx, &dy)
				require.NoError(t, err)
				here.x, here.y = here.x+dx, here.y+dy
			}
			at = append(at, here)
			if strings.HasPrefix(a["class"], "box") {
				boxes = append(boxes, rect{here.x, here.y, number(t, a["width"]), number(t, a["height"])})
			}
			if a["class"] == "wire" {
				wires++
			}
		case xml.EndElement:
			at = at[:len(at)-1]
		}
	}
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	require.NoError(t, err)
	return v
}

func TestPicturesAreXMLWhoseBoxesDoNotOverlap(t *testing.T) {
	big := map[string]func() *pipelines.Pipeline{
		"chain":  func() *pipelines.Pipeline { return chain(1000) },
		"fan":    func() *pipelines.Pipeline { return fan(1000) },
		"tangle": func() *pipelines.Pipeline { return tangle(1000) },
	}
	for _, pipelines := range []map[string]func() *pipelines.Pipeline{all, big} {
		for name, p := range pipelines {
			t.Run(name, func(t *testing.T) {
				began := time.Now()
				picture := svg(t, p())
				require.Less(t, time.Since(began), 5*time.Second)
				found, _ := boxes(t, picture)
				require.NotEmpty(t, found)
				for i, a := range found {
					for _, b := range found[:i] {
						require.False(t, a.x < b.x+b.w && b.x < a.x+a.w && a.y < b.y+b.h && b.y < a.y+a.h, "%v and %v overlap", a, b)
					}
				}
			})
		}
	}
}

func TestAPictureThatNobodyCouldLookAtIsRefused(t *testing.T) {
	err := graph.New(chain(6000)).SVG(io.Discard)
	require.EqualError(t, err, "6000 tasks: the picture would be too large to be looked at; draw one entry, or take the form mermaid")
}
