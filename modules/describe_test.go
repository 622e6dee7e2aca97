package modules_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/tool"
)

func TestTheSchemaHoldsNamesAliasesDefaultsAndTemplates(t *testing.T) {
	schema := modules.JSONSchema(capture(nil).Spec())
	require.Equal(t, false, schema["additionalProperties"])
	require.Equal(t, []any{map[string]any{"anyOf": []any{
		map[string]any{"required": []any{"src"}}, map[string]any{"required": []any{"source"}},
	}}}, schema["allOf"])
	properties := schema["properties"].(map[string]any)
	level, err := json.Marshal(properties["level"])
	require.NoError(t, err)
	require.JSONEq(t, `{
		"anyOf": [{"type": "integer"}, {
			"type": "string", "pattern": "\\{[{%#]|^\\s*[-+]?[0-9.]+([eE][-+]?[0-9]+)?\\s*$|^$",
			"patternErrorMessage": "Write a whole number, or a {{ template }}."
		}],
		"default": 6, "description": "Level.", "markdownDescription": "Level. Default `+"`6`"+`."
	}`, string(level))
	source := properties["source"].(map[string]any)
	require.Equal(t, true, source["deprecated"])
	require.Equal(t, true, source["doNotSuggest"])
	require.Equal(t, "10m", properties["timeout"].(map[string]any)["default"])
	require.Equal(t, true, properties["key"].(map[string]any)["writeOnly"])
	size, err := json.Marshal(properties["size"])
	require.NoError(t, err)
	require.Contains(t, string(size), `"width":{"anyOf":[{"type":"integer"}`)
}

func TestTheMarkdownNamesEveryPropOnce(t *testing.T) {
	spec := capture(nil).Spec()
	spec.Tools, spec.Example, spec.Shell = []tool.Tool{{Name: "ImageMagick"}}, "- module: Capture\n", true
	text := modules.Markdown(spec)
	require.Contains(t, text, "## Capture\n\nStores its props.\n\nAlso written `OldCapture`.\n\nNeeds ImageMagick.\n")
	require.Contains(t, text, "```yaml\n- module: Capture\n```\n")
	require.Contains(t, text, "| `src` | string | required | File to read. Also written `source`. |\n")
	require.Contains(t, text, "| `angles` | list of string | `[\"front\"]` | Angles. One of `front`, `back`. |\n")
	require.Contains(t, text, "| `size.width` | integer | required | Width in pixels. |\n")
	require.Contains(t, text, "| `key` | string |  | Key. Secret: never shown. |\n")
}
