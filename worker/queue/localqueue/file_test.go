package localqueue

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/queue"
)

func send(t *testing.T, d *Driver, dr queue.Draft) string {
	t.Helper()
	id, err := d.Send(t.Context(), dr)
	require.NoError(t, err)
	return id
}

func receive(t *testing.T, d *Driver) queue.Message {
	t.Helper()
	ms, err := d.Receive(t.Context(), 1, 20*time.Second)
	require.NoError(t, err)
	require.Len(t, ms, 1)
	return ms[0]
}

func TestOpenMakesFolderAndFileForTheOwnerAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "q.db")
	d := open(t, Config{Path: path})
	send(t, d, queue.Draft{Body: []byte("x")})
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), name)
	}
	info, err := os.Stat(filepath.Dir(path))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

func TestOpenFinishesAnInterruptedCreation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q.db")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	d := open(t, Config{Path: path})
	send(t, d, queue.Draft{Body: []byte("x")})
	receive(t, d)
}

func TestManyMayMakeTheQueueAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q.db")
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() {
			d, err := Open(t.Context(), Config{Path: path})
			if err == nil {
				_, err = d.Send(t.Context(), queue.Draft{Body: []byte("x")})
				err = errors.Join(err, d.Close())
			}
			errs[i] = err
		})
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	depth, err := open(t, Config{Path: path}).Depth(t.Context())
	require.NoError(t, err)
	require.Equal(t, len(errs), depth.Visible)
}

func TestOpenRefusesWhatItCantUseInASentence(t *testing.T) {
	folder := t.TempDir()
	text := filepath.Join(folder, "text")
	require.NoError(t, os.WriteFile(text, []byte("this is a text that is long enough to be taken for a header"), 0o600))
	foreign := filepath.Join(folder, "foreign.db")
	statement(t, foreign, `create table songs (name text)`)
	half := filepath.Join(folder, "half.db")
	statement(t, half, `create table messages (a); pragma application_id = 1835625580`)
	newer := filepath.Join(folder, "newer.db")
	require.NoError(t, open(t, Config{Path: newer}).Close())
	statement(t, newer, `pragma user_version = 7`)

	for _, tt := range []struct {
		name   string
		config Config
		want   string
	}{
		{"no file", Config{}, "open queue: no file given"},
		{"not a database", Config{Path: text}, "the file is not a queue: name another one"},
		{"another program's database", Config{Path: foreign}, "belongs to another program: name another one"},
		{"other tables under our mark", Config{Path: half}, "tables are not a queue's: name another one"},
		{"a newer schema", Config{Path: newer}, "written by a newer millrace (schema 7, this one knows 2)"},
		{"a folder", Config{Path: folder}, folder},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Open(t.Context(), tt.config)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestAQueueOfTheFirstSchemaIsBroughtToThisOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q.db")
	d := open(t, Config{Path: path})
	sent := send(t, d, queue.Draft{Body: []byte("x"), Attributes: map[string]string{JobID: "order-7"}})
	require.NoError(t, d.Close())
	statement(t, path, `drop index messages_job; pragma user_version = 1`)

	d = open(t, Config{Path: path})
	w, err := d.Find(t.Context(), "order-7")
	require.NoError(t, err)
	require.Equal(t, sent, w.ID)
	var version int
	require.NoError(t, d.read.QueryRowContext(t.Context(), `pragma user_version`).Scan(&version))
	require.Equal(t, schemaVersion, version)
	var index string
	require.NoError(t, d.read.QueryRowContext(t.Context(), `select name from sqlite_master where name = 'messages_job'`).Scan(&index))
}

func statement(t *testing.T, path, text string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), text)
	require.NoError(t, err)
	require.NoError(t, db.Close())
}

func TestARebootVoidsLeasesAndKeepsDelays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q.db")
	first := Config{Path: path, Visibility: time.Hour, boot: "first", clock: func() int64 { return int64(100 * time.Hour) }}
	d := open(t, first)
	id := send(t, d, queue.Draft{Body: []byte("leased")})
	held := receive(t, d)
	send(t, d, queue.Draft{Body: []byte("delayed"), Delay: time.Hour})
	require.NoError(t, d.Close())

	d = open(t, Config{Path: path, boot: "second", clock: func() int64 { return int64(time.Minute) }})
	again := receive(t, d)
	require.Equal(t, id, again.ID)
	require.Equal(t, 2, again.Delivery)
	require.ErrorIs(t, d.Nack(t.Context(), held.Receipt, 0), queue.ErrLeaseLost)
	ws, err := d.Peek(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, ws, 2)
	require.Equal(t, queue.Delayed, ws[1].State)
	require.InDelta(t, time.Hour, ws[1].Hidden, float64(time.Minute))
}

func TestTheMachinesClockCountsForward(t *testing.T) {
	boot, now := machineClock()
	require.NotEmpty(t, boot)
	require.Positive(t, now())
	require.LessOrEqual(t, now(), now())
}

func TestAVerbThatCannotBeDoneSpoilsNoOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q.db")
	d := open(t, Config{Path: path})
	statement(t, path, `create trigger full before insert on messages when new.attributes <> ''
		begin select raise(abort, 'no room'); end`)
	const n = 40
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		dr := queue.Draft{Body: []byte("x")}
		if i%8 == 0 {
			dr.Attributes = map[string]string{"a": "b"}
		}
		wg.Go(func() { _, errs[i] = d.Send(t.Context(), dr) })
	}
	wg.Wait()
	for i, err := range errs {
		if i%8 == 0 {
			require.ErrorContains(t, err, "no room")
			continue
		}
		require.NoError(t, err)
	}
	depth, err := d.Depth(t.Context())
	require.NoError(t, err)
	require.Equal(t, n-n/8, depth.Visible)
}
