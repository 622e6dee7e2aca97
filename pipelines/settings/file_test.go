package settings_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
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
		f, err := settings.Open(settings.Config[string]{Path: path, Parse: parse, Log: slog.New(slog.DiscardHandler)})
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

func TestASecretThatChangesWhileItsTableIsReadIsSeenNextTime(t *testing.T) {
	dir := t.TempDir()
	table, secret := filepath.Join(dir, "table.yaml"), filepath.Join(dir, "secret")
	require.NoError(t, os.WriteFile(table, []byte("{}"), 0o600))
	require.NoError(t, os.WriteFile(secret, []byte("1"), 0o600))
	parse := func(string, []byte) (string, []string, error) {
		b, err := os.ReadFile(secret)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(secret, []byte("2"), 0o600))
		return string(b), []string{secret}, nil
	}
	synctest.Test(t, func(t *testing.T) {
		f, err := settings.Open(settings.Config[string]{Path: table, Parse: parse, Log: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		time.Sleep(6 * time.Second)
		require.Equal(t, "2", f.Now(t.Context()))
	})
}

func TestWhatIsNoFileIsReadAgainNowAndThenAndNobodyWaitsForItTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text, fails, reads, slow := "first", error(nil), 0, false
		var lines bytes.Buffer
		f, err := settings.Open(settings.Config[string]{
			Path: "s3://b/table.yaml", Log: slog.New(slog.NewTextHandler(&lines, nil)),
			Read: func() ([]byte, error) {
				if reads++; slow {
					time.Sleep(15 * time.Second)
				}
				return []byte(text), fails
			},
			Parse: func(_ string, text []byte) (string, []string, error) { return string(text), nil, nil },
		})
		require.NoError(t, err)
		for range 100 {
			require.Equal(t, "first", f.Now(t.Context()))
		}
		require.Equal(t, 1, reads)
		later := func() string { time.Sleep(6 * time.Second); return f.Now(t.Context()) }
		text = "second"
		require.Equal(t, "second", later())
		fails = errors.New("the bucket does not answer")
		require.Equal(t, "second", later())
		require.Equal(t, "second", later())
		require.Equal(t, 1, strings.Count(lines.String(), "the bucket does not answer"), "it is said once")
		fails, slow, text = nil, true, "third"
		time.Sleep(6 * time.Second)
		go f.Now(t.Context())
		synctest.Wait()
		begin := time.Now()
		require.Equal(t, "second", f.Now(t.Context()))
		require.Zero(t, time.Since(begin))
		time.Sleep(15 * time.Second)
		synctest.Wait()
		require.Equal(t, "third", f.Now(t.Context()))
	})
}

func TestAFileThatCantBeReadIsNamed(t *testing.T) {
	cfg := settings.Config[int]{Parse: func(string, []byte) (int, []string, error) { return 0, nil, nil }}
	cfg.Path = filepath.Join(t.TempDir(), "table.yaml")
	_, err := settings.Open(cfg)
	require.ErrorContains(t, err, "table.yaml: no such file")
	require.ErrorIs(t, err, os.ErrNotExist)
	cfg.Path = t.TempDir()
	_, err = settings.Open(cfg)
	require.ErrorContains(t, err, "is a directory")
}
