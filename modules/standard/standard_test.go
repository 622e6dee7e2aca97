package standard_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/callbacks"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/standard"
)

func TestV26EveryModuleConforms(t *testing.T) {
	r, err := modules.NewRegistry(standard.Modules()...)
	require.NoError(t, err)
	for m := range r.All() {
		t.Run(m.Spec().Name, func(t *testing.T) { moduletest.Conform(t, m) })
	}
}

func TestNoPlannedModuleIsBuilt(t *testing.T) {
	for _, m := range standard.Modules() {
		require.False(t, standard.Planned(m.Spec().Name), m.Spec().Name)
	}
	for _, m := range callbacks.Modules() {
		require.False(t, callbacks.Planned(m.Spec().Name), m.Spec().Name)
	}
	require.True(t, standard.Planned("VntanaMetrics"))
	require.False(t, standard.Planned("s4"))
}
