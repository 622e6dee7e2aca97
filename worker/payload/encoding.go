package payload

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"io"
	"maps"
	"strings"

	"github.com/millrace/millrace/worker/queue"
)

// encoding is what the message's attribute content-encoding says, in lower case, and whether it has one: its name may
// be written in any case, with hyphens, underscores or nothing between its words.
func encoding(m queue.Message) (string, bool) {
	for name, v := range m.Attributes {
		if plain(name) == "contentencoding" {
			return strings.ToLower(strings.TrimSpace(v)), true
		}
	}
	return "", false
}

// plain is an attribute's name in lower case, without what separates its words.
func plain(name string) string {
	return strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(name))
}

// drop removes attributes by their plain names.
func drop(attributes map[string]string, names ...string) {
	maps.DeleteFunc(attributes, func(name, _ string) bool {
		for _, n := range names {
			if plain(name) == n {
				return true
			}
		}
		return false
	})
}

// decompress reads what body is the compressed form of.
func decompress(name string, body []byte) (io.Reader, error) {
	var z io.Reader
	var err error
	switch name {
	case "gzip":
		z, err = gzip.NewReader(unbase64(body, []byte{0x1f, 0x8b}))
	case "zlib":
		z, err = zlib.NewReader(unbase64(body, []byte{0x78, 0x01}, []byte{0x78, 0x5e}, []byte{0x78, 0x9c}, []byte{0x78, 0xda}))
	case "identity":
		return bytes.NewReader(body), nil
	default:
		return nil, permanent("the message's attribute content-encoding is %q: gzip and zlib are taken, in base64", shorten(name))
	}
	if err != nil {
		return nil, permanent("the message's body is not %s in base64, as its attribute content-encoding says: %s", name, oneLine(err))
	}
	return z, nil
}

// unbase64 reads body as base64, with or without its padding, unless it begins as the compressed bytes themselves do.
// None of the magics can begin a text in base64.
func unbase64(body []byte, magics ...[]byte) io.Reader {
	for _, magic := range magics {
		if bytes.HasPrefix(body, magic) {
			return bytes.NewReader(body)
		}
	}
	text := bytes.TrimRight(bytes.TrimSpace(body), "=")
	return base64.NewDecoder(base64.RawStdEncoding, bytes.NewReader(text))
}
