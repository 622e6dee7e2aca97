package queuetest

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/queue"
)

func arrives(b *bench) {
	want := map[string]string{"pipeline": "hello", "name": "Größe 1/2 \"x\"", "job.forward": `{"id": "a"}`}
	before := time.Now()
	id, err := b.Send(b.Context(), queue.Draft{Body: []byte("hello"), Attributes: want})
	require.NoError(b, err)
	require.NotEmpty(b, id)

	m := b.one()
	require.Equal(b, id, m.ID)
	require.Equal(b, "hello", string(m.Body))
	require.Equal(b, want, m.Attributes)
	require.Equal(b, 1, m.Delivery)
	require.NotEmpty(b, m.Receipt)
	if !m.Enqueued.IsZero() {
		require.WithinDuration(b, before, m.Enqueued, time.Minute)
	}
	require.WithinDuration(b, time.Now().Add(b.Visibility), m.Deadline, b.Visibility/2)
}

func anyBytes(b *bench) {
	for _, body := range [][]byte{{}, {0, 1, 2, 0xff, 0xfe, 0}, []byte("\r\n\t é \U0001f600")} {
		_, err := b.Send(b.Context(), queue.Draft{Body: body})
		require.NoError(b, err)
		m := b.one()
		require.True(b, bytes.Equal(body, m.Body), "sent %q, received %q", body, m.Body)
		require.NoError(b, b.Ack(b.Context(), []queue.Receipt{m.Receipt})[0])
	}
}

func largeBody(b *bench) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	_, err := b.Send(b.Context(), queue.Draft{Body: body})
	require.NoError(b, err)
	require.True(b, bytes.Equal(body, b.one().Body), "the body came back changed")
}

func tenAttributes(b *bench) {
	want := map[string]string{}
	for i := range 10 {
		want[fmt.Sprintf("state.k%d", i)] = fmt.Sprint(i)
	}
	_, err := b.Send(b.Context(), queue.Draft{Body: []byte("{}"), Attributes: want})
	require.NoError(b, err)
	require.Equal(b, want, b.one().Attributes)
}

func empty(b *bench) {
	asked := time.Now()
	ms, err := b.Receive(b.Context(), 10, b.wait())
	require.NoError(b, err)
	require.Empty(b, ms)
	require.LessOrEqual(b, time.Since(asked), 25*time.Second)
}

func atMost(b *bench) {
	for i := range 5 {
		b.send(fmt.Sprint(i))
	}
	ms, err := b.Receive(b.Context(), 2, b.wait())
	require.NoError(b, err)
	require.NotEmpty(b, ms)
	require.LessOrEqual(b, len(ms), 2)
}

// inOrder allows neighbours to change places: no broker that we take promises more.
func inOrder(b *bench) {
	for i := range 8 {
		b.send(fmt.Sprint(i))
		b.pass(2 * time.Millisecond)
	}
	got := bodies(b.receive(8))
	require.Len(b, got, 8)
	require.Subset(b, []string{"0", "1", "2", "3", "4"}, got[:2])
	require.Subset(b, []string{"3", "4", "5", "6", "7"}, got[6:])
}

func hidden(b *bench) {
	b.send("x")
	first := b.one()
	b.none()
	b.expire()
	require.Equal(b, first.ID, b.one().ID)
}

func delayed(b *bench) {
	id, err := b.Send(b.Context(), queue.Draft{Body: []byte("later"), Delay: b.Visibility})
	require.NoError(b, err)
	b.none()
	b.expire()
	require.Equal(b, id, b.one().ID)
}

func wakes(b *bench) {
	var got []queue.Message
	var err error
	var wg sync.WaitGroup
	wg.Go(func() { got, err = b.Receive(b.Context(), 1, 20*time.Second) })
	b.pass(100 * time.Millisecond)
	id := b.send("x")
	sent := time.Now()
	wg.Wait()
	require.NoError(b, err)
	require.Len(b, got, 1)
	require.Equal(b, id, got[0].ID)
	require.Less(b, time.Since(sent), 5*time.Second)
}

func cancelled(b *bench) {
	ctx, cancel := context.WithCancel(b.Context())
	var got []queue.Message
	var err error
	var wg sync.WaitGroup
	wg.Go(func() { got, err = b.Receive(ctx, 1, 20*time.Second) })
	b.pass(50 * time.Millisecond)
	cancel()
	wg.Wait()
	require.Empty(b, got)
	if err != nil {
		require.ErrorIs(b, err, context.Canceled)
	}
	b.send("x")
	b.one()
}

func concurrent(b *bench) {
	const messages, receivers = 100, 8
	for i := range messages {
		b.send(fmt.Sprint(i))
	}
	var mu sync.Mutex
	seen := map[string]time.Time{} // and until when nobody else may get them: the end of a lease that was not acked in time
	var wg sync.WaitGroup
	for range receivers {
		wg.Go(func() {
			for {
				ms, err := b.Receive(b.Context(), 3, b.wait())
				if err != nil {
					b.Error(err)
					return
				}
				var rs []queue.Receipt
				for _, m := range ms {
					rs = append(rs, m.Receipt)
				}
				errs := b.Ack(b.Context(), rs) // on a machine under load a lease may end while others are received
				now := time.Now()
				mu.Lock()
				for i, m := range ms {
					if now.Before(seen[m.ID]) {
						b.Errorf("message %s was received twice", m.ID)
					}
					if seen[m.ID] = m.Deadline; errs[i] == nil && now.Before(m.Deadline) {
						seen[m.ID] = now.Add(time.Hour)
					}
				}
				done := len(seen) == messages || len(ms) == 0
				mu.Unlock()
				if done {
					return
				}
			}
		})
	}
	wg.Wait()
	require.Len(b, seen, messages)
}

// groups is kept by brokers that know the order within a group.
func groups(b *bench) {
	for _, body := range []string{"a1", "a2", "b1", "a3"} {
		_, err := b.Send(b.Context(), queue.Draft{Body: []byte(body), Group: body[:1]})
		require.NoError(b, err)
	}
	first := b.receive(2)
	require.ElementsMatch(b, []string{"a1", "b1"}, bodies(first))
	ms, err := b.Receive(b.Context(), 10, b.wait())
	require.NoError(b, err)
	require.Empty(b, ms, "a group waits for its message in flight")
	for _, m := range first {
		require.NoError(b, b.Nack(b.Context(), m.Receipt, 0))
	}
	var order []string
	for range 4 {
		m := b.one()
		if order = append(order, string(m.Body)); order[len(order)-1] == "b1" {
			order = order[:len(order)-1]
		}
		require.NoError(b, b.Ack(b.Context(), []queue.Receipt{m.Receipt})[0])
	}
	require.Equal(b, []string{"a1", "a2", "a3"}, order)
}

func durable(b *bench) {
	if b.Reopen == nil {
		b.Skip("the driver's test gives no Options.Reopen")
	}
	waits, taken := b.send("waits"), b.send("taken")
	m := b.receive(2)
	require.Len(b, m, 2)
	require.NoError(b, b.Nack(b.Context(), m[0].Receipt, 0))
	require.NoError(b, b.Bury(b.Context(), m[1], "cannot pass"))

	b.Driver = b.Reopen(b.T, b.Driver)
	again := b.one()
	require.Equal(b, m[0].ID, again.ID)
	require.Contains(b, []string{waits, taken}, again.ID)
	require.Equal(b, 2, again.Delivery)
	d, err := b.Depth(b.Context())
	require.NoError(b, err)
	require.Equal(b, queue.Depth{InFlight: 1, Dead: 1}, d)

	b.Driver = b.Reopen(b.T, b.Driver)
	require.NoError(b, b.Ack(b.Context(), []queue.Receipt{again.Receipt})[0], "a receipt outlives the driver")
}
