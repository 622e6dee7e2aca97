package gltfcheck_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/gltfcheck"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/proc"
)

// models is where Debian's assimp-testmodels lie.
const models = "/usr/share/assimp/models/glTF2"

func validator(t *testing.T) gltfcheck.Validator {
	t.Helper()
	return gltfcheck.Validator{Tools: moduletest.Tools(t), Exec: &proc.Local{}, Env: []string{"PATH=" + os.Getenv("PATH")}}
}

func TestAModelIsMeasuredAndChecked(t *testing.T) {
	got, err := validator(t).Check(t.Context(), gltfcheck.File{Path: models + "/2CylinderEngine-glTF-Binary/2CylinderEngine.glb"}, gltfcheck.Options{})
	require.NoError(t, err)
	require.Equal(t, "2.0.0-dev.3.10", got.ValidatorVersion)
	require.Equal(t, "2CylinderEngine.glb", got.URI)
	require.Equal(t, "model/gltf-binary", got.MIMEType)
	require.Zero(t, got.Issues.Errors)
	require.Equal(t, int64(75_730), got.Info.Triangles)
	require.Empty(t, got.ValidatedAt)
	require.Contains(t, string(got.JSON), `"totalTriangleCount":75730`)
}

func TestWhatIsNoGLTFIsRefusedForGood(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.glb")
	require.NoError(t, os.WriteFile(name, []byte("solid nothing"), 0o600))
	_, err := validator(t).Check(t.Context(), gltfcheck.File{Path: name}, gltfcheck.Options{})
	require.EqualError(t, err, "validate a.glb: it is neither a glTF nor a GLB: could not detect glTF format")
	require.Equal(t, fault.Permanent, fault.Of(err))
}
