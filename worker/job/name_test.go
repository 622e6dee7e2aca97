package job_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/job"
)

func TestWhatAnIDBeginsWithIsANameThatKeepsItAsItIs(t *testing.T) {
	for _, name := range []string{"a", "0", "acme-7", strings.Repeat("a", 40)} {
		require.True(t, job.IsName(name), name)
		require.Equal(t, name+".1", job.SafeID(name+".1"))
	}
	for _, name := range []string{"", "-acme", "Acme", "a.b", "a_b", "ä", "a\n", strings.Repeat("a", 41)} {
		require.False(t, job.IsName(name), name)
	}
}
