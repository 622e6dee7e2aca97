package proc_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/proc"
)

func TestAScopedProgramSignalsNobodyButItsOwn(t *testing.T) {
	script := fmt.Sprintf("sleep 60 & kill -9 $! || exit 3; kill -0 %d", os.Getpid())
	cmd := proc.Cmd{Path: "sh", Args: []string{"-c", script}}
	exit, err := new(proc.Local).Run(t.Context(), cmd)
	require.NoError(t, err)
	require.Equal(t, 0, exit.Code, "without a scope it may")
	exit, err = (&proc.Local{Scoped: true}).Run(t.Context(), cmd)
	require.NoError(t, err)
	if !proc.CanScope() { // an older kernel: it runs all the same, and launch says what is missing
		require.Equal(t, 0, exit.Code)
		return
	}
	require.Equal(t, 1, exit.Code)
}

func TestAScopedProgramIsStoppedLikeAnyOther(t *testing.T) {
	l := &proc.Local{Scoped: true}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			cmd := self(t, "deaf")
			r := &recorder{onReady: func(int) { stop() }}
			cmd.Stdout, cmd.Grace = r, 50*time.Millisecond
			exit, err := l.Run(ctx, cmd)
			if err == nil || exit.Signal == "" {
				t.Errorf("ended with %+v, %v", exit, err)
			}
		})
	}
	wg.Wait()
	require.Empty(t, proc.Descendants(os.Getpid()))
}
