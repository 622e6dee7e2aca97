package gltfpack_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/glb"
	"github.com/millrace/millrace/modules/gltfpack"
)

const engine = "/usr/share/assimp/models/glTF2/2CylinderEngine-glTF-Binary/2CylinderEngine.glb"

// compiled is the folder of what TestMain compiled.
var compiled string

func TestMain(m *testing.M) {
	var err error
	if compiled, err = os.MkdirTemp("", "compiled-"); err == nil {
		err = gltfpack.Compile(context.Background(), compiled)
	}
	if err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(compiled)
	os.Exit(code)
}

func packer(t *testing.T, c gltfpack.Config) *gltfpack.Packer {
	t.Helper()
	p, err := gltfpack.New(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close(context.WithoutCancel(t.Context()))) })
	return p
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	return b
}

func TestAModelIsSimplified(t *testing.T) {
	p := packer(t, gltfpack.Config{Compiled: compiled})
	r, err := p.Pack(t.Context(), read(t, engine), "-si", "0.2", "-noq", "-v")
	require.NoError(t, err)
	d, err := glb.Read(bytes.NewReader(r.GLB), glb.Source{})
	require.NoError(t, err)
	m, err := d.Measure(t.Context())
	require.NoError(t, err)
	require.InDelta(t, 0.2*121496, float64(m.Triangles), 5000)
	require.Empty(t, m.Required)
	require.Contains(t, r.Log, "output: ")
	require.True(t, json.Valid(r.Report), string(r.Report))
}

func TestWhatWasCompiledBeforeIsTakenFromItsFolder(t *testing.T) {
	files, err := filepath.Glob(compiled + "/*/*")
	require.NoError(t, err)
	require.Len(t, files, 1)
	for _, memory := range []int64{0, 1 << 30} {
		p := packer(t, gltfpack.Config{Compiled: compiled, Memory: memory})
		_, err = p.Pack(t.Context(), read(t, engine))
		require.NoError(t, err)
	}
	again, err := filepath.Glob(compiled + "/*/*")
	require.NoError(t, err)
	require.Equal(t, files, again, "what a Packer with another limit needs is there")
}

func TestAFolderThatIsNoCacheIsNoHarm(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.CopyFS(folder, os.DirFS(compiled)))
	files, err := filepath.Glob(folder + "/*/*")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(files[0], []byte("rubbish"), 0o600))
	_, err = packer(t, gltfpack.Config{Compiled: folder}).Pack(t.Context(), read(t, engine))
	require.NoError(t, err)
}

func TestWhatCannotBePackedIsRefusedForGood(t *testing.T) {
	p := packer(t, gltfpack.Config{Compiled: compiled})
	for _, tt := range []struct {
		name, want string
		in         []byte
		options    []string
	}{
		{"nothing", "gltfpack: Error loading /in.glb", nil, nil},
		{"rubbish", "gltfpack: Error loading /in.glb: not a GLTF file", []byte("glTF rubbish, and more of it"), nil},
		{"an option there is not", "gltfpack: ", read(t, engine), []string{"-rubbish"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := p.Pack(t.Context(), tt.in, tt.options...)
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
		})
	}
}

func TestARunEndsWithItsContextThoughItLoops(t *testing.T) {
	p := packer(t, gltfpack.Config{Compiled: compiled})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.Pack(ctx, read(t, engine))
	require.ErrorIs(t, err, context.Canceled)
}

func TestARunIsBounded(t *testing.T) {
	in := read(t, engine)
	t.Run("in memory", func(t *testing.T) {
		_, err := packer(t, gltfpack.Config{Compiled: compiled, Memory: 4 << 20}).Pack(t.Context(), in)
		require.ErrorContains(t, err, "more than the 4 MiB of memory that it may have")
		require.Equal(t, fault.Permanent, fault.Of(err))
	})
	t.Run("in what it writes", func(t *testing.T) {
		_, err := packer(t, gltfpack.Config{Compiled: compiled, MaxOutput: 1 << 20}).Pack(t.Context(), in, "-noq")
		require.ErrorContains(t, err, "gltfpack would write more than 1 MiB")
		require.Equal(t, fault.Permanent, fault.Of(err))
	})
	t.Run("in time", func(t *testing.T) {
		lost := errors.New("the lease is lost")
		p := packer(t, gltfpack.Config{Compiled: compiled})
		ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, lost)
		defer cancel()
		_, err := p.Pack(ctx, in, "-si", "0.5")
		require.ErrorIs(t, err, lost)
	})
}
