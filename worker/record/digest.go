package record

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
)

// A digest is a reader that knows the SHA-256 of what was read.
type digest struct {
	io.Reader
	sum hash.Hash
}

func newDigest(r io.Reader) *digest {
	sum := sha256.New()
	return &digest{Reader: io.TeeReader(r, sum), sum: sum}
}

func (d *digest) hex() string { return hex.EncodeToString(d.sum.Sum(nil)) }
