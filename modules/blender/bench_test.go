//go:build bench

package blender_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blender"
)

// TestBenchWarm holds 20 small DAE and USD files through one Blender against one for each.
func TestBenchWarm(t *testing.T) {
	b := warm(t)
	usd := job(t, models+"/Collada/duck.dae", blender.USDC)
	_, _, err := b.Convert(t.Context(), usd)
	require.NoError(t, err)
	files := []string{usd.Dest}
	for _, name := range []string{"duck.dae", "sphere.dae", "cube_triangulate.dae", "Cinema4D.dae", "cube_with_2UVs.DAE"} {
		files = append(files, filepath.Join(models, "Collada", name))
	}
	run := func(b blender.Blender) time.Duration {
		began := time.Now()
		for i := range 20 {
			j := job(t, files[i%len(files)], blender.GLB)
			j.Roots = append(j.Roots, filepath.Dir(usd.Dest))
			_, _, err := b.Convert(t.Context(), j)
			require.NoError(t, err, j.Src)
		}
		return time.Since(began)
	}
	kept := run(b)
	cold := b
	cold.Warm = nil
	each := run(cold)
	fmt.Printf("20 small DAE and USD files: warm %v, cold %v, %.1f times\n", kept.Round(time.Millisecond), each.Round(time.Millisecond), float64(each)/float64(kept))
	require.GreaterOrEqual(t, each, 3*kept)
}
