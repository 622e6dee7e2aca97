//go:build bench

package nunjucks

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What is promised of the common pipeline, where Nunjucks on Node takes nodeCached for it. A machine that is slow or busy
// is so for both: the bars grow with what Node takes in the same run.
const (
	cachedBar   = 10 * time.Microsecond
	uncachedBar = 50 * time.Microsecond
	nodeCached  = 17 * time.Microsecond
)

// TestBenchTemplates measures both engines one after the other, each at the same template with the same variables.
func TestBenchTemplates(t *testing.T) {
	var assets []any
	for i := range 10 {
		assets = append(assets, fmt.Sprintf("asset%d.fbx", i))
	}
	vars := map[string]any{"assets": assets, "output_format": "glb", "workspace": "/home/workspace"}
	p := startNode(t)
	e := New(Config{NegativeIndex: true})
	batch := batchTemplate(t)
	tmpl, err := e.Parse("batch", batch)
	require.NoError(t, err)

	const times = 20_000
	var node struct{ Cached, Uncached float64 }
	require.NoError(t, p.in.Encode(map[string]any{"src": batch, "vars": vars, "times": times}))
	require.NoError(t, p.answer(&node))
	ctx := t.Context()
	cached := each(t, times, func() error {
		_, err := tmpl.Render(ctx, vars)
		return err
	})
	uncached := each(t, times, func() error {
		tmpl, err := e.Parse("batch", batch)
		if err != nil {
			return err
		}
		_, err = tmpl.Render(ctx, vars)
		return err
	})
	fmt.Printf("%-52s %10.2f µs (bar: ≤ 10; Nunjucks on Node: %.2f)\n", "template: pipeline of 10 assets, parsed before", micros(cached), node.Cached*1e6)
	fmt.Printf("%-52s %10.2f µs (bar: ≤ 50; Nunjucks on Node: %.2f)\n", "template: the same, parsed and rendered", micros(uncached), node.Uncached*1e6)
	slow := max(1, node.Cached/nodeCached.Seconds())
	require.Less(t, cached.Seconds(), slow*cachedBar.Seconds())
	require.Less(t, uncached.Seconds(), slow*uncachedBar.Seconds())
}

// batchTemplate is the pipeline over many assets, as the corpus has it.
func batchTemplate(t *testing.T) string {
	t.Helper()
	var cases []conformanceCase
	readTestdata(t, "corpus_open.json", &cases)
	i := slices.IndexFunc(cases, func(c conformanceCase) bool { return c.Name == "pipeline/batch_assets_full" })
	require.GreaterOrEqual(t, i, 0)
	return cases[i].Template
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// each is the time of one call: the median of twenty rounds, after one to warm up.
func each(t *testing.T, times int, f func() error) time.Duration {
	t.Helper()
	const rounds = 20
	var took []time.Duration
	for round := range rounds + 1 {
		start := time.Now()
		for range times / rounds {
			if err := f(); err != nil {
				t.Fatal(err)
			}
		}
		if round > 0 {
			took = append(took, time.Since(start)/time.Duration(times/rounds))
		}
	}
	slices.Sort(took)
	return took[rounds/2]
}
