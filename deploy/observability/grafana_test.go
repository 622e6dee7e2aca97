package observability_test

import (
	"os"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	grafana "github.com/grafana/grafana-foundation-sdk/go/dashboard"
	query "github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/stretchr/testify/require"
)

// Grafana's own types, which are made from its schema, know every field, word and range of ours.
func TestGrafanaKnowsAllThatTheDashboardSays(t *testing.T) {
	kinds := cog.NewRuntime()
	kinds.RegisterPanelcfgVariant(stat.VariantConfig())
	kinds.RegisterPanelcfgVariant(timeseries.VariantConfig())
	kinds.RegisterDataqueryVariant(query.VariantConfig())
	text, err := os.ReadFile("dashboard.json")
	require.NoError(t, err)
	var d grafana.Dashboard
	require.NoError(t, d.UnmarshalJSONStrict(text))
	require.NoError(t, d.Validate())
	require.Equal(t, "millrace", *d.Uid)
}
