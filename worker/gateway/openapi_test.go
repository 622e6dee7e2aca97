package gateway_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/gateway"
)

// lintOpenAPI returns what Redocly's linter says of a document.
func lintOpenAPI(t *testing.T, doc []byte) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), "node", filepath.Join(root, "deploy/tools/openapi/lint.mjs"), filepath.Join(root, ".tools/openapi"))
	cmd.Stdin = bytes.NewReader(doc)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n(`make tools` installs the linter)", out)
	return string(out)
}

func TestALinterFindsNothingInTheOpenAPIDocument(t *testing.T) {
	t.Parallel()
	doc := gateway.OpenAPI()
	text, err := json.Marshal(doc)
	require.NoError(t, err)
	require.Empty(t, lintOpenAPI(t, text))

	delete(doc["components"].(map[string]any)["responses"].(map[string]any), "Problem")
	text, err = json.Marshal(doc)
	require.NoError(t, err)
	require.Contains(t, lintOpenAPI(t, text), "Can't resolve $ref")
}

func TestTheOpenAPIDocumentHasWhatIsServed(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(gateway.OpenAPI())
	require.NoError(t, err)
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string
			Security    []map[string][]string
			RequestBody struct{ Content map[string]any }
			Responses   map[string]any
		}
		Components struct {
			Schemas map[string]struct {
				Required   []string
				Properties map[string]any
			}
		}
	}
	require.NoError(t, json.Unmarshal(text, &doc))
	post := doc.Paths["/v1/jobs"]["post"]
	require.Equal(t, "postV1Jobs", post.OperationID)
	require.Equal(t, []map[string][]string{{"key": {"submit"}}}, post.Security)
	require.Contains(t, post.RequestBody.Content, "application/cloudevents-batch+json")
	require.Contains(t, post.Responses, "202")
	require.Contains(t, post.Responses, "4XX")
	require.Equal(t, []string{"jobs"}, doc.Components.Schemas["Submitted"].Required)
	require.Equal(t, []string{"status", "title"}, doc.Components.Schemas["Problem"].Required)
	for path, methods := range doc.Paths {
		for method, o := range methods {
			require.NotEmpty(t, o.OperationID, "%s %s", method, path)
		}
	}
}

func TestTheOpenAPIDocumentSaysWhatBodiesAndAnswersAre(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(gateway.OpenAPI())
	require.NoError(t, err)
	type content struct{ Content map[string]any }
	var doc struct {
		Paths map[string]map[string]struct {
			RequestBody content
			Responses   map[string]content
		}
	}
	require.NoError(t, json.Unmarshal(text, &doc))
	bare := map[string]bool{"/v1/uploads/{id}/complete": true}
	for path, methods := range doc.Paths {
		for method, o := range methods {
			takes := (method == "post" || method == "put") && !bare[path]
			require.Equal(t, takes, len(o.RequestBody.Content) > 0, "the body of %s %s", method, path)
			if ok, there := o.Responses["200"]; there && method != "options" {
				require.NotEmpty(t, ok.Content, "the answer of %s %s", method, path)
			}
		}
	}
	require.Contains(t, doc.Paths["/v1/uploads"]["post"].RequestBody.Content, "multipart/form-data")
	require.Contains(t, doc.Paths["/v1/jobs/{id}/logs"]["get"].Responses["200"].Content, "text/event-stream")
}
