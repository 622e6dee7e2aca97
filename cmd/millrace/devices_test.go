package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/gpu"
)

func TestOnlyDocumentsThatCouldAskForAGPUHaveTheirJobsUseItsDevices(t *testing.T) {
	t.Parallel()
	words := newGPUWords([]modules.Spec{
		{Name: "StdOut"},
		{Name: "Upscale", Aliases: []string{"Enlarge"}, GPU: gpu.Need{Use: gpu.Preferred}},
	})
	for _, tt := range []struct {
		name, document string
		want           bool
	}{
		{"nothing of the kind", "tasks: [{module: StdOut, props: {msg: '{{ x }}'}}]", false},
		{"a need of its own", "tasks: [{module: StdOut, gpu: required}]", true},
		{"a module's need", "tasks: [{module: Upscale}]", true},
		{"by its older name", `{"tasks":[{"module":"Enlarge"}]}`, true},
		{"blocks that may write one", "tasks:\n{% include 'more.yaml' %}\n", true},
		{"escapes that hide one", `{"tasks":[{"module":"StdOut","g\u0070u":"required"}]}`, true},
	} {
		t.Run(tt.name, func(t *testing.T) { require.Equal(t, tt.want, words.in([]byte(tt.document))) })
	}
	require.Nil(t, (&workConfig{GPU: gpuOff}).devices(nil))
}
