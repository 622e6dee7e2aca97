package curl

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/millrace/millrace/modules/fault"
)

// parseSum reads "sha256:" and hexadecimal digits; a sum without a name is known by its length.
func parseSum(s string) (make func() hash.Hash, want []byte, err error) {
	name, digits, ok := strings.Cut(strings.TrimSpace(s), ":")
	if !ok {
		name, digits = map[int]string{32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}[len(name)], name
	}
	make = map[string]func() hash.Hash{"md5": md5.New, "sha1": sha1.New, "sha256": sha256.New, "sha512": sha512.New}[strings.ToLower(name)]
	want, err = hex.DecodeString(strings.TrimSpace(digits))
	if make == nil || err != nil || len(want) != make().Size() {
		return nil, nil, errors.New("must be md5, sha1, sha256 or sha512, a colon and hexadecimal digits")
	}
	return make, want, nil
}

// served is the sum that a server gives of what it sends, where it gives one that we know.
func served(h http.Header) (make func() hash.Hash, want []byte) {
	for _, digest := range []struct{ header, mark, end string }{
		{"Repr-Digest", "sha-256=:", ":"}, // RFC 9530
		{"Digest", "sha-256=", ","},
	} {
		if _, rest, ok := strings.Cut(strings.ToLower(h.Get(digest.header)), digest.mark); ok {
			start := len(h.Get(digest.header)) - len(rest) // base64 knows upper and lower case
			text, _, _ := strings.Cut(h.Get(digest.header)[start:], digest.end)
			if want, err := base64.StdEncoding.DecodeString(text); err == nil && len(want) == sha256.Size {
				return sha256.New, want
			}
		}
	}
	if want, err := base64.StdEncoding.DecodeString(h.Get("Content-MD5")); err == nil && len(want) == md5.Size {
		return md5.New, want
	}
	return nil, nil
}

// verify reads the whole file, and holds it against the sum in the props and the one that the server gave.
func (d *download) verify(ctx context.Context, f *os.File, h http.Header) error {
	if d.sum != "" {
		make, want, err := parseSum(d.sum)
		if err != nil {
			return fault.As(fault.Permanent, err)
		}
		got, err := sumOf(ctx, f, make())
		if err != nil || bytes.Equal(got, want) {
			return err
		}
		return fault.As(fault.Permanent, fmt.Errorf("%s: the file is another than checksum says: it comes to %x", d.where, got))
	}
	make, want := served(h)
	if make == nil || d.options.span != "" || h.Get("Content-Encoding") != "" {
		return nil
	}
	got, err := sumOf(ctx, f, make())
	if err != nil || bytes.Equal(got, want) {
		return err
	}
	return fault.As(fault.Transient, fmt.Errorf("%s: the file arrived changed: it comes to %x, and the server says %x", d.where, got, want))
}

func sumOf(ctx context.Context, f *os.File, h hash.Hash) ([]byte, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	buffer := make([]byte, 1<<20)
	for {
		n, err := f.Read(buffer)
		h.Write(buffer[:n])
		if err == io.EOF {
			return h.Sum(nil), nil
		}
		if err != nil {
			return nil, fmt.Errorf("read back: %w", err)
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
}
