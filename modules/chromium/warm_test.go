package chromium_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/chromium"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/threejs"
)

// browsers are the processes whose folder is one of this test's.
func browsers(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pid := range proc.Descendants(os.Getpid()) {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if strings.Contains(string(line), os.TempDir()) && !strings.Contains(string(line), "--type=") {
			all = append(all, fmt.Sprint(pid))
		}
	}
	return all
}

func TestABrowserIsKeptForTheNextModelAndNoLonger(t *testing.T) {
	c := here(t)
	c.Warm = chromium.NewWarm()
	job := chromium.Job{Model: box, Width: 16, Height: 16, Views: make([]threejs.View, 1)}
	draw := func(ctx context.Context, model string) error {
		own := job
		own.Model = model
		r, err := c.Draw(ctx, own, func(_ int, p chromium.Picture) error {
			require.Equal(t, uint8(255), p.Image.RGBAAt(8, 8).A)
			return nil
		})
		if err == nil {
			require.Equal(t, int64(12), r.Triangles)
			require.Positive(t, r.Stats.MaxMem, "of one that is kept, too")
		}
		return err
	}
	require.NoError(t, c.Ready(t.Context()))
	require.NoError(t, c.Ready(t.Context()), "which has a page open")
	first := browsers(t)
	require.Len(t, first, 1)
	for range 2 {
		require.NoError(t, draw(t.Context(), box))
	}
	require.Equal(t, first, browsers(t))

	bad := filepath.Join(t.TempDir(), "bad.glb")
	require.NoError(t, os.WriteFile(bad, []byte("hello"), 0o600))
	require.ErrorContains(t, draw(t.Context(), bad), "Unexpected token")
	require.Empty(t, browsers(t), "one that has failed is not trusted")
	require.NoError(t, draw(t.Context(), box))

	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	err := draw(ctx, box)
	require.EqualError(t, err, "enough")
	require.NoError(t, c.Ready(t.Context()))
	c.Warm.Close()
	require.Empty(t, browsers(t))
	nothing(t)
}
