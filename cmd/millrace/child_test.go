package main_test

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	main "github.com/millrace/millrace/cmd/millrace"
)

// A job that needs much memory must not be left with what suits one that needs little.
func TestAfterTheFirstCollectionAChildCollectsAsEver(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	percent := func() uint64 {
		s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(s)
		return s[0].Value.Uint64()
	}
	main.CollectLate()
	require.Greater(t, percent(), uint64(100))
	require.Eventually(t, func() bool { runtime.GC(); return percent() == 100 }, 10*time.Second, 10*time.Millisecond)
}
