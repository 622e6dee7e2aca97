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
	require.Equal(t, []string{"j", job.AgainID("j", first)}, ids(t, once))
	require.Equal(t, []string{"j", job.AgainID("j", first), job.AgainID("j", second)}, ids(t, twice))
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

	often := map[string]string{}
	for ok = true; ok; often, ok = job.MarkAgain(often, job.Mark(nil)) {
		require.Less(t, len(ids(t, often)), 34)
	}
	require.Len(t, ids(t, often), 1, "more marks than there may be are none")
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
	require.Len(t, job.AgainID(job.AgainID("j", "0123456789ab"), "ba9876543210"), len("j-retry-")+12, "it does not grow")
}

// One of them would be taken for the other, and not run.
func TestTwoJobsOfAMessageStayTwoWhenItIsSentAgain(t *testing.T) {
	body := `[{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"pipeline":"p","id":"a"}},
		{"specversion":"1.0","id":"2","source":"s","type":"t","data":{"pipeline":"p","id":"a-retry-1"}}]`
	marked, ok := job.MarkAgain(nil, job.Mark(nil))
	require.True(t, ok)
	m, err := job.Decode(queue.Message{ID: "m", Body: []byte(body), Attributes: marked})
	require.NoError(t, err)
	require.Regexp(t, "^a-retry-[0-9a-f]{12}$", m.Jobs[0].ID)
	require.Regexp(t, "^a-retry-[0-9a-f]{12}$", m.Jobs[1].ID)
	require.NotEqual(t, m.Jobs[0].ID, m.Jobs[1].ID)
}

func TestAJobThatWasSentAgainKeepsItsIDWhenItIsSentOn(t *testing.T) {
	marked, ok := job.MarkAgain(nil, job.Mark(nil))
	require.True(t, ok)
	m := queue.Message{ID: "m", Body: []byte("p"), Attributes: marked}
	j, err := job.One(m)
	require.NoError(t, err)
	d, ok := j.Forward(m, "gpu")
	require.True(t, ok)
	there, err := job.One(queue.Message{ID: "n", Body: d.Body, Attributes: d.Attributes})
	require.NoError(t, err)
	require.Equal(t, j.ID, there.ID)
}
