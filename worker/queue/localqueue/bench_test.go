package localqueue

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/queue"
)

// BenchmarkAMessage is one message sent, received and acked, each on the disk, with 16 at a time.
func BenchmarkAMessage(b *testing.B) {
	d, err := Open(b.Context(), Config{Path: filepath.Join(b.TempDir(), "q.db")})
	require.NoError(b, err)
	defer d.Close()
	body := make([]byte, 200)
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := d.Send(b.Context(), queue.Draft{Body: body}); err != nil {
				b.Error(err)
				return
			}
			ms, err := d.Receive(b.Context(), 1, 20*time.Second)
			if err != nil || len(ms) == 0 {
				b.Error("no message", err)
				return
			}
			if err := d.Ack(b.Context(), []queue.Receipt{ms[0].Receipt})[0]; err != nil {
				b.Error(err)
				return
			}
		}
	})
}
