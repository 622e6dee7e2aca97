package cosqueue

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/ibm-cos-sdk-go/aws"
	"github.com/IBM/ibm-cos-sdk-go/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/queue"
)

func finding(t *testing.T, d *Driver, check string) queue.Finding {
	t.Helper()
	for _, f := range d.Examine(t.Context()) {
		if f.Check == check {
			require.Equal(t, f.Level == queue.Good, f.Remedy == "", "%+v", f)
			return f
		}
	}
	require.Fail(t, "nothing was found out about "+check)
	return queue.Finding{}
}

func TestAHealthyBucketIsFoundHealthy(t *testing.T) {
	d := start(t, gateway(t))
	for _, f := range d.Examine(t.Context()) {
		require.Equal(t, queue.Good, f.Level, "%+v", f)
		require.NotEmpty(t, f.Text)
	}
}

func TestExamineFindsWhatIsWrong(t *testing.T) {
	shift := func(d time.Duration) func(Config) Config {
		return func(c Config) Config {
			return c.through(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(r)
				if err == nil {
					resp.Header.Set("Date", time.Now().Add(d).UTC().Format(http.TimeFormat))
				}
				return resp, err
			})
		}
	}
	for _, tt := range []struct {
		check, name string
		config      func(Config) Config
		then        func(t *testing.T, d *Driver)
		level       queue.Level
	}{
		{"clock", "two minutes off", shift(2 * time.Minute), nil, queue.Warning},
		{"clock", "an hour off", shift(-time.Hour), nil, queue.Bad},
		{"versioning", "versions are kept", nil, func(t *testing.T, d *Driver) {
			_, err := d.bucket.client.PutBucketVersioningWithContext(t.Context(), &s3.PutBucketVersioningInput{
				Bucket:                  aws.String(d.bucket.name),
				VersioningConfiguration: &s3.VersioningConfiguration{Status: aws.String(s3.BucketVersioningStatusEnabled)},
			})
			require.NoError(t, err)
		}, queue.Warning},
		{"bucket", "the bucket is gone", nil, func(_ *testing.T, d *Driver) {
			d.bucket.client.Config.HTTPClient.Transport = wire(
				func(*http.Request) (*http.Response, error) { return nil, errCut })
		}, queue.Bad},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := memory(t)
			if tt.config != nil {
				c = tt.config(c)
			}
			d := start(t, c)
			if tt.then != nil {
				tt.then(t, d)
			}
			require.Equal(t, tt.level, finding(t, d, tt.check).Level)
		})
	}
}

func TestPeekShowsWhereMessagesStandAndChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := memory(t)
		d := start(t, c)
		_, err := d.Send(t.Context(), queue.Draft{Body: []byte("x"), Group: "g", Attributes: map[string]string{"a": "b"}})
		require.NoError(t, err)
		m := one(t, d)
		require.Equal(t, "g", m.Group)
		_, err = d.Send(t.Context(), queue.Draft{Body: []byte("later"), Delay: time.Minute})
		require.NoError(t, err)
		time.Sleep(time.Millisecond)
		send(t, d, "now")
		for _, looker := range []*Driver{d, start(t, c)} {
			ws, err := looker.Peek(t.Context(), 10)
			require.NoError(t, err)
			require.Len(t, ws, 3)
			require.Equal(t, queue.InFlight, ws[0].State)
			require.Equal(t, 1, ws[0].Delivery)
			require.Equal(t, m.ID, ws[0].ID)
			require.Equal(t, "g", ws[0].Group)
			require.Equal(t, map[string]string{"a": "b"}, ws[0].Attributes)
			require.Equal(t, queue.Delayed, ws[1].State)
			require.Greater(t, ws[1].Hidden, 50*time.Second)
			require.Equal(t, queue.Visible, ws[2].State)
			require.Equal(t, "now", string(ws[2].Body))
		}
		ws, err := d.Peek(t.Context(), 1)
		require.NoError(t, err)
		require.Len(t, ws, 1)
		require.NoError(t, d.Extend(t.Context(), m.Receipt, time.Minute))
	})
}

func TestPurgeLeavesWhatIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := start(t, memory(t))
		send(t, d, "in flight")
		m := one(t, d)
		send(t, d, "handed back")
		require.NoError(t, d.Nack(t.Context(), one(t, d).Receipt, time.Hour))
		for range 20 {
			send(t, d, "waits")
		}
		require.NoError(t, d.Purge(t.Context()))
		depth, err := d.Depth(t.Context())
		require.NoError(t, err)
		require.Equal(t, queue.Depth{InFlight: 1}, depth)
		ack(t, d, m)
		require.True(t, empty(t, d))
	})
}

func TestADeadMessageIsShownAndRevived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := start(t, memory(t))
		for _, body := range []string{"first", "second"} {
			_, err := d.Send(t.Context(), queue.Draft{Body: []byte(body), Group: "g", Attributes: map[string]string{"a": "b"}})
			require.NoError(t, err)
			require.NoError(t, d.Bury(t.Context(), one(t, d), "because of "+body+strings.Repeat(" x", 1000)))
			time.Sleep(2 * time.Second)
		}
		bs, err := d.Dead(t.Context(), 1)
		require.NoError(t, err)
		require.Len(t, bs, 1)
		b := bs[0]
		require.Equal(t, "second", string(b.Body))
		require.Contains(t, b.Reason, "because of second")
		require.Equal(t, "g", b.Group)
		require.Equal(t, map[string]string{"a": "b"}, b.Attributes)
		require.Equal(t, 1, b.Delivery)
		require.False(t, b.Buried.IsZero())

		id, err := d.Revive(t.Context(), b, queue.Draft{Body: b.Body})
		require.NoError(t, err)
		require.Equal(t, id, one(t, d).ID)
		_, err = d.Revive(t.Context(), b, queue.Draft{Body: b.Body})
		require.ErrorIs(t, err, queue.ErrNotFound)
		_, err = d.Revive(t.Context(), queue.Buried{Receipt: "../jobs/x"}, queue.Draft{})
		require.ErrorIs(t, err, queue.ErrNotFound)
		bs, err = d.Dead(t.Context(), -1)
		require.NoError(t, err)
		require.Len(t, bs, 1)
	})
}

func TestMoreMessagesThanAPageHoldsAreCountedAndDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := start(t, memory(t))
		const n = 2*pageSize + 1
		for i := range n {
			drop(t, d, fmt.Sprintf("job-%05d", i), "x")
		}
		depth, err := d.Depth(t.Context())
		require.NoError(t, err)
		require.Equal(t, queue.Depth{Visible: n}, depth)
		seen := map[string]bool{}
		for len(seen) < n {
			ms, err := d.Receive(t.Context(), maxReceive, 0)
			require.NoError(t, err)
			require.NotEmpty(t, ms)
			for _, m := range ms {
				require.False(t, seen[m.ID])
				seen[m.ID] = true
			}
		}
		none(t, d, 0)
	})
}
