package callbacks_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/callbacks"
	"github.com/millrace/millrace/modules/moduletest"
)

func TestV21EveryCallbackConforms(t *testing.T) {
	r, err := modules.NewRegistry(callbacks.Modules()...)
	require.NoError(t, err)
	for m := range r.All() {
		t.Run(m.Spec().Name, func(t *testing.T) { moduletest.Conform(t, m) })
	}
}

func TestWhatIsNotBuiltYetIsPlanned(t *testing.T) {
	require.True(t, callbacks.Planned("VntanaGoogleMetrics"))
	require.False(t, callbacks.Planned("Http"))
}

func TestWhatPrintsCanBeAPlugin(t *testing.T) {
	r, err := modules.NewRegistry(callbacks.Modules()...)
	require.NoError(t, err)
	plugins := map[string]bool{}
	for m := range r.All() {
		s := m.Spec()
		plugins[s.Name] = s.Plugin != nil
		for name := range s.Plugin {
			require.True(t, slices.ContainsFunc(s.Props, func(f modules.Field) bool { return f.Name == name }), "%s has no prop %q", s.Name, name)
		}
	}
	require.Equal(t, map[string]bool{"Debug": true, "Http": false, "Kafka": false, "Now": false, "SQS": false, "StdErr": true, "StdOut": true}, plugins)
}
