//go:build bench

package stl2obj_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/raster/mesh"
	"github.com/millrace/millrace/modules/stl2obj"
)

// binaryPLY is triangles that share their vertices, as PLY has them.
func binaryPLY(triangles []triangle) []byte {
	w := mesh.NewWelder()
	var faces bytes.Buffer
	for _, t := range triangles {
		faces.WriteByte(byte(len(t)))
		for _, v := range t {
			i, _ := w.Add(v)
			_ = binary.Write(&faces, binary.LittleEndian, i) // into memory
		}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "ply\nformat binary_little_endian 1.0\nelement vertex %d\nproperty float x\nproperty float y\nproperty float z\n"+
		"element face %d\nproperty list uchar uint vertex_indices\nend_header\n", len(w.Positions()), len(triangles))
	_ = binary.Write(&b, binary.LittleEndian, w.Positions())
	return append(b.Bytes(), faces.Bytes()...)
}

// TestBenchBesideAssimp converts the same files, ours in this process and Debian's assimp in its own, in turns, file to file.
func TestBenchBesideAssimp(t *testing.T) {
	const side, rounds = 187, 9 // 69,938 triangles
	triangles := torus(side, side)
	for _, f := range []struct {
		name, file string
		data       []byte
		bar        float64
	}{
		{"binary STL", "in.stl", binarySTL("bench", triangles), 5},
		{"ASCII STL", "in.stl", asciiSTL("bench", triangles), 3},
		{"binary PLY", "in.ply", binaryPLY(triangles), 5},
	} {
		c, _ := moduletest.Call(t)
		require.NoError(t, c.Workspace.WriteFile(f.file, f.data))
		at := c.Workspace.Real()
		ours := func() {
			_, err := stl2obj.Module.Run(t.Context(), c, map[string]any{"src": f.file, "dest": "ours.obj"})
			require.NoError(t, err)
		}
		theirs := func() {
			said, err := exec.CommandContext(t.Context(), "assimp", "export", filepath.Join(at, f.file), filepath.Join(at, "theirs.obj")).CombinedOutput()
			require.NoError(t, err, string(said))
		}
		var took [2][]time.Duration
		for range rounds {
			for i, side := range []func(){ours, theirs} {
				began := time.Now()
				side()
				took[i] = append(took[i], time.Since(began))
			}
		}
		for _, name := range []string{"ours.obj", "theirs.obj"} {
			text, err := os.ReadFile(filepath.Join(at, name))
			require.NoError(t, err)
			require.Equal(t, len(triangles), bytes.Count(text, []byte("\nf ")), name)
		}
		us, them := slices.Min(took[0]), slices.Min(took[1]) // the shortest: other work on the machine makes times longer, never shorter
		fmt.Printf("%-52s %10.1f ms, assimp %.1f ms: %.1f × (bar: ≥ %v)\n", "STL2OBJ: "+f.name+", 69,938 triangles", ms(us), ms(them), ms(them)/ms(us), f.bar)
		require.GreaterOrEqual(t, ms(them)/ms(us), f.bar, f.name)
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
