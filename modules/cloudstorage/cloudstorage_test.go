package cloudstorage_test

import (
	"context"
	"testing"

	"github.com/fsouza/fake-gcs-server/fakestorage"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/blob/gcsblob"
	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/cloudstorage"
	"github.com/millrace/millrace/modules/moduletest"
)

func TestABucketIsMadeFilledForEverybodyAndReadBack(t *testing.T) {
	server, err := fakestorage.NewServerWithOptions(fakestorage.Options{Scheme: "http", Host: "127.0.0.1", StorageRoot: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(server.Stop)
	c, _ := moduletest.Call(t)
	c.Bucket = func(ctx context.Context, r modules.BucketRef) (modules.Bucket, error) {
		require.Equal(t, cloud.ServiceGCS, r.Service)
		return gcsblob.Open(ctx, gcsblob.Config{Bucket: r.Name, Endpoint: server.URL(), AutoCreate: r.Create, Project: "p", Foreign: true})
	}
	require.NoError(t, c.Workspace.WriteFile("gear.glb", []byte("glTF")))
	upload := map[string]any{"action": "upload", "bucket": "assets", "src": "gear.glb", "dest": "models/"}
	_, err = cloudstorage.Module.Run(t.Context(), c, upload)
	require.ErrorContains(t, err, "it does not exist")

	upload["options"] = map[string]any{"public": true, "autoCreate": true}
	out, err := cloudstorage.Module.Run(t.Context(), c, upload)
	require.NoError(t, err)
	require.Equal(t, "models/gear.glb", out["dest"])
	require.Equal(t, "4", out["size"])
	stood, err := server.GetObject("assets", "models/gear.glb")
	require.NoError(t, err)
	require.Equal(t, "model/gltf-binary", stood.ContentType)
	require.Contains(t, stood.ACL[0].Entity, "allUsers")

	out, err = cloudstorage.Module.Run(t.Context(), c, map[string]any{"action": "download", "bucket": "assets", "src": "models/", "dest": "in"})
	require.NoError(t, err)
	require.Equal(t, "in", out["dest"])
	b, err := c.Workspace.ReadFile("in/gear.glb")
	require.NoError(t, err)
	require.Equal(t, "glTF", string(b))
}
