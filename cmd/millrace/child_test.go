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
	require.Equal(t, uint64(600), percent())
	for end := time.Now().Add(10 * time.Second); percent() != 100 && time.Now().Before(end); {
		runtime.GC() // what is said to follow it does so in a goroutine
	}
	require.Equal(t, uint64(100), percent())
}
