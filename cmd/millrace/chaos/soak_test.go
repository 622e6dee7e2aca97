//go:build linux && soak

package chaos_test

import (
	"cmp"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/servertest"
)

// MILLRACE_SOAK_JOBS (2000) go through five workers that are tormented all the while.
func TestSoakChaosKeepsEveryPromise(t *testing.T) {
	jobs, err := strconv.Atoi(cmp.Or(os.Getenv("MILLRACE_SOAK_JOBS"), "2000"))
	require.NoError(t, err)
	f := newFleet(t, servertest.Fauxqs(t), 3*time.Second, "--slots=3", "--grace=2s")
	o := ordeal{workers: 5, slots: 3, jobs: jobs, torment: time.Duration(jobs) * 100 * time.Millisecond, drain: 5 * time.Minute}
	t.Logf("figure: chaos soak %s", f.endure(o, seed(t)))
}
