package job_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/job"
)

func TestNumbersThatTemplatesCannotHoldStayText(t *testing.T) {
	got, _, err := job.ParseState([]string{"a=9007199254740992", "b=9007199254740993", "c=12345678901234567890", "d=1.5e3", "e=-7"})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"a": int64(9007199254740992), "b": "9007199254740993", "c": "12345678901234567890", "d": 1500.0, "e": int64(-7)}, got)
}
