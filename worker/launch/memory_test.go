package launch_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/launch"
)

// At lower concurrency there is more for it.
func TestF25AJobThatHasItsWorkerToItselfHasItsMemoryToo(t *testing.T) {
	p := newPool(t, func(c *launch.Config) { c.Memory, c.MemoryAlone = 200<<20, 2<<30 })
	req := request("hoard", "")
	req.Alone = true
	run, _ := launchOne(t, p, req)
	require.Equal(t, engine.Succeeded, run.Status, "%+v", run.Failure)
}
