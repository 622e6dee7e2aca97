package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheDemoShowsThreeMessagesAndChecksThem(t *testing.T) {
	p := newPlace(t)
	began := time.Now()
	out := p.succeeds("demo")
	require.Less(t, time.Since(began), 20*time.Second)
	for _, text := range []string{
		"1 model", "2 soft", "3 garbage", "STL2OBJ", "MeshOptimizer", "ScreenshotGenerator", "GlbHtmlEmbed", "signature verified", "gear.png", "gear.glb", "← the viewer", "53280 triangles", "became 20000", "dead-letter queue",
		"All three came out as they should", "jobs describe",
	} {
		require.Contains(t, out, text)
	}
	require.Equal(t, 6, strings.Count(out, "✓ signature verified"), "three callbacks, each when it comes and with its message")
	require.NotContains(t, out, "\x1b[", "no colors where there is no terminal")
	require.NoError(t, os.Rename(filepath.Join(p.dir, ".millrace-demo/input/gear.stl"), filepath.Join(p.dir, ".millrace-demo/input/my part.STL")))
	own := p.succeeds("demo", "--input", ".millrace-demo/input/my part.STL") // in the folder of the last one, with a file of it
	require.Contains(t, own, "my part.png", "outputs are named after the model")
	made, err := filepath.Glob(filepath.Join(p.dir, ".millrace-demo/store/artifacts/*/1/my part.glb"))
	require.NoError(t, err)
	require.Len(t, made, 1)
	require.NoError(t, os.Rename(made[0], filepath.Join(p.dir, "report.glb")))
	own = p.succeeds("demo", "--input", "report.glb")
	require.Contains(t, own, "report-2.html", "the viewer is the job's own report.html")
}

func TestTheDemoRemovesNoFolderThatIsNotItsOwn(t *testing.T) {
	p := newPlace(t)
	require.NoError(t, os.Mkdir(filepath.Join(p.dir, "precious"), 0o700))
	p.write("precious/thesis.txt", "ten years of work")
	r := p.millrace("demo", "--data", "precious")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, "--data")
	require.FileExists(t, filepath.Join(p.dir, "precious/thesis.txt"))
}

func TestTheDemoSaysWhatDidNotComeOutRight(t *testing.T) {
	p := newPlace(t)
	p.write("my.stl", "this is no model")
	r := p.millrace("demo", "--input", "my.stl")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, "did not come out as it should")
	require.Contains(t, r.stdout, "3 garbage", "the others are shown all the same")
	require.NotContains(t, r.stdout, "converted")
}

// make's demo takes any file name, and gives it to the program as one word.
func TestMakeTakesAnyFileNameForTheDemo(t *testing.T) {
	makefile, err := filepath.Abs("../../Makefile")
	require.NoError(t, err)
	p := newPlace(t)
	require.NoError(t, os.Mkdir(filepath.Join(p.dir, "bin"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(p.dir, "bin/millrace"), []byte("#!/bin/sh\nprintf '[%s]' \"$@\"\n"), 0o700))
	for input, want := range map[string]string{
		"":              "[demo]",
		"it's mine.stl": "[demo][--input][it's mine.stl]",
		"x'; echo 'y":   "[demo][--input][x'; echo 'y]",
	} {
		cmd := exec.CommandContext(t.Context(), "make", "-s", "-f", makefile, "-o", "build", "demo", "INPUT="+input)
		cmd.Dir = p.dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Equal(t, want, string(out))
	}
}
