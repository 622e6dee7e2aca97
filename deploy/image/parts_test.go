// Package image holds the parts that images are made of: what Dockerfile.cuda copies and runs.
package image

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
	require.NoError(t, os.WriteFile(name, []byte(text), mode))
}

// The node in front of it needs the image's own paths: make e2e tries it there.
func TestTheOldHandlersFileRunsMillrace(t *testing.T) {
	bin := t.TempDir()
	write(t, filepath.Join(bin, "millrace"), "#!/bin/sh\nprintf '%s\\n' \"$@\"\nexit 7\n", 0o755)
	for _, tt := range []struct {
		name string
		argv []string
		want []string
	}{
		{"flags are passed on", []string{"-i", "yaml", "-f", "/jobs/a b.yaml"}, []string{"-i", "yaml", "-f", "/jobs/a b.yaml"}},
		{"the word run may come first", []string{"run", "--debug", "--logger", "json"}, []string{"--debug", "--logger", "json"}},
		{"a second run is a pipeline's name", []string{"run", "run"}, []string{"run"}},
		{"no flag at all reads stdin", nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "root/home/app/apps/handler/dist/index.js", tt.argv...)
			cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin"}
			out, err := cmd.Output()
			exit, ok := err.(*exec.ExitError)
			require.True(t, ok, "%v", err)
			require.Equal(t, 7, exit.ExitCode(), "the exit status is millrace's")
			want := append([]string{"run", "--workspace", "/home/workspace"}, tt.want...)
			require.Equal(t, want, strings.Split(strings.TrimSuffix(string(out), "\n"), "\n"))
		})
	}
}

func TestEveryToolOfTheManifestThatAnImageCarriesIsInstalled(t *testing.T) {
	to := t.TempDir()
	out, err := exec.CommandContext(t.Context(), "./rows", to).CombinedOutput()
	require.NoError(t, err, "%s", out)
	var installed []string
	for _, name := range []string{"apt", "npm/rows.tsv", "pip/rows.tsv"} {
		text, err := os.ReadFile(filepath.Join(to, name))
		require.NoError(t, err)
		installed = append(installed, strings.Split(strings.TrimSpace(string(text)), "\n")...)
	}
	for _, columns := range carried(t) {
		found := slices.Contains(installed, columns[4]) || slices.Contains(installed, strings.Join(columns, "\t"))
		require.True(t, found, "%s is installed by %s, which deploy/image/rows does not know", columns[0], columns[3])
	}
}

// carried is the columns of the manifest's rows that an image has.
func carried(t *testing.T) [][]string {
	t.Helper()
	manifest, err := os.ReadFile("../tools/manifest.tsv")
	require.NoError(t, err)
	var rows [][]string
	for row := range strings.Lines(string(manifest)) {
		columns := strings.Split(strings.TrimSuffix(row, "\n"), "\t")
		if !strings.HasPrefix(row, "#") && len(columns) == 8 && slices.Contains(strings.Split(columns[2], ","), "image") {
			rows = append(rows, columns)
		}
	}
	require.Greater(t, len(rows), 5)
	return rows
}

func TestTheLabelNamesTheLicencesOfEveryToolInTheImage(t *testing.T) {
	want := map[string]bool{"Apache-2.0": true} // ours
	for _, columns := range carried(t) {
		for licence := range strings.SplitSeq(columns[6], " AND ") {
			want[licence] = true
		}
	}
	dockerfile, err := os.ReadFile("../../Dockerfile.cuda")
	require.NoError(t, err)
	heavy := strings.Join(slices.Sorted(maps.Keys(want)), " AND ")
	require.Contains(t, string(dockerfile), `licenses="`+heavy+`" `)
	require.Contains(t, string(dockerfile), `licenses="`+heavy+` AND LicenseRef-NVIDIA" `)
}

// On nodes where NVIDIA's runtime is everybody's, it would give a pod the GPUs of others.
func TestTheImageAsksForNoGPUByItself(t *testing.T) {
	dockerfile, err := os.ReadFile("../../Dockerfile.cuda")
	require.NoError(t, err)
	require.NotContains(t, string(dockerfile), "NVIDIA_VISIBLE_DEVICES")
}

// nvidia makes the root of a CUDA runtime image, as far as we read it, without one library.
func nvidia(t *testing.T, without string) string {
	t.Helper()
	root := t.TempDir()
	lib := filepath.Join(root, "usr/local/cuda-13.1/targets/x86_64-linux/lib")
	for _, name := range []string{
		"libcudart.so.13", "libcublas.so.13", "libcublasLt.so.13", "libcurand.so.10", "libcufft.so.12", "libnvrtc.so.13",
		"libnvrtc-builtins.so.13.1", "libnpp.so.13",
	} {
		if name != without {
			write(t, filepath.Join(lib, name+".1.80"), name, 0o644)
			require.NoError(t, os.Symlink(name+".1.80", filepath.Join(lib, name)))
		}
	}
	require.NoError(t, os.Symlink("cuda-13.1", filepath.Join(root, "usr/local/cuda")))
	for _, name := range []string{"libcudnn.so.9", "libcudnn_ops.so.9", "libcudnn_graph.so.9"} {
		write(t, filepath.Join(root, "usr/lib/x86_64-linux-gnu", name), name, 0o644)
	}
	write(t, filepath.Join(root, "NGC-DL-CONTAINER-LICENSE"), "terms", 0o644)
	write(t, filepath.Join(root, "var/lib/dpkg/status"), "Package: bash\nVersion: 5\n\nPackage: libcudnn9-cuda-13\nVersion: 9.17\n\n", 0o644)
	return root
}

func TestTheLibrariesOfCUDAAreCollectedWithTheirTerms(t *testing.T) {
	to := t.TempDir()
	out, err := exec.CommandContext(t.Context(), "./cuda", nvidia(t, ""), to).CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, name := range []string{"libcudart.so.13", "libcublasLt.so.13", "libcudnn.so.9", "libcudnn_graph.so.9", "libnvrtc-builtins.so.13.1"} {
		info, err := os.Lstat(filepath.Join(to, "opt/nvidia/lib", name))
		require.NoError(t, err)
		require.True(t, info.Mode().IsRegular(), "%s: the file, not a link to what isn't there", name)
	}
	require.NoFileExists(t, filepath.Join(to, "opt/nvidia/lib/libnpp.so.13"), "nobody links it")
	require.FileExists(t, filepath.Join(to, "usr/share/doc/nvidia/NGC-DL-CONTAINER-LICENSE"))
	packages, err := os.ReadFile(filepath.Join(to, "usr/share/doc/nvidia/packages"))
	require.NoError(t, err)
	require.Equal(t, "Package: libcudnn9-cuda-13\nVersion: 9.17\n\n", string(packages))
}

func TestAnImageWithoutALibraryThatInferenceNeedsIsRefused(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "./cuda", nvidia(t, "libcufft.so.12"), t.TempDir()).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "has no libcufft.so.12")
}
