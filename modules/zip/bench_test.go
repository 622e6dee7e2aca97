//go:build bench

package zip_test

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/unzip"
	"github.com/millrace/millrace/modules/zip"
)

// rounds is how often each side runs, in turns.
const rounds = 3

// TestBenchZip packs and unpacks gears-200 beside Info-ZIP: files in, files out, the same folder, one run.
func TestBenchZip(t *testing.T) {
	c, _ := moduletest.Call(t)
	dir := c.Workspace.Real()
	size := gears200(t, dir)
	fmt.Printf("%-52s %10.2f MiB\n", "corpus gears-200", float64(size)/(1<<20))

	packUs, packThem := sides(t, "zip", func() {
		do(t, c, zip.Module, map[string]any{"src": "in", "dest": "ours.zip"})
	}, func() {
		run(t, filepath.Join(dir, "in"), "zip", "-6", "-q", "-r", "../theirs.zip", ".")
	}, func() { remove(t, dir, "ours.zip", "theirs.zip") })
	ratio := float64(length(t, dir, "ours.zip")) / float64(length(t, dir, "theirs.zip"))
	figure(t, "Zip: archive, against zip -6", ratio, "×", 1.02)
	figure(t, "Zip: wall, against zip -6", packUs/packThem, "×", 1)

	unpackUs, unpackThem := sides(t, "unzip", func() {
		do(t, c, unzip.Module, map[string]any{"src": "theirs.zip", "dest": "ours"})
	}, func() {
		run(t, dir, "unzip", "-q", "theirs.zip", "-d", "theirs")
	}, func() { remove(t, dir, "ours", "theirs") })
	figure(t, "Unzip: wall, against unzip", unpackUs/unpackThem, "×", 1)
	run(t, dir, "diff", "-r", "ours", "in")
	run(t, dir, "unzip", "-tq", "ours.zip")
}

// sides runs ours and theirs in turns, each after clean, and returns the median seconds of both.
func sides(t *testing.T, what string, ours, theirs, clean func()) (us, them float64) {
	t.Helper()
	var took [2][]time.Duration
	for round := range rounds + 1 { // the first fills the page cache
		clean()
		for side, f := range []func(){ours, theirs} {
			begin := time.Now()
			f()
			if round > 0 {
				took[side] = append(took[side], time.Since(begin))
			}
		}
	}
	us, them = median(took[0]).Seconds(), median(took[1]).Seconds()
	fmt.Printf("%-52s %10.2f s (Info-ZIP: %.2f s)\n", what+" gears-200, wall, p50", us, them)
	return us, them
}

func do(t *testing.T, c *modules.Call, m modules.Module, props map[string]any) {
	t.Helper()
	_, err := m.Run(t.Context(), c, props)
	require.NoError(t, err)
}

func run(t *testing.T, dir, program string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func remove(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		require.NoError(t, os.RemoveAll(filepath.Join(dir, name)))
	}
}

func length(t *testing.T, dir, name string) int64 {
	t.Helper()
	info, err := os.Stat(filepath.Join(dir, name))
	require.NoError(t, err)
	return info.Size()
}

func median(took []time.Duration) time.Duration {
	slices.SortFunc(took, cmp.Compare)
	return took[len(took)/2]
}

func figure(t *testing.T, what string, got float64, unit string, bar float64) {
	t.Helper()
	fmt.Printf("%-52s %10.2f %-9s (bar: ≤ %g)\n", what, got, unit, bar)
	if got > bar {
		t.Errorf("%s: %.3f %s misses the bar of ≤ %g", what, got, unit, bar)
	}
}

// gears200 writes the corpus of that name below dir/in, the same bytes each time, and returns how many: about 200 MiB of
// what jobs leave behind. A fifth is one file of binary STL, two fifths are OBJ text in files of 100 KiB to 20 MiB, a fifth is
// what is packed already (textures, Draco), the rest are small files of JSON.
func gears200(t *testing.T, dir string) (size int64) {
	t.Helper()
	r := rand.New(rand.NewPCG(2, 6))
	write := func(name string, b []byte) {
		path := filepath.Join(dir, "in", name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, b, 0o644))
		size += int64(len(b))
	}
	write("scan/part.stl", stl(800_000))
	for i, vertices := range []int{600_000, 400_000, 200_000, 100_000, 50_000, 25_000, 10_000, 5_000, 2_500} {
		write(fmt.Sprintf("mesh/lod%d.obj", i), obj(vertices))
	}
	noise := rand.NewChaCha8([32]byte{6})
	for i := range 20 {
		b := make([]byte, 100<<10<<(i%5)) // 100 KiB to 1.6 MiB
		_, _ = noise.Read(b)
		write(fmt.Sprintf("textures/%d.jpg", i), b)
		write(fmt.Sprintf("textures/%d.webp", i), b[len(b)/2:])
	}
	draco := make([]byte, 24<<20)
	_, _ = noise.Read(draco)
	write("part.glb", draco)
	for i := range 2_000 {
		write(fmt.Sprintf("meta/%d/%d.json", i%20, i), document(r))
	}
	return size
}

// at is a point of a curved surface, whose coordinates have no short decimal form.
func at(i int) (x, y, z float64) {
	s1, c1 := math.Sincos(float64(i) * 0.01)
	s2, c2 := math.Sincos(float64(i) * 0.37)
	return (40 + 13*c2) * c1, (40 + 13*c2) * s1, 13 * s2
}

func stl(triangles int) []byte {
	b := make([]byte, 84, 84+50*triangles)
	binary.LittleEndian.PutUint32(b[80:], uint32(triangles))
	for i := range triangles {
		for _, corner := range []int{-1, i, i + 1, i + 38} { // the normal, as some writers leave it, and three corners
			x, y, z := 0.0, 0.0, 0.0
			if corner >= 0 {
				x, y, z = at(corner)
			}
			for _, v := range []float64{x, y, z} {
				b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(v)))
			}
		}
		b = append(b, 0, 0)
	}
	return b
}

func obj(vertices int) []byte {
	var b []byte
	for i := range vertices {
		x, y, z := at(i)
		b = fmt.Appendf(b, "v %.6f %.6f %.6f\n", x, y, z)
	}
	for i := range vertices - 38 {
		b = fmt.Appendf(b, "f %d %d %d\n", i+1, i+2, i+39)
	}
	return b
}

func document(r *rand.Rand) []byte {
	b := []byte(`{"asset": {"version": "2.0", "generator": "millrace"}, "nodes": [`)
	for i := range 200 + r.IntN(400) {
		b = append(b, `{"name": "node `+strconv.Itoa(i)+`", "mesh": `+strconv.Itoa(r.IntN(60))+`, "translation": [`+strconv.Itoa(r.IntN(1000))+`, 0, 1]}, `...)
	}
	return append(b, `{}]}`...)
}
