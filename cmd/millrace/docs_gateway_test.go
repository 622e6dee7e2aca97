package main_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	millrace "github.com/millrace/millrace/cmd/millrace"
	"github.com/millrace/millrace/worker/gateway"
)

func TestTheReadmesGatewayPageIsWhatTheProgramServesAndTakes(t *testing.T) {
	page := pageText(t, "docs/gateway.md")
	for mark, text := range map[string]string{"operations": operationsTable(t), "settings": millrace.GatewayTable()} {
		begin, end := "<!-- "+mark+": generated -->\n", "<!-- "+mark+": end -->\n"
		head, rest, ok := strings.Cut(page, begin)
		require.True(t, ok, mark)
		_, tail, ok := strings.Cut(rest, end)
		require.True(t, ok, mark)
		page = head + begin + text + end + tail
	}
	matches(t, "docs/gateway.md", page)
}

// operationsTable is what the program's own OpenAPI document has of each operation.
func operationsTable(t *testing.T) string {
	t.Helper()
	doc := decoded[struct {
		Paths map[string]map[string]struct {
			Summary  string
			Security []map[string][]string
		}
	}](t, newPlace(t).succeeds("gateway", "openapi"))
	var b strings.Builder
	b.WriteString("| | | scope |\n| --- | --- | --- |\n")
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(doc.Paths[path])) {
			o := doc.Paths[path][method]
			require.NotEmpty(t, o.Summary, "%s %s", method, path)
			scope := ""
			for _, s := range o.Security {
				scope += strings.Join(s["key"], ", ")
			}
			fmt.Fprintf(&b, "| `%s %s` | %s | %s |\n", strings.ToUpper(method), path, o.Summary, scope)
		}
	}
	return b.String()
}

func TestTheKeysOnTheGatewaysPageAreKeys(t *testing.T) {
	all := examples(t, "docs/gateway.md", "yaml")
	require.NotEmpty(t, all)
	for _, b := range all {
		_, err := gateway.ParseKeys(b.page, []byte(b.text), nil)
		require.NoError(t, err, "%s", b)
	}
}
