package localqueue

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/queue"
)

func TestPeekShowsWhereEveryMessageStands(t *testing.T) {
	d := open(t, Config{Path: filepath.Join(t.TempDir(), "q.db")})
	taken := send(t, d, queue.Draft{Body: []byte("taken")})
	receive(t, d)
	waits := send(t, d, queue.Draft{Body: []byte("waits"), Attributes: map[string]string{"pipeline": "p"}})
	later := send(t, d, queue.Draft{Body: []byte("later"), Delay: time.Hour})

	ws, err := d.Peek(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, ws, 3)
	for i, want := range []queue.Waiting{
		{ID: taken, State: queue.InFlight, Delivery: 1, Body: []byte("taken")},
		{ID: waits, State: queue.Visible, Body: []byte("waits"), Attributes: map[string]string{"pipeline": "p"}},
		{ID: later, State: queue.Delayed, Body: []byte("later")},
	} {
		require.WithinDuration(t, time.Now(), ws[i].Enqueued, time.Minute)
		require.Equal(t, want.State == queue.Visible, ws[i].Hidden == 0)
		ws[i].Enqueued, ws[i].Hidden = time.Time{}, 0
		require.Equal(t, want, ws[i])
	}

	ws, err = d.Peek(t.Context(), 1)
	require.NoError(t, err)
	require.Len(t, ws, 1)

	w, err := d.Find(t.Context(), later)
	require.NoError(t, err)
	require.Equal(t, queue.Delayed, w.State)
	_, err = d.Find(t.Context(), "nobody")
	require.ErrorIs(t, err, queue.ErrNotFound)
}

func TestRemoveTakesOnlyWhatNoWorkerHas(t *testing.T) {
	d := open(t, Config{Path: filepath.Join(t.TempDir(), "q.db")})
	id := send(t, d, queue.Draft{Body: []byte("x")})
	m := receive(t, d)
	require.ErrorIs(t, d.Remove(t.Context(), id), queue.ErrInFlight)
	require.NoError(t, d.Nack(t.Context(), m.Receipt, time.Hour))
	require.NoError(t, d.Remove(t.Context(), id))
	require.ErrorIs(t, d.Remove(t.Context(), id), queue.ErrNotFound)
}

func TestTheDeadKeepBodyAndReason(t *testing.T) {
	d := open(t, Config{Path: filepath.Join(t.TempDir(), "q.db")})
	id := send(t, d, queue.Draft{Body: []byte("garbage"), Attributes: map[string]string{"from": "me"}})
	require.NoError(t, d.Bury(t.Context(), receive(t, d), "it is no job"))
	bs, err := d.Dead(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, bs, 1)
	require.WithinDuration(t, time.Now(), bs[0].Buried, time.Minute)
	bs[0].Buried, bs[0].Enqueued = time.Time{}, time.Time{}
	require.Equal(t, queue.Buried{
		ID: id, Delivery: 1, Reason: "it is no job",
		Body: []byte("garbage"), Attributes: map[string]string{"from": "me"},
	}, bs[0])
}

func TestAMessageIsFoundByItsIDOrItsJobsHoweverManyWait(t *testing.T) {
	d := open(t, Config{Path: filepath.Join(t.TempDir(), "q.db")})
	var ids []string
	for i := range 1200 {
		ids = append(ids, send(t, d, queue.Draft{Body: []byte("x"), Attributes: map[string]string{JobID: "order-" + strconv.Itoa(i)}}))
	}
	for _, id := range []string{ids[1199], "order-1199"} {
		w, err := d.Find(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, ids[1199], w.ID)
	}
	newest := func(prefix string) (got []string) {
		for w, err := range d.Newest(t.Context(), prefix) {
			require.NoError(t, err)
			got = append(got, w.ID)
		}
		return got
	}
	slices.Reverse(ids)
	require.Equal(t, append(slices.Clone(ids[:10]), ids[1199-119]), newest("order-119"), "order-1199 to order-1190, and order-119")
	require.Len(t, newest("order-1"), 311, "over several pages")
	require.Equal(t, ids, newest(""))

	plan, err := d.read.QueryContext(t.Context(), "explain query plan "+findSQL, "order-7")
	require.NoError(t, err)
	defer plan.Close()
	for plan.Next() {
		var detail string
		require.NoError(t, plan.Scan(new(int), new(int), new(int), &detail))
		require.NotContains(t, detail, "SCAN messages", "an index answers")
	}
	require.NoError(t, plan.Err())
}

func TestTheDeadAreSentAgainInOneStep(t *testing.T) {
	d := open(t, Config{Path: filepath.Join(t.TempDir(), "q.db")})
	id := send(t, d, queue.Draft{Body: []byte("garbage"), Attributes: map[string]string{JobID: "order-7"}})
	require.NoError(t, d.Bury(t.Context(), receive(t, d), "it is no job"))
	for _, prefix := range []string{id, "order-"} {
		bs, err := d.DeadPrefix(t.Context(), prefix, 2)
		require.NoError(t, err)
		require.Len(t, bs, 1)
	}
	again, err := d.Revive(t.Context(), queue.Buried{ID: id}, queue.Draft{Body: []byte("a job")})
	require.NoError(t, err)
	require.NotEqual(t, id, again)
	m := receive(t, d)
	require.Equal(t, again, m.ID)
	require.Equal(t, "a job", string(m.Body))
	require.NoError(t, d.Ack(t.Context(), []queue.Receipt{m.Receipt})[0])

	_, err = d.Revive(t.Context(), queue.Buried{ID: id}, queue.Draft{})
	require.ErrorIs(t, err, queue.ErrNotFound)
	depth, err := d.Depth(t.Context())
	require.NoError(t, err)
	require.Equal(t, queue.Depth{}, depth, "neither is it dead, nor is it sent twice")
}

func TestTheDeadThatIsNamedWholeComesFirst(t *testing.T) {
	d := open(t, Config{Path: filepath.Join(t.TempDir(), "q.db")})
	for _, job := range []string{"order-7", "order-71", "order-72"} {
		send(t, d, queue.Draft{Body: []byte("x"), Attributes: map[string]string{JobID: job}})
		require.NoError(t, d.Bury(t.Context(), receive(t, d), "it is no job"))
	}
	bs, err := d.DeadPrefix(t.Context(), "order-7", 2)
	require.NoError(t, err)
	require.Equal(t, "order-7", bs[0].Attributes[JobID])
	require.Equal(t, "order-72", bs[1].Attributes[JobID])
}

func TestABodyIsGoneFromTheFileAfterTheAck(t *testing.T) {
	file := filepath.Join(t.TempDir(), "q.db")
	d, err := Open(t.Context(), Config{Path: file})
	require.NoError(t, err)
	send(t, d, queue.Draft{Body: []byte("a body that holds a secret")})
	require.NoError(t, d.Ack(t.Context(), []queue.Receipt{receive(t, d).Receipt})[0])
	require.NoError(t, d.Close())
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NotContains(t, string(b), "secret")
}

func TestSendRefusesWhatABrokerWould(t *testing.T) {
	d := open(t, Config{Path: filepath.Join(t.TempDir(), "q.db")})
	many := map[string]string{}
	for _, k := range strings.Split("abcdefghijk", "") {
		many[k] = k
	}
	for _, tt := range []struct {
		name  string
		draft queue.Draft
		want  string
	}{
		{"a body over 1 MiB", queue.Draft{Body: bytes.Repeat([]byte("x"), 1<<20+1)}, "1048577 bytes, the queue takes at most 1048576"},
		{"more than ten attributes", queue.Draft{Attributes: many}, "11 attributes, the queue takes at most 10"},
		{"a negative delay", queue.Draft{Delay: -1}, "is negative"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := d.Send(t.Context(), tt.draft)
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
		})
	}
}
