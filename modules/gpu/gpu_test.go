package gpu

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProgramsSeeTheGPUsOfTheirTaskAndNoOthers(t *testing.T) {
	require.Equal(t, []string{"A=1", "CUDA_VISIBLE_DEVICES=GPU-a,MIG-b"}, Environ([]string{"CUDA_VISIBLE_DEVICES=GPU-z", "A=1"}, []Device{{UUID: "GPU-a"}, {UUID: "MIG-b"}}))
	require.Equal(t, []string{"CUDA_VISIBLE_DEVICES="}, Environ(nil, nil))
}

func TestDeviceFilesAreThoseByWhichProgramsUseGPUs(t *testing.T) {
	dev := t.TempDir()
	require.Empty(t, deviceFiles(dev))
	use := []string{
		"nvidiactl", "nvidia0", "nvidia12", "nvidia-modeset", "nvidia-uvm", "nvidia-uvm-tools",
		"nvidia-caps/nvidia-cap3", "nvidia-caps/nvidia-cap12", "dri/renderD128",
	}
	for _, name := range append([]string{
		"sda", "kvm", "nvidia", "nvidia-nvswitchctl", "nvidia-caps/nvidia-cap1", "nvidia-caps/nvidia-cap2", "dri/card0", "dri/by-path",
	}, use...) {
		path := filepath.Join(dev, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, nil, 0o600))
	}
	for i, name := range use {
		use[i] = filepath.Join(dev, name)
	}
	require.ElementsMatch(t, use, deviceFiles(dev))
}
