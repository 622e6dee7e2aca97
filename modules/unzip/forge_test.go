package unzip_test

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/require"
)

// A member is one entry of a forged archive. The zero values are those of an honest, stored file.
type member struct {
	name    string
	content string
	packed  []byte // by method 8; nil stores content
	method  uint16
	flags   uint16
	host    byte
	mode    uint32 // of Unix, with host 3
	size    uint32 // that is claimed; 0 is that of content
	extra   []byte
	at      *uint32             // where the directory says that it begins; nil is where it does
	local   func(header []byte) // changes its own header
	entry   func(header []byte) // changes its entry in the directory
}

// forge writes an archive of those members, to the letter of the format but for what they change.
func forge(members ...member) []byte {
	le := binary.LittleEndian
	var out, dir bytes.Buffer
	for _, m := range members {
		data := []byte(m.content)
		if m.packed != nil {
			data = m.packed
		}
		size := uint32(len(m.content))
		if m.size > 0 {
			size = m.size
		}
		h := make([]byte, 30)
		le.PutUint32(h, 0x04034b50)
		le.PutUint16(h[6:], m.flags)
		le.PutUint16(h[8:], m.method)
		le.PutUint32(h[14:], crc32.ChecksumIEEE([]byte(m.content)))
		le.PutUint32(h[18:], uint32(len(data)))
		le.PutUint32(h[22:], size)
		le.PutUint16(h[26:], uint16(len(m.name)))
		e := make([]byte, 46)
		le.PutUint32(e, 0x02014b50)
		e[5] = m.host
		copy(e[8:28], h[6:26])
		le.PutUint16(e[28:], uint16(len(m.name)))
		le.PutUint16(e[30:], uint16(len(m.extra)))
		le.PutUint32(e[38:], m.mode<<16)
		at := uint32(out.Len())
		if m.at != nil {
			at = *m.at
		}
		le.PutUint32(e[42:], at)
		if m.local != nil {
			m.local(h)
		}
		if m.entry != nil {
			m.entry(e)
		}
		out.Write(h)
		out.WriteString(m.name)
		out.Write(data)
		dir.Write(e)
		dir.WriteString(m.name)
		dir.Write(m.extra)
	}
	end := make([]byte, 22)
	le.PutUint32(end, 0x06054b50)
	le.PutUint16(end[8:], uint16(len(members)))
	le.PutUint16(end[10:], uint16(len(members)))
	le.PutUint32(end[12:], uint32(dir.Len()))
	le.PutUint32(end[16:], uint32(out.Len()))
	out.Write(dir.Bytes())
	out.Write(end)
	return out.Bytes()
}

// deflate packs n bytes of zeros, a thousand to one.
func deflate(t testing.TB, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, 9)
	require.NoError(t, err)
	zeros := make([]byte, 1<<16)
	for ; n > 0; n -= len(zeros) {
		_, err := w.Write(zeros[:min(n, len(zeros))])
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}
