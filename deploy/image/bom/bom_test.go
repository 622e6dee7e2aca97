package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// worker is the program that the image is made for: a test's own binary has no list of modules.
var worker = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "bom-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "millrace")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags=disable_grpc_modules", "-ldflags=-s -w", "-o", name, "../../../cmd/millrace")
	build.Env = append(os.Environ(), "GOOS=linux") // whatever this machine is, the image is of Linux
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return os.ReadFile(name)
})

// root makes an image's root of what is in files, with a worker.
func root(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	binary, err := worker()
	require.NoError(t, err)
	write(t, filepath.Join(dir, binaryPath), string(binary))
	write(t, filepath.Join(dir, billPath), "")
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

func write(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
	require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
}

const manifest = "../../tools/manifest.tsv"

const dpkgStatus = `Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u13
Description: GNU C Library
 Contains the standard libraries
Conffiles:
 /etc/ld.so.conf.d/x86_64-linux-gnu.conf d4e7

Package: ffmpeg
Status: install ok installed
Architecture: amd64
Version: 7:5.1

Package: libegl1
Status: install ok installed
Architecture: amd64
Version: 1.6

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1
`

func list(t *testing.T, dir string) map[string]component {
	t.Helper()
	require.NoError(t, run([]string{"list", "-manifest", manifest, "-root", dir, "-version", "1.2.3", "-created", "2026-01-02T03:04:05Z"}, os.Stderr))
	text, err := os.ReadFile(filepath.Join(dir, billPath))
	require.NoError(t, err)
	var b bill
	require.NoError(t, json.Unmarshal(text, &b))
	require.Equal(t, "CycloneDX", b.Format)
	require.Equal(t, "1.6", b.SpecVersion)
	require.Equal(t, metadata{"2026-01-02T03:04:05Z", component{Type: "container", Name: "millrace", Version: "1.2.3"}}, b.Metadata)
	all := map[string]component{}
	for _, c := range b.Components {
		require.NotContains(t, all, c.PURL, "listed twice")
		all[c.PURL] = c
	}
	return all
}

func TestTheBillNamesWhatCameFromEachPlace(t *testing.T) {
	const site = "opt/millrace/tools/blender/lib/python3.11/site-packages/"
	all := list(t, root(t, map[string]string{
		"var/lib/dpkg/status":                                             dpkgStatus,
		"usr/share/doc/nvidia/packages":                                   "Package: libcudnn9-cuda-13\nStatus: install ok installed\nArchitecture: amd64\nVersion: 9.17.0\n\n",
		site + "bpy-4.5.15.dist-info/METADATA":                            "Metadata-Version: 2.1\nName: bpy\nVersion: 4.5.15\nLicense: GPL-3.0\n\nBlender as a Python module\n",
		site + "idna-3.20.dist-info/METADATA":                             "Metadata-Version: 2.4\nName: idna\nVersion: 3.20\nLicense-Expression: BSD-3-Clause\n",
		"opt/millrace/tools/npm/node_modules/three/package.json":          `{"name": "three", "version": "0.187.0", "license": "MIT"}`,
		"opt/millrace/tools/npm/node_modules/fbx2gltf/package.json":       `{"name": "fbx2gltf", "version": "0.9.7", "license": "BSD-3-Clause"}`,
		"opt/millrace/tools/npm/node_modules/@a/b/package.json":           `{"name": "@a/b", "version": "1.0.0"}`,
		"opt/millrace/tools/npm/node_modules/three/examples/package.json": `{"type": "module"}`,
	}))
	require.Contains(t, all, "pkg:deb/debian/libc6@2.36-9%2Bdeb12u13?arch=amd64&distro=debian-12")
	require.Contains(t, all, "pkg:deb/nvidia/libcudnn9-cuda-13@9.17.0?arch=amd64")
	require.Equal(t, []licence{{Expression: "GPL-2.0-or-later"}}, all["pkg:deb/debian/ffmpeg@7%3A5.1?arch=amd64&distro=debian-12"].Licences)
	require.Empty(t, all["pkg:deb/debian/libegl1@1.6?arch=amd64&distro=debian-12"].Licences, "the row's licence is that of the tool, not of what it needs")
	require.Equal(t, []licence{{Expression: "GPL-3.0-or-later"}}, all["pkg:pypi/bpy@4.5.15"].Licences, "the manifest knows better than the package")
	require.Equal(t, []licence{{Expression: "BSD-3-Clause AND LicenseRef-Autodesk-FBX-SDK"}}, all["pkg:npm/fbx2gltf@0.9.7"].Licences)
	require.Equal(t, []licence{{Expression: "BSD-3-Clause"}}, all["pkg:pypi/idna@3.20"].Licences)
	require.Equal(t, []licence{{Expression: "MIT"}}, all["pkg:npm/three@0.187.0"].Licences)
	require.Contains(t, all, "pkg:npm/%40a/b@1.0.0")
	require.Contains(t, all, "pkg:golang/std@"+strings.TrimPrefix(runtime.Version(), "go"))
	for purl, c := range all {
		require.NotEmpty(t, c.Version, purl)
		require.NotContains(t, purl, "gone", "it is not installed")
	}
	require.Contains(t, strings.Join(keys(all), "\n"), "pkg:golang/github.com/spf13/cobra@v")
}

func TestTheBillNamesWhatLiesInTheBinary(t *testing.T) {
	all := list(t, root(t, map[string]string{"var/lib/dpkg/status": dpkgStatus}))
	for name, said := range map[string]struct{ file, text string }{
		"gltfpack":       {"gltfpack/gltfpack.go", "Version = %q"},
		"gltf-validator": {"gltfcheck/gltfcheck_test.go", "%q, got.ValidatorVersion"},
		"three":          {"threejs/NOTICES", "npm's three %s that"},
	} {
		text, err := os.ReadFile("../../../modules/" + said.file)
		require.NoError(t, err)
		found := 0
		for _, c := range all {
			if c.Name == name {
				found++
				require.Contains(t, string(text), fmt.Sprintf(said.text, c.Version), name)
				require.Equal(t, "pkg:npm/"+name+"@"+c.Version, c.PURL)
				require.NotEmpty(t, c.Licences)
			}
		}
		require.Equal(t, 1, found, name)
	}
}

func keys(all map[string]component) []string {
	var names []string
	for name := range all {
		names = append(names, name)
	}
	return names
}

func TestTheBillOfTheSameThingsIsTheSame(t *testing.T) {
	dir := root(t, map[string]string{"var/lib/dpkg/status": dpkgStatus})
	list(t, dir)
	first, err := os.ReadFile(filepath.Join(dir, billPath))
	require.NoError(t, err)
	list(t, dir)
	second, err := os.ReadFile(filepath.Join(dir, billPath))
	require.NoError(t, err)
	require.Equal(t, string(first), string(second))
}

func TestABillThatWouldLeaveThingsOutIsNotWritten(t *testing.T) {
	require.ErrorContains(t, run([]string{"list", "-manifest", manifest, "-root", root(t, nil)}, os.Stderr), "var/lib/dpkg/status")
	require.ErrorContains(t, run([]string{"list", "-manifest", manifest, "-root", root(t, map[string]string{"var/lib/dpkg/status": ""})}, os.Stderr), "names no package")
	require.ErrorContains(t, run([]string{"list", "-manifest", manifest, "-root", t.TempDir()}, os.Stderr), "millrace")
}

func TestTheLicenceOfEachLinkedModuleIsCollected(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT", "GOMODCACHE").Output()
	require.NoError(t, err)
	goroot, modules, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	binary := filepath.Join(root(t, nil), binaryPath)
	to := t.TempDir()
	require.NoError(t, run([]string{"licences", "-binary", binary, "-to", to, "-goroot", goroot, "-modules", modules}, os.Stderr))
	for _, name := range []string{
		"std/LICENSE", "github.com/spf13/cobra/LICENSE.txt", "github.com/IBM/ibm-cos-sdk-go/NOTICE.txt",
		"github.com/klauspost/compress/zstd/internal/xxhash/LICENSE.txt", "google.golang.org/api/internal/third_party/uritemplates/LICENSE",
	} {
		text, err := os.ReadFile(filepath.Join(to, name))
		require.NoError(t, err)
		require.NotEmpty(t, text)
	}
}

func TestAModuleWithoutALicenceIsAnError(t *testing.T) {
	binary := filepath.Join(root(t, nil), binaryPath)
	goroot := t.TempDir()
	write(t, filepath.Join(goroot, "README"), "no licence")
	require.ErrorContains(t, licences(binary, t.TempDir(), goroot, t.TempDir()), "has no licence")
}

func TestTheModuleCachesNames(t *testing.T) {
	require.Equal(t, "github.com/!i!b!m/ibm-cos-sdk-go", escape("github.com/IBM/ibm-cos-sdk-go"))
}

func TestWhatIsALicenceExpression(t *testing.T) {
	for text, want := range map[string]bool{
		"MIT": true, "GPL-3.0-or-later": true, "(MIT OR Apache-2.0)": true, "Apache-2.0 WITH LLVM-exception": false,
		"GPL v3": false, "BSD": false, "BSD-3-Clause AND LicenseRef-Autodesk": true,
	} {
		require.Equal(t, want, isExpression(text), text)
	}
}
