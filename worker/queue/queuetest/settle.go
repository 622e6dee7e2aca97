package queuetest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/queue"
)

func extended(b *bench) {
	b.send("x")
	m := b.one()
	b.pass(b.Visibility / 2)
	require.NoError(b, b.Extend(b.Context(), m.Receipt, 2*b.Visibility))
	b.expire()
	b.none()
	require.NoError(b, b.Extend(b.Context(), m.Receipt, b.Visibility))
	b.expire()
	require.Equal(b, 2, b.one().Delivery)
}

func nackedNow(b *bench) {
	b.send("x")
	m := b.one()
	require.NoError(b, b.Nack(b.Context(), m.Receipt, 0))
	require.Equal(b, m.ID, b.one().ID)
}

func nackedLater(b *bench) {
	b.send("x")
	m := b.one()
	require.NoError(b, b.Nack(b.Context(), m.Receipt, 2*b.Visibility))
	b.expire()
	b.none()
	b.expire()
	require.Equal(b, m.ID, b.one().ID)
}

func deliveries(b *bench) {
	b.send("x")
	receipts := map[queue.Receipt]bool{}
	for i := range 3 {
		m := b.one()
		require.Equal(b, i+1, m.Delivery)
		receipts[m.Receipt] = true
		require.NoError(b, b.Nack(b.Context(), m.Receipt, 0))
	}
	require.Len(b, receipts, 3)
}

func acked(b *bench) {
	b.send("x")
	m := b.one()
	require.NoError(b, b.Ack(b.Context(), []queue.Receipt{m.Receipt})[0])
	b.expire()
	d, err := b.Depth(b.Context())
	require.NoError(b, err)
	require.Equal(b, queue.Depth{}, d)
	ms, err := b.Receive(b.Context(), 1, b.wait())
	require.NoError(b, err)
	require.Empty(b, ms)
}

func mixedAcks(b *bench) {
	for _, body := range []string{"a", "b", "c"} {
		b.send(body)
	}
	ms := b.receive(3)
	require.Len(b, ms, 3)
	gone := b.redeliver(ms[1])

	errs := b.Ack(b.Context(), []queue.Receipt{ms[0].Receipt, gone, ms[2].Receipt})
	require.Len(b, errs, 3)
	require.NoError(b, errs[0])
	require.ErrorIs(b, errs[1], queue.ErrLeaseLost)
	require.NoError(b, errs[2])
	d, err := b.Depth(b.Context())
	require.NoError(b, err)
	require.Equal(b, 1, d.Visible+d.InFlight)
}

// redeliver hands m back and receives it again; it returns the receipt that is stale now.
func (b *bench) redeliver(m queue.Message) queue.Receipt {
	b.Helper()
	require.NoError(b, b.Nack(b.Context(), m.Receipt, 0))
	require.Equal(b, m.ID, b.one().ID)
	return m.Receipt
}

func stale(b *bench) {
	b.send("x")
	m := b.one()
	b.expire()
	current := b.one()
	require.Equal(b, m.ID, current.ID)
	require.NoError(b, b.Extend(b.Context(), current.Receipt, time.Hour), "so that it outlasts a slow machine")
	b.refused(m)

	b.none()
	require.NoError(b, b.Ack(b.Context(), []queue.Receipt{current.Receipt})[0], "the new lease is unharmed")
	b.refused(current)
}

// refused checks that every verb knows that m's lease is lost.
func (b *bench) refused(m queue.Message) {
	b.Helper()
	ctx := b.Context()
	require.ErrorIs(b, b.Extend(ctx, m.Receipt, time.Hour), queue.ErrLeaseLost, "extend")
	require.ErrorIs(b, b.Nack(ctx, m.Receipt, 0), queue.ErrLeaseLost, "nack")
	require.ErrorIs(b, b.Bury(ctx, m, "no"), queue.ErrLeaseLost, "bury")
	require.ErrorIs(b, b.Ack(ctx, []queue.Receipt{m.Receipt})[0], queue.ErrLeaseLost, "ack")
	d, err := b.Depth(ctx)
	require.NoError(b, err)
	require.Zero(b, d.Dead)
}

func foreign(b *bench) {
	b.send("x")
	for _, r := range []queue.Receipt{"", "1", "1.", "nobody's", "-1.00"} {
		b.refused(queue.Message{ID: "m", Receipt: r})
	}
	b.one()
}

func buried(b *bench) {
	b.send("x")
	m := b.one()
	require.NoError(b, b.Bury(b.Context(), m, "it is no job"))
	b.expire()
	d, err := b.Depth(b.Context())
	require.NoError(b, err)
	require.Equal(b, queue.Depth{Dead: 1}, d)
	require.ErrorIs(b, b.Extend(b.Context(), m.Receipt, time.Second), queue.ErrLeaseLost)
}

func depth(b *bench) {
	for range 4 {
		b.send("x")
	}
	_, err := b.Send(b.Context(), queue.Draft{Body: []byte("later"), Delay: 10 * b.Visibility})
	require.NoError(b, err)
	ms := b.receive(3)
	require.Len(b, ms, 3)
	require.NoError(b, b.Bury(b.Context(), ms[0], "it is no job"))
	require.NoError(b, b.Nack(b.Context(), ms[1].Receipt, 10*b.Visibility))
	d, err := b.Depth(b.Context())
	require.NoError(b, err)
	want := queue.Depth{Visible: 1, InFlight: 1, Delayed: 2, Dead: 1}
	if b.HandedBackInFlight {
		want.InFlight, want.Delayed = want.InFlight+1, want.Delayed-1
	}
	require.Equal(b, want, d)
}
