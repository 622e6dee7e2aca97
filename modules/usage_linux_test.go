package modules_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
)

func TestWorkInThisProcessIsMeasured(t *testing.T) {
	end := modules.Measure()
	block := make([]byte, 32<<20)
	for began := time.Now(); time.Since(began) < 50*time.Millisecond; {
		for i := range block {
			block[i]++
		}
	}
	s := end()
	require.GreaterOrEqual(t, s.Elapsed, int64(50))
	require.Greater(t, s.MaxCPU, 1.0)
	require.Greater(t, s.MaxMem, int64(32<<20))
}
