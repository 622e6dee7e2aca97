package viewermigration_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/viewermigration"
)

func TestConformance(t *testing.T) { moduletest.Conform(t, viewermigration.Module) }

func TestSettingsAndHotspotsBecomeOneText(t *testing.T) {
	for _, tt := range []struct {
		name, settings, hotspots, want string
		count                          int
	}{
		{"both", `{"tone-mapping": "aces", "exposure": 0.8}`, `[{"position": "0m 1m 0m"}]`, `{"exposure":0.8,"hotspots":[{"position":"0m 1m 0m"}],"toneMapping":"aces"}`, 1},
		{"a map of hotspots", `{}`, `{"hotspots": [{}, {}]}`, `{"hotspots":[{},{}]}`, 2},
		{"hotspots among the settings", `{"hotspots": [{"a": 1}]}`, "", `{"hotspots":[{"a":1}]}`, 1},
		{"no hotspots", `{"auto_rotate": "true"}`, "", `{"autoRotate":"true"}`, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := moduletest.Call(t)
			require.NoError(t, c.Workspace.WriteFile("migrated-config.json", []byte(tt.settings)))
			if tt.hotspots != "" {
				require.NoError(t, c.Workspace.WriteFile("migrated-hotspots.json", []byte(tt.hotspots)))
			}
			out, err := viewermigration.Module.Run(t.Context(), c, map[string]any{})
			require.NoError(t, err)
			require.Equal(t, tt.want, out["migratedConfig"])
			require.EqualValues(t, tt.count, out["hotspots"])
			require.Equal(t, []any{}, out["warnings"])
		})
	}
}

func TestASettingThatNothingUsesIsKeptAndNamed(t *testing.T) {
	c, _ := moduletest.Call(t)
	require.NoError(t, c.Workspace.WriteFile("migrated-config.json", []byte(`{"ar": true}`)))
	out, err := viewermigration.Module.Run(t.Context(), c, map[string]any{})
	require.NoError(t, err)
	require.Equal(t, `{"ar":true}`, out["migratedConfig"])
	require.Len(t, out["warnings"], 1)
}

func TestWhatAreNoSettingsIsRefusedForGood(t *testing.T) {
	for _, tt := range []struct{ name, settings, hotspots, want string }{
		{"no JSON", "{", "[]", "migrated-config.json: it is no JSON"},
		{"a list", "[]", "[]", "migrated-config.json: it is no JSON map"},
		{"a setting twice", `{"tone-mapping": "aces", "toneMapping": "agx"}`, "[]", "is there in two spellings"},
		{"a setting that is wrong", `{"exposure": "bright"}`, "[]", `the viewer's setting "exposure": bright is no number`},
		{"hotspots that are none", "{}", `"a"`, "migrated-hotspots.json: its hotspots are no list"},
		{"a hotspot that is none", "{}", `[1]`, "migrated-hotspots.json: its hotspot 0 is no map"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := moduletest.Call(t)
			require.NoError(t, c.Workspace.WriteFile("migrated-config.json", []byte(tt.settings)))
			require.NoError(t, c.Workspace.WriteFile("migrated-hotspots.json", []byte(tt.hotspots)))
			_, err := viewermigration.Module.Run(t.Context(), c, map[string]any{})
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
		})
	}
}
