package cosqueue

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/queue"
)

// drop puts an object below jobs/, as any S3 client does.
func drop(t *testing.T, d *Driver, name, body string) {
	t.Helper()
	_, err := d.bucket.put(t.Context(), jobs+name, []byte(body), condition{})
	require.NoError(t, err)
}

func TestAnObjectThatAnybodyPutThereIsAMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := start(t, memory(t))
		drop(t, d, "job.yaml", "pipeline: hello\n")
		d.Wake()
		m := one(t, d)
		require.Equal(t, "pipeline: hello\n", string(m.Body))
		require.True(t, strings.HasPrefix(m.ID, "job.yaml@"), m.ID)
		require.Empty(t, m.Attributes)
		require.NoError(t, d.Nack(t.Context(), m.Receipt, 0))
		again := one(t, d)
		require.Equal(t, m.ID, again.ID)
		ack(t, d, again)
		require.True(t, empty(t, d))

		time.Sleep(time.Second)
		drop(t, d, "job.yaml", "pipeline: hello\n")
		d.Wake()
		next := one(t, d)
		require.NotEqual(t, m.ID, next.ID, "it is another message")
		require.Equal(t, 1, next.Delivery)
	})
}

func TestAMessageThatReplacesOneInFlightIsNotLost(t *testing.T) {
	for _, tt := range []struct {
		name   string
		settle func(t *testing.T, d *Driver, m queue.Message)
		dead   string
	}{
		{"when that is acked", ack, ""},
		{"when that is buried", func(t *testing.T, d *Driver, m queue.Message) {
			require.NoError(t, d.Bury(t.Context(), m, "no"))
		}, "first"},
		{"when its worker dies in its ack", func(t *testing.T, d *Driver, m queue.Message) {
			_, _, err := d.change(t.Context(), m.Receipt, done, func(l lease) lease { return l.next(done, 0) })
			require.NoError(t, err)
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := start(t, memory(t))
				drop(t, d, "job.yaml", "first")
				m := one(t, d)
				drop(t, d, "job.yaml", "second")
				tt.settle(t, d, m)
				next := one(t, d)
				require.Equal(t, "second", string(next.Body))
				require.Equal(t, 1, next.Delivery)
				ack(t, d, next)
				dead, err := d.Dead(t.Context(), 1)
				require.NoError(t, err)
				if tt.dead == "" {
					require.Empty(t, dead)
					return
				}
				require.Equal(t, tt.dead, string(dead[0].Body))
			})
		})
	}
}

func TestStrangeNamesAreLeftAloneAndReported(t *testing.T) {
	d := start(t, gateway(t))
	strange := []string{
		"-rf", ".hidden", "a b", "sub/folder", "per%2ecent", "semi;colon", "ümlaut", "$HOME", "`id`", "a\\b", "new\nline", "a+b", "\x01",
		strings.Repeat("x", maxName+1), "01ARZ3NDEKTSV4RRFFQ69G5FAV",
	}
	for _, name := range strange {
		drop(t, d, name, "x")
	}
	drop(t, d, "large", string(make([]byte, maxBody+1)))
	none(t, d, 0)
	depth, err := d.Depth(t.Context())
	require.NoError(t, err)
	require.Equal(t, queue.Depth{}, depth)
	f := finding(t, d, "names")
	require.Equal(t, queue.Warning, f.Level)
	require.Contains(t, f.Text, fmt.Sprint(len(strange)+1))
	require.Contains(t, f.Remedy, "letters, digits")
}

func TestTheLongestNameCanBeBuriedAndRevived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := start(t, memory(t))
		drop(t, d, strings.Repeat("x", maxName), "x")
		require.NoError(t, d.Bury(t.Context(), one(t, d), "no"))
		bs, err := d.Dead(t.Context(), 1)
		require.NoError(t, err)
		require.Len(t, bs, 1)
		_, err = d.Revive(t.Context(), bs[0], queue.Draft{Body: bs[0].Body})
		require.NoError(t, err)
	})
}

func TestAForgedMessageBreaksNoLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := start(t, memory(t))
		many := map[string]string{}
		for i := range maxAttributes + 1 {
			many[fmt.Sprint(i)] = "x"
		}
		forged, err := (&envelope{Attributes: many, Text: "x"}).encode()
		require.NoError(t, err)
		drop(t, d, "forged.json", string(forged))
		m := one(t, d)
		require.Empty(t, m.Attributes)
		require.Equal(t, forged, m.Body, "it is a body like any other")
	})
}

func FuzzNames(f *testing.F) {
	for _, name := range []string{"job.json", "../x", "-x", "a/b", "01ARZ3NDEKTSV4RRFFQ69G5FAV.delay-5.json", "", "a\x00", "a@b"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if !safe(name) {
			return
		}
		require.NotContains(t, name, "/")
		require.NotContains(t, []string{".", "-"}, name[:1])
		require.LessOrEqual(t, len(name), maxName)
		got, token, ok := parse(receipt(name, "t"))
		require.True(t, ok)
		require.Equal(t, name, got)
		require.Equal(t, "t", token)
	})
}

// meddling does something once, just before the first request of a method for an object of a folder.
func meddling(t *testing.T, c Config, method, folder string) (Config, *atomic.Pointer[func()]) {
	t.Helper()
	var meddle atomic.Pointer[func()]
	return c.through(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
		if r.Method == method && strings.Contains(r.URL.Path, "/"+folder) {
			if f := meddle.Swap(nil); f != nil {
				(*f)()
			}
		}
		return next.RoundTrip(r)
	}), &meddle
}

func TestAMessageThatIsReplacedBetweenLookAndClaimIsDeliveredOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, meddle := meddling(t, memory(t), http.MethodPut, leases)
		d := start(t, c)
		drop(t, d, "job.json", "first")
		replace := func() { drop(t, d, "job.json", "second") }
		meddle.Store(&replace)
		m := one(t, d)
		require.Equal(t, "second", string(m.Body))
		require.Equal(t, 1, m.Delivery)
		require.NoError(t, d.Extend(t.Context(), m.Receipt, d.visibility))
		ack(t, d, m)
		require.True(t, empty(t, d))
	})
}

func TestANameThatIsUsedAgainWhileItsMessageIsDeletedIsKeptWhereDeletionsAreGuarded(t *testing.T) {
	for _, tt := range []struct {
		name   string
		settle func(t *testing.T, d *Driver, m queue.Message)
	}{
		{"by an ack", ack},
		{"by a burial", func(t *testing.T, d *Driver, m queue.Message) { require.NoError(t, d.Bury(t.Context(), m, "no")) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, meddle := meddling(t, gateway(t), http.MethodDelete, jobs)
			d := start(t, c)
			drop(t, d, "job.json", "first")
			m := one(t, d)
			replace := func() { drop(t, d, "job.json", "second") }
			meddle.Store(&replace)
			tt.settle(t, d, m)
			require.Equal(t, "second", string(one(t, d).Body))
		})
	}
}

func TestNamesOfProducersAreWarnedOfWhereDeletionsAreNotGuarded(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config Config
		level  queue.Level
	}{
		{"a bucket that ignores the condition", memory(t), queue.Warning},
		{"one that honours it", gateway(t), queue.Good},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := start(t, tt.config)
			send(t, d, "x")
			require.Equal(t, queue.Good, finding(t, d, "names").Level)
			drop(t, d, "job.json", "x")
			require.Equal(t, tt.level, finding(t, d, "names").Level)
		})
	}
}
