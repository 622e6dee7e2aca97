//go:build bench

package pipelines_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestBenchLint holds reading and linting a thousand tasks against its bar.
func TestBenchLint(t *testing.T) {
	const bar = 100 * time.Millisecond
	r := testing.Benchmark(BenchmarkCheck1000Tasks)
	took := time.Duration(r.NsPerOp())
	fmt.Printf("%-52s %10.1f ms (bar: ≤ 100)\n", "lint: read and lint 1,000 tasks", took.Seconds()*1000)
	require.Less(t, took, bar)
}
