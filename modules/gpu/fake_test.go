//go:build linux && cgo

package gpu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// compile makes a library of testdata/nvml.c and returns its path.
func compile(folder string, flags ...string) (string, error) {
	header, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/NVIDIA/go-nvml/pkg/nvml").Output()
	if err != nil {
		return "", fmt.Errorf("find the header of NVML: %w", err)
	}
	dir := filepath.Join(scratch, folder)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	lib := filepath.Join(dir, "libnvidia-ml.so.1")
	args := append(flags, "-shared", "-fPIC", "-DNVML_NO_UNVERSIONED_FUNC_DEFS=1", "-I", string(header[:len(header)-1]), "-o", lib, "testdata/nvml.c")
	if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("compile the fake library: %w\n%s", err, out)
	}
	return lib, nil
}

// fake is the fake library. One process can load only one: its functions stay linked.
var fake = sync.OnceValues(func() (string, error) { return compile("fake") })

func fakeLibrary(t *testing.T) string {
	t.Helper()
	lib, err := fake()
	require.NoError(t, err)
	return lib
}

// fakePool is a pool of the GPUs that the fake library has by the environment. No test that has one runs in parallel: they
// share the environment.
func fakePool(t *testing.T, env map[string]string) *Pool {
	t.Helper()
	lib := fakeLibrary(t)
	for name, value := range env {
		t.Setenv("FAKE_"+name, value)
	}
	p := NewPool(Config{open: func() (*driver, error) { return openNVML(nvml.New(nvml.WithLibraryPath(lib))) }})
	t.Cleanup(p.Close)
	return p
}

// channel is where events of the fake library are written: "GPU XID GPU-INSTANCE".
func channel(t *testing.T) (path string, send func(string)) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "events")
	require.NoError(t, unix.Mkfifo(path, 0o600))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return path, func(line string) {
		_, err := fmt.Fprintln(f, line)
		require.NoError(t, err)
	}
}

// a lease whose loss can be awaited.
type watched struct {
	*Lease
	lost chan error
}

func (w *watched) loss(t *testing.T) *LostError {
	t.Helper()
	select {
	case err := <-w.lost:
		lost, ok := errors.AsType[*LostError](err)
		require.True(t, ok, "%v", err)
		return lost
	case <-t.Context().Done():
		t.Fatal("nobody told of the failure")
	}
	return nil
}

func leased(ctx context.Context, t *testing.T, p *Pool, n Need) *watched {
	t.Helper()
	w := &watched{lost: make(chan error, 2)}
	var err error
	w.Lease, err = p.Lease(ctx, n, func(err error) { w.lost <- err })
	require.NoError(t, err)
	t.Cleanup(w.Release)
	return w
}

func uuids(l *Lease) []string {
	var all []string
	for _, d := range l.Devices {
		all = append(all, d.UUID)
	}
	return all
}
