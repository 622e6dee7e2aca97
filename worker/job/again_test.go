package job_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
)

func TestAJobThatIsSentAgainHasANewIDEachTimeAndRemembersTheOthers(t *testing.T) {
	first, second := job.Mark([]byte("first")), job.Mark([]byte("second"))
	once, ok := job.MarkAgain(map[string]string{"a": "b"}, first)
	require.True(t, ok)
	require.Equal(t, "b", once["a"])
	twice, ok := job.MarkAgain(once, second)
	require.True(t, ok)
	require.Equal(t, []string{"j"}, ids(t, nil))
	require.Equal(t, []string{"j", "j-retry-" + first}, ids(t, once))
	require.Equal(t, []string{"j", "j-retry-" + first, "j-retry-" + second}, ids(t, twice))
}

// ids are those that a message's job has had, and at last the one that it has.
func ids(t *testing.T, attributes map[string]string) []string {
	j, err := job.One(queue.Message{ID: "m", Body: []byte(`{"id": "j", "pipeline": "p"}`), Attributes: attributes})
	require.NoError(t, err)
	return append(j.Before, j.ID)
}

func TestAMessageWithoutRoomIsNotMarked(t *testing.T) {
	full := map[string]string{}
	for _, k := range strings.Split("abcdefghij", "") {
		full[k] = "x"
	}
	_, ok := job.MarkAgain(full, job.Mark(nil))
	require.False(t, ok)
}

func TestWhatIsNoMarkCountsForNothing(t *testing.T) {
	for _, hostile := range []string{"../../x", "zzzzzzzzzzzz", strings.Repeat("ab", 1<<16), strings.Repeat("0123456789ab ", 1<<10)} {
		require.Equal(t, []string{"j"}, ids(t, map[string]string{"job.again": hostile}))
	}
}

func TestLongIDsStayApartAndKeepWhoseTheyAreWhenSentAgain(t *testing.T) {
	long := "acme." + strings.Repeat("x", 115)
	a, b := job.AgainID(long+"-a", job.Mark(nil)), job.AgainID(long+"-b", job.Mark(nil))
	require.NotEqual(t, a, b)
	require.True(t, strings.HasPrefix(a, "acme."))
	require.Equal(t, a, job.SafeID(a))
	require.Equal(t, job.AgainID("j", "0123456789ab"), job.AgainID("j-retry-ba9876543210", "0123456789ab"), "it does not grow")
}
