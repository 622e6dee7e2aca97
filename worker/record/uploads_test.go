package record_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/dirblob"
	"github.com/millrace/millrace/worker/record"
)

func TestUploadsGoWithTheirJobsAndWhatNoJobWasMadeOfAfterADay(t *testing.T) {
	dir := t.TempDir()
	store, err := dirblob.Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	for _, key := range []string{"done", "waits", "both", "orphan"} {
		key = "uploads/" + key + "/inputs/a.stl"
		_, err := store.Put(t.Context(), key, strings.NewReader("x"), blob.PutOptions{})
		require.NoError(t, err)
		require.NoError(t, os.Chtimes(filepath.Join(dir, key), noon, noon))
	}
	b := newBook(store)
	require.NoError(t, b.KeepUpload(t.Context(), "done", []string{"done"}, "x"))
	require.NoError(t, b.KeepUpload(t.Context(), "done", []string{"done"}, "x"), "said again")
	require.ErrorIs(t, b.KeepUpload(t.Context(), "done", []string{"x"}, "x"), record.ErrOtherUpload)
	require.ErrorIs(t, b.KeepUpload(t.Context(), "done", []string{"done"}, "y"), record.ErrOtherUpload)
	require.NoError(t, b.KeepUpload(t.Context(), "waits", []string{"waits"}, ""))
	require.NoError(t, b.KeepUpload(t.Context(), "both", []string{"both-1", "both-2"}, ""))
	over(t, store, "done")
	over(t, store, "both-1")
	claim(t, b, "both-2")

	left := func(after time.Duration, keep record.Keep) (ids []string) {
		t.Helper()
		_, err := at(store, after).Sweep(t.Context(), keep)
		require.NoError(t, err)
		for _, key := range keysOf(t, store, "uploads/") {
			if id := strings.Split(key, "/")[1]; len(ids) == 0 || ids[len(ids)-1] != id {
				ids = append(ids, id)
			}
		}
		return ids
	}
	require.Equal(t, []string{"both", "done", "orphan", "waits"}, left(23*time.Hour, record.Keep{}))
	require.Equal(t, []string{"both", "done", "waits"}, left(25*time.Hour, record.Keep{}), "nothing else without a word of the operator's")
	require.Equal(t, []string{"both", "done", "waits"}, left(25*time.Hour, record.Keep{Uploads: 2 * day}))
	require.Equal(t, []string{"both", "waits"}, left(49*time.Hour, record.Keep{Uploads: 2 * day}), "one waits, of the other a job runs")
	require.Equal(t, []string{"both"}, left(16*day, record.Keep{Uploads: 2 * day}), "no queue keeps a message for so long")
}

// stopped is a store whose deletes fail.
type stopped struct{ *dirblob.Store }

func (stopped) Delete(context.Context, string) error { return errors.New("stopped") }

func TestAnUploadThatASweepHasBegunToRemoveMakesNoJob(t *testing.T) {
	dir := t.TempDir()
	store, err := dirblob.Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	key := "uploads/orphan/inputs/a.stl"
	_, err = store.Put(t.Context(), key, strings.NewReader("x"), blob.PutOptions{})
	require.NoError(t, err)
	require.NoError(t, os.Chtimes(filepath.Join(dir, key), noon, noon))
	_, err = at(stopped{store}, 25*time.Hour).Sweep(t.Context(), record.Keep{})
	require.ErrorContains(t, err, "stopped")
	require.ErrorIs(t, newBook(store).KeepUpload(t.Context(), "orphan", []string{"orphan"}, ""), record.ErrUploadGone)
	_, err = at(store, 25*time.Hour).Sweep(t.Context(), record.Keep{})
	require.NoError(t, err)
	require.Empty(t, keysOf(t, store, "uploads/"), "the next sweep ends what the first began")
	require.NoError(t, newBook(store).KeepUpload(t.Context(), "orphan", []string{"orphan"}, ""), "it may be sent again")
}
