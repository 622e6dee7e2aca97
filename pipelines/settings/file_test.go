package settings_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/settings"
)

func TestAFileIsReadAgainWhenItOrASecretOfItChanges(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "table.yaml")
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	write("table.yaml", "{name: a, secret: one}")
	write("one", "1")
	parse := func(name string, text []byte) (out string, others []string, err error) {
		v, err := pipelines.DecodeValue(name, text)
		if err != nil {
			return "", nil, err
		}
		v.Map("name", "secret")
		file := filepath.Join(dir, v.Key("secret").Text())
		b, err := os.ReadFile(file)
		if err != nil {
			v.Key("secret").Errorf("it can't be read")
		}
		return v.Key("name").Text() + string(b), []string{file}, v.Err()
	}
	synctest.Test(t, func(t *testing.T) {
		f, err := settings.Open(path, parse, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		later := func() string { time.Sleep(6 * time.Second); return f.Now(t.Context()) }
		require.Equal(t, "a1", f.Now(t.Context()))
		write("table.yaml", "{name: b, secret: one}")
		require.Equal(t, "a1", f.Now(t.Context()), "it is not looked at on every call")
		require.Equal(t, "b1", later())
		write("table.yaml", "{nom: c, secret: one}")
		require.Equal(t, "b1", later(), "a table with mistakes changes nothing")
		require.NoError(t, os.Remove(path))
		require.Equal(t, "b1", later())
		write("table.yaml", "{name: c, secret: one}")
		require.Equal(t, "c1", later())
		write("one", "2")
		require.Equal(t, "c2", later())
		write("table.yaml", "{name: c, secret: two}")
		require.Equal(t, "c2", later())
		write("two", "3")
		require.Equal(t, "c3", later(), "what it lacked has come")
	})
}

func TestAFileThatIsNotThereIsNamed(t *testing.T) {
	_, err := settings.Open(filepath.Join(t.TempDir(), "table.yaml"), func(string, []byte) (int, []string, error) { return 0, nil, nil }, nil)
	require.ErrorContains(t, err, "table.yaml: no such file")
	require.ErrorIs(t, err, os.ErrNotExist)
}
