package gltfcheck_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/gltfcheck"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/tool"
)

// models is where Debian's assimp-testmodels lie.
const models = "/usr/share/assimp/models/glTF2"

// engines are Node.js and this process.
func engines(t *testing.T) map[string]gltfcheck.Validator {
	t.Helper()
	return map[string]gltfcheck.Validator{
		"Node.js":      {Tools: moduletest.Tools(t), Exec: &proc.Local{}, Env: []string{"PATH=" + os.Getenv("PATH")}},
		"this process": {Tools: &tool.Set{}},
	}
}

func inEach(t *testing.T, test func(*testing.T, gltfcheck.Validator)) {
	t.Helper()
	for name, v := range engines(t) {
		t.Run(name, func(t *testing.T) { test(t, v) })
	}
}

// write makes a file in a folder of its own, and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestAModelIsMeasuredAndChecked(t *testing.T) {
	inEach(t, func(t *testing.T, v gltfcheck.Validator) {
		got, err := v.Check(t.Context(), gltfcheck.File{Path: models + "/BoxTextured-glTF/BoxTextured.gltf"}, gltfcheck.Options{})
		require.NoError(t, err)
		require.Equal(t, "2.0.0-dev.3.10", got.ValidatorVersion)
		require.Equal(t, "BoxTextured.gltf", got.URI)
		require.Equal(t, "model/gltf+json", got.MIMEType)
		require.Zero(t, got.Issues.Errors)
		require.Equal(t, int64(12), got.Info.Triangles)
		require.Equal(t, &gltfcheck.Image{Width: 211, Height: 211, Format: "rgb", Primaries: "srgb", Transfer: "srgb", Bits: 8}, got.Info.Resources[1].Image)
		require.Empty(t, got.ValidatedAt)
		require.True(t, json.Valid(got.JSON))
	})
}

func TestBothEnginesSayTheSame(t *testing.T) {
	for _, model := range []string{
		"BoxBadNormals-glTF-Binary/BoxBadNormals.glb", "BoxWithInfinites-glTF-Binary/BoxWithInfinites.glb", "MissingBin/BoxTextured.gltf",
		"RecursiveNodes/RecursiveNodes.gltf", "IndexOutOfRange/IndexOutOfRange.gltf", "simple_skin/simple_skin.gltf",
	} {
		var reports []string
		inEach(t, func(t *testing.T, v gltfcheck.Validator) {
			got, err := v.Check(t.Context(), gltfcheck.File{Path: filepath.Join(models, model)}, gltfcheck.Options{MaxIssues: 20})
			require.NoError(t, err)
			reports = append(reports, string(got.JSON))
		})
		require.Len(t, reports, 2)
		require.Equal(t, reports[0], reports[1], model)
	}
}

func TestWhatIsNoGLTFIsRefusedForGood(t *testing.T) {
	inEach(t, func(t *testing.T, v gltfcheck.Validator) {
		_, err := v.Check(t.Context(), gltfcheck.File{Path: write(t, "a.glb", "solid nothing")}, gltfcheck.Options{})
		require.EqualError(t, err, "validate a.glb: it is neither a glTF nor a GLB: could not detect glTF format")
		require.Equal(t, fault.Permanent, fault.Of(err))
	})
}

func TestIssuesCanBeChosenAndWeighed(t *testing.T) {
	inEach(t, func(t *testing.T, v gltfcheck.Validator) {
		file := gltfcheck.File{Path: models + "/BoxBadNormals-glTF-Binary/BoxBadNormals.glb", Name: "bad"}
		got, err := v.Check(t.Context(), file, gltfcheck.Options{MaxIssues: 1, WriteTimestamp: true})
		require.NoError(t, err)
		require.Equal(t, "bad", got.URI)
		require.Len(t, got.Issues.Messages, 1)
		require.True(t, got.Issues.Truncated)
		require.NotEmpty(t, got.ValidatedAt)
		codes := []string{"ACCESSOR_VECTOR3_NON_UNIT", "ACCESSOR_MIN_MISMATCH", "ACCESSOR_MAX_MISMATCH"}
		got, err = v.Check(t.Context(), file, gltfcheck.Options{SeverityOverrides: map[string]gltfcheck.Severity{codes[0]: gltfcheck.Hint}})
		require.NoError(t, err)
		require.Equal(t, 2, got.Issues.Errors)
		require.Equal(t, 8, got.Issues.Hints)
		got, err = v.Check(t.Context(), file, gltfcheck.Options{IgnoredIssues: codes})
		require.NoError(t, err)
		require.Zero(t, got.Issues.Errors)
	})
}

// referring is a glTF with a buffer of 36 bytes in each of the files.
func referring(uris ...string) string {
	var buffers []map[string]any
	for _, uri := range uris {
		buffers = append(buffers, map[string]any{"byteLength": 36, "uri": uri})
	}
	text, err := json.Marshal(map[string]any{"asset": map[string]any{"version": "2.0"}, "buffers": buffers})
	if err != nil {
		panic(err)
	}
	return string(text)
}

func TestNothingOutsideTheRootIsRead(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret.bin")
	root := t.TempDir()
	dir := filepath.Join(root, "deep")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "models"), 0o700))
	for _, name := range []string{outside, filepath.Join(dir, "beside.bin"), filepath.Join(root, "above.bin")} {
		require.NoError(t, os.WriteFile(name, make([]byte, 36), 0o600))
	}
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "link.bin")))
	require.NoError(t, os.Symlink(filepath.Join(root, "above.bin"), filepath.Join(dir, "inner.bin")))
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "pipe.bin"), 0o600))
	const away, none = "it is outside of the workspace", "there is no such file"
	uris, want := []string{}, map[string]string{}
	for i, tt := range []struct{ uri, why string }{
		{"beside.bin", ""},
		{"be%73ide.bin", ""},
		{"../above.bin", ""},
		{"inner.bin", ""},
		{outside, away},
		{"file://" + outside, away},
		{"http://169.254.169.254/latest", away},
		{"//example.com/x.bin", away},
		{strings.Repeat("../", 12) + outside[1:], away},
		{strings.Repeat("%2e%2e%2f", 12) + outside[1:], away},
		{"link.bin", away},
		{"pipe.bin", "it is not a regular file"},
		{"models", "it is not a regular file"},
		{"none.bin", none},
	} {
		uris = append(uris, tt.uri)
		if tt.why != "" {
			want[fmt.Sprintf("/buffers/%d/uri", i)] = "Node Exception: " + tt.why
		}
	}
	path := filepath.Join(dir, "a.gltf")
	require.NoError(t, os.WriteFile(path, []byte(referring(uris...)), 0o600))
	inEach(t, func(t *testing.T, v gltfcheck.Validator) {
		report, err := v.Check(t.Context(), gltfcheck.File{Path: path, Root: root}, gltfcheck.Options{})
		require.NoError(t, err)
		got := map[string]string{}
		for _, m := range report.Issues.Messages {
			if m.Code == "IO_ERROR" {
				got[m.Pointer] = m.Message
			}
		}
		require.Equal(t, want, got)
	})
}

func TestWhatIsReadIsLimitedTogether(t *testing.T) {
	path := write(t, "a.gltf", referring(slices.Repeat([]string{"big.bin"}, 20)...))
	big := filepath.Join(filepath.Dir(path), "big.bin")
	require.NoError(t, os.WriteFile(big, nil, 0o600))
	for name, v := range engines(t) {
		size := int64(40 << 20) // of 64 MiB
		if name == "Node.js" {
			size = 600 << 20 // of 1 GiB
		}
		require.NoError(t, os.Truncate(big, size))
		report, err := v.Check(t.Context(), gltfcheck.File{Path: path}, gltfcheck.Options{})
		require.NoError(t, err)
		refused := 0
		for _, m := range report.Issues.Messages {
			if strings.HasSuffix(m.Message, "bytes that may still be read") {
				refused++
			}
		}
		require.Equal(t, 19, refused, name)
	}
}

func TestReferencesCanBeLeftAlone(t *testing.T) {
	inEach(t, func(t *testing.T, v gltfcheck.Validator) {
		got, err := v.Check(t.Context(), gltfcheck.File{Path: write(t, "a.gltf", referring("none.bin")), Alone: true}, gltfcheck.Options{})
		require.NoError(t, err)
		require.Zero(t, got.Issues.Errors)
	})
}

func TestWhatCantBeReadIsASentence(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	big := write(t, "big.glb", "")
	require.NoError(t, os.Truncate(big, 1<<31))
	inEach(t, func(t *testing.T, v gltfcheck.Validator) {
		_, err := v.Check(t.Context(), gltfcheck.File{Path: pipe}, gltfcheck.Options{})
		require.EqualError(t, err, "validate pipe: it is not a regular file")
		_, err = v.Check(t.Context(), gltfcheck.File{Path: big}, gltfcheck.Options{})
		require.ErrorContains(t, err, "validate big.glb: it has 2048 MiB, more than the ")
		require.Equal(t, fault.Permanent, fault.Of(err))
		_, err = v.Check(t.Context(), gltfcheck.File{Path: pipe + "s"}, gltfcheck.Options{})
		require.ErrorIs(t, err, os.ErrNotExist)
	})
}

func TestHostileFilesEndInAReportOrASentence(t *testing.T) {
	for _, tt := range []struct{ name, text string }{
		{"deep.gltf", strings.Repeat(`{"extras":`, 100_000)},
		{"deep.glb", "glTF\x02\x00\x00\x00\x14\x00\x02\x00\x00\x00\x02\x00JSON" + strings.Repeat("[", 2<<16)},
		{"closed.gltf", `{"asset":{"version":"2.0"},"extras":` + strings.Repeat("[", 500_000) + strings.Repeat("]", 500_000) + "}"},
		{"torn.glb", "glTF\x02\x00\x00\x00\xff\xff\xff\xff"},
		{"chunk.glb", "glTF\x02\x00\x00\x00\x1c\x00\x00\x00\xff\xff\xff\x7fJSON{}  "},
		{"billions.gltf", `{"asset":{"version":"2.0"},"buffers":[{"byteLength":4,"uri":"data:;base64,AAAAAA=="}],"bufferViews":[{"buffer":0,"byteLength":4}],
			"accessors":[{"bufferView":0,"componentType":5126,"count":9007199254740991,"type":"MAT4"}]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, tt.name, tt.text)
			inEach(t, func(t *testing.T, v gltfcheck.Validator) {
				got, err := v.Check(t.Context(), gltfcheck.File{Path: path}, gltfcheck.Options{})
				if err == nil {
					require.Positive(t, got.Issues.Errors)
				}
			})
		})
	}
}

func TestACheckEndsWithItsContext(t *testing.T) {
	lost := errors.New("lease lost")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(300*time.Millisecond, func() { cancel(lost) })
	began := time.Now()
	_, err := engines(t)["this process"].Check(ctx, gltfcheck.File{Path: models + "/2CylinderEngine-glTF-Binary/2CylinderEngine.glb"}, gltfcheck.Options{})
	require.ErrorIs(t, err, lost)
	require.Less(t, time.Since(began), 2*time.Second)
}
