package blob_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
)

func TestKeysThatCouldLeaveTheStoreAreRefused(t *testing.T) {
	for _, tt := range []struct{ name, key, reason string }{
		{"plain", "jobs/ab/job-1/final", ""},
		{"dots inside a part", "a/..b/c..", ""},
		{"percent is only a character", "a/%2e%2e/b", ""},
		{"spaces and letters beyond ASCII", "a b/ä", ""},
		{"as long as allowed", strings.Repeat("k", blob.MaxKeyBytes), ""},
		{"empty", "", "is empty"},
		{"leading slash", "/etc/passwd", "empty part"},
		{"trailing slash", "a/", "empty part"},
		{"doubled slash", "a//b", "empty part"},
		{"parent", "a/../b", `part ".."`},
		{"this folder", "./a", `part "."`},
		{"NUL", "a\x00b", "control character"},
		{"newline", "a\nb", "control character"},
		{"backslash", `a\..\b`, "backslash"},
		{"not UTF-8", "a\xff", "not UTF-8"},
		{"too long", strings.Repeat("k", blob.MaxKeyBytes+1), "longer than 1024 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := blob.CheckKey(tt.key)
			if tt.reason == "" {
				require.NoError(t, err)
				return
			}
			ke, ok := errors.AsType[*blob.KeyError](err)
			require.True(t, ok)
			require.Contains(t, ke.Reason, tt.reason)
			require.Less(t, len(err.Error()), 500)
		})
	}
}
