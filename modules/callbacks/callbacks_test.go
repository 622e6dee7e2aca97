package callbacks_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/callbacks"
	"github.com/millrace/millrace/modules/moduletest"
)

func TestEveryCallbackConforms(t *testing.T) {
	r, err := modules.NewRegistry(callbacks.Modules()...)
	require.NoError(t, err)
	for m := range r.All() {
		t.Run(m.Spec().Name, func(t *testing.T) { moduletest.Conform(t, m) })
	}
}

func TestKafkaIsPlanned(t *testing.T) {
	require.True(t, callbacks.Planned("Kafka"))
	require.False(t, callbacks.Planned("Http"))
}
