package nunjucks

import (
	"bufio"
	"context"
	"encoding/json"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// A nodeProcess is real Nunjucks at work (testdata/nunjucks.js).
type nodeProcess struct {
	in  *json.Encoder
	out *bufio.Reader

	Filters, Tests, Globals []string // that it knows
}

func startNode(t testing.TB) *nodeProcess {
	t.Helper()
	folder, err := filepath.Abs("../../.tools/npm/node_modules/nunjucks")
	require.NoError(t, err)
	if exec.Command("node", "-e", "require(process.argv[1])", folder).Run() != nil {
		t.Skip("Node or Nunjucks is missing: make tools")
	}
	cmd := exec.Command("node", filepath.Join("testdata", "nunjucks.js"), folder)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, in.Close())
		require.NoError(t, cmd.Wait())
	})
	p := &nodeProcess{in: json.NewEncoder(in), out: bufio.NewReader(out)}
	require.NoError(t, p.in.Encode(map[string]any{"files": files}))
	require.NoError(t, p.answer(p))
	return p
}

func (p *nodeProcess) answer(into any) error {
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return err
	}
	return json.Unmarshal(line, into)
}

// A verdict is what one engine made of a sample.
type verdict struct {
	Out     *string
	Err     string
	Guarded bool // not run: Node would hang
}

func (v verdict) agrees(with verdict) bool {
	if v.Out == nil || with.Out == nil {
		return v.Out == nil && with.Out == nil
	}
	return *v.Out == *with.Out
}

func (v verdict) String() string {
	if v.Out == nil {
		return "error: " + v.Err
	}
	return strconv.Quote(*v.Out)
}

// ours renders a sample.
func (s sample) ours(ctx context.Context) verdict {
	tmpl, err := New(Config{Autoescape: s.Autoescape, ThrowOnUndefined: s.ThrowOnUndefined, Loader: loadFile}).Parse("test", s.Src)
	if err != nil {
		return verdict{Err: err.Error()}
	}
	out, err := tmpl.Render(ctx, s.Vars)
	if err != nil {
		return verdict{Err: err.Error()}
	}
	return verdict{Out: &out}
}

func loadFile(name string) (string, error) {
	src, ok := files[name]
	if !ok {
		return "", fs.ErrNotExist
	}
	return src, nil
}

// A tally counts what a comparison came to.
type tally struct {
	rendered, failed, guarded int
	classes                   map[string]int
	used                      map[string]int // templates that Node renders, by what they hold
}

// compare renders n templates of a generator in both engines.
func (p *nodeProcess) compare(t testing.TB, g *generator, n int) tally {
	t.Helper()
	count := tally{classes: map[string]int{}, used: map[string]int{}}
	const batch = 50 // that Node works at while we do
	for done := 0; done < n; done += batch {
		samples := make([]sample, min(batch, n-done))
		for i := range samples {
			samples[i] = g.sample()
		}
		var verdicts []verdict
		sent := make(chan error, 1)
		go func() { sent <- p.send(samples) }()
		for _, s := range samples {
			verdicts = append(verdicts, s.ours(t.Context()))
		}
		answers := make([]verdict, len(samples))
		for i := range answers {
			require.NoError(t, p.answer(&answers[i]))
		}
		require.NoError(t, <-sent)
		for i, s := range samples {
			count.add(t, p, s, answers[i], verdicts[i])
		}
	}
	return count
}

func (p *nodeProcess) send(samples []sample) error {
	for _, s := range samples {
		if err := p.in.Encode(s); err != nil {
			return err
		}
	}
	return nil
}

func (c *tally) add(t testing.TB, p *nodeProcess, s sample, node, ours verdict) {
	t.Helper()
	switch {
	case node.Guarded:
		c.guarded++
		return
	case node.Out == nil:
		c.failed++
	default:
		c.rendered++
		for name := range s.used {
			c.used[name]++
		}
	}
	if node.agrees(ours) {
		return
	}
	if class := p.class(t, s, node, ours); class != "" {
		c.classes[class]++
		return
	}
	vars, err := json.Marshal(s.Vars)
	require.NoError(t, err)
	t.Errorf("the engines disagree (autoescape %v, throwOnUndefined %v):\n%s\nwith %s\nNunjucks: %s\nours:     %s",
		s.Autoescape, s.ThrowOnUndefined, s.Src, vars, node, ours)
}

func TestRandomTemplatesRenderAsInNunjucks(t *testing.T) {
	const templates, least = 10_000, 50
	p := startNode(t)
	count := p.compare(t, newGenerator(1), templates)
	require.Less(t, count.guarded, templates/100)
	require.GreaterOrEqual(t, count.rendered, templates*60/100)
	for kind, names := range map[string][]string{
		"tag":      {"if", "elif", "elseif", "else", "for", "set", "macro", "call", "filter", "switch", "case", "default", "raw", "verbatim", "#", "include", "import", "from", "extends", "block"},
		"operator": {"+", "-", "*", "/", "//", "%", "**", "~", "negative", "positive", "==", "!=", "===", "!==", "<", ">", "<=", ">=", "and", "or", "not", "in", "not in", "if else", "[]"},
		"filter":   p.Filters,
		"test":     p.Tests,
		"global":   append(p.Globals, "super"),
		"method":   dialect(t)["methods"],
	} {
		fewest, rarest := templates, ""
		for _, name := range names {
			if n := count.used[kind+" "+name]; n < fewest {
				fewest, rarest = n, name
			}
		}
		require.GreaterOrEqual(t, fewest, least, "%s %s", kind, rarest)
		t.Logf("figure: differential: each of %d %ss in at least %d rendered templates (%s)", len(names), kind, fewest, rarest)
	}
	t.Logf("figure: differential: %d templates as in Nunjucks 3.2.4: %d rendered, %d refused by both, %d not run, in documented classes %v",
		templates, count.rendered, count.failed, count.guarded, count.classes)
}

// FuzzNunjucksAgrees compares templates of ever new seeds.
func FuzzNunjucksAgrees(f *testing.F) {
	f.Add(uint64(2))
	p := startNode(f)
	f.Fuzz(func(t *testing.T, seed uint64) { p.compare(t, newGenerator(seed), 50) })
}
