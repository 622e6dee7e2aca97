package main

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/gateway"
)

func TestAChangedFileOfKeysCountsFromFiveSecondsLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.yaml")
	write := func(secrets ...string) {
		text := "keys:\n"
		for _, s := range secrets {
			text += fmt.Sprintf("- {name: ada, scopes: read, hash: %x}\n", sha256.Sum256([]byte(s)))
		}
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	write("old")
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		keys, err := openKeys(path, slog.New(slog.NewTextHandler(&log, nil)))
		require.NoError(t, err)
		find := func(secret string) *gateway.Key { return keys.Now(t.Context()).Find(secret, time.Now()) }
		good := func(secrets ...string) {
			t.Helper()
			time.Sleep(5 * time.Second)
			for _, s := range []string{"old", "new"} {
				require.Equal(t, strings.Contains(strings.Join(secrets, " "), s), find(s) != nil, s)
			}
		}
		good("old")
		write("old", "new")
		good("old", "new")
		write("new")
		good("new")
		write()
		good("new")
		require.Contains(t, log.String(), "keys is empty", "a table with mistakes changes nothing")
		write("old")
		good("old")
	})
}
