package localqueue

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/queue/queuetest"
)

// virtual is a queue whose time is that of package time, so that a synctest bubble can turn it.
func virtual(path string) Config {
	return Config{Path: path, Visibility: 30 * time.Second, clock: wallClock, boot: "test"}
}

func open(t *testing.T, c Config) *Driver {
	t.Helper()
	d, err := Open(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func TestTheDriverKeepsWhatEveryDriverPromises(t *testing.T) {
	queuetest.Run(t, func(t *testing.T) queue.Driver {
		return open(t, virtual(filepath.Join(t.TempDir(), "q.db")))
	}, queuetest.Options{
		Visibility: 30 * time.Second,
		Virtual:    true,
		Deviations: map[string]string{"one message of a group is in flight at a time, in order": "no groups"},
		Reopen: func(t *testing.T, d queue.Driver) queue.Driver {
			file := d.(*Driver).file
			require.NoError(t, d.(*Driver).Close())
			return open(t, virtual(file))
		},
	})
}
