package bucket

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// SDKs read a body for its checksum before they send it.
func TestABodyThatWasReadBeforeItIsSentMustStillKeepItsPace(t *testing.T) {
	b := &Body{ReadSeeker: bytes.NewReader(make([]byte, 1<<20)), size: 1 << 20}
	p := &pace{body: b, most: floor}
	_, err := io.Copy(io.Discard, b)
	require.NoError(t, err)
	require.True(t, p.keeps())
	_, err = b.Seek(0, io.SeekStart)
	require.NoError(t, err)
	require.True(t, p.keeps(), "it went back between two looks")
	for _, tt := range []struct {
		sent  int64
		keeps bool
	}{{floor, true}, {floor - 1, false}, {floor, true}, {100, false}} {
		_, err = io.CopyN(io.Discard, b, tt.sent)
		require.NoError(t, err)
		require.Equal(t, tt.keeps, p.keeps(), tt.sent)
	}
}
