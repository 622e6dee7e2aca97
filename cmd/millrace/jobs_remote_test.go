//go:build linux

package main_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// No worker has claimed the jobs yet, and neither SQS nor a bucket can be searched for them.
func TestAJobThatOnlyABrokerKnowsIsWaitedForAndKeptFromBeingRun(t *testing.T) {
	for _, broker := range []string{"SQS", "COS"} {
		t.Run(broker, func(t *testing.T) {
			t.Parallel()
			p := withServers(t)
			if broker == "SQS" {
				p.onSQS()
			}
			unwanted := id(t, p.succeeds("jobs", "run", "hello_world", "name=Bob"))
			r := p.millrace("jobs", "cancel", unwanted)
			require.Equal(t, 0, r.code, r.stderr)
			require.Contains(t, r.stdout, "will not run it")

			wait := p.start("", "jobs", "run", "hello_world", "name=Ada", "--watch")
			p.succeeds("work", "--exit-when-idle", "3s")
			watched := wait()
			require.Equal(t, 0, watched.code, watched.stderr)
			require.Contains(t, watched.stdout, "Hello Ada")
			require.Contains(t, watched.stderr, "SUCCEEDED")
			require.Contains(t, p.succeeds("jobs", "describe", unwanted), "CANCELLED")
			require.Equal(t, 1, p.millrace("jobs", "describe", "never-sent").code)
		})
	}
}
