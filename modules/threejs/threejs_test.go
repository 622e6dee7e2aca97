package threejs_test

import (
	"bytes"
	"compress/gzip"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/threejs"
)

var update = flag.Bool("update", false, "write files/ from scene.js and the npm packages three and esbuild")

const packages = "../../.tools/npm/node_modules/"

// bundle is scene.js with all it imports, as esbuild makes one script of it.
func bundle(t *testing.T) []byte {
	t.Helper()
	cmd := exec.Command(packages+"@esbuild/linux-x64/bin/esbuild", "scene.js", "--bundle", "--minify", "--format=iife",
		"--target=chrome120,firefox120,safari17", "--legal-comments=inline", `--define:import.meta.url="three:///examples/jsm/loaders/"`,
		"--alias:three=./"+packages+"three/build/three.module.js", "--alias:three/addons=./"+packages+"three/examples/jsm")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	require.NoError(t, err, said.String())
	return out
}

func TestTheScriptIsMadeOfOurSceneAndThree(t *testing.T) {
	want := bundle(t)
	if *update {
		write(t, "scene.min.js", want)
		for name, from := range decoders() {
			text, err := os.ReadFile(from)
			require.NoError(t, err)
			write(t, name, text)
		}
		return
	}
	require.True(t, bytes.Equal(want, threejs.Script()), "scene.js or three changed: go test ./modules/threejs -update")
}

func TestTheDecodersAreThrees(t *testing.T) {
	all := threejs.Decoders([]string{"KHR_draco_mesh_compression", "KHR_texture_basisu"})
	require.Len(t, all, len(decoders()))
	for _, f := range all {
		text, err := os.ReadFile(decoders()[filepath.Base(f.Name)])
		require.NoError(t, err)
		require.True(t, bytes.Equal(text, f.Data), f.Name)
	}
	require.Empty(t, threejs.Decoders([]string{"KHR_materials_unlit"}))
}

func decoders() map[string]string {
	const libs = packages + "three/examples/jsm/libs/"
	return map[string]string{
		"draco_wasm_wrapper.js": libs + "draco/gltf/draco_wasm_wrapper.js", "draco_decoder.wasm": libs + "draco/gltf/draco_decoder.wasm",
		"basis_transcoder.js": libs + "basis/basis_transcoder.js", "basis_transcoder.wasm": libs + "basis/basis_transcoder.wasm",
	}
}

func write(t *testing.T, name string, text []byte) {
	t.Helper()
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	require.NoError(t, err)
	_, err = w.Write(text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NoError(t, os.WriteFile(filepath.Join("files", name+".gz"), packed.Bytes(), 0o644))
}
