package hook

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

const (
	// tolerance is how far a delivery's clock may be from ours, both ways (Standard Webhooks 1.0.0).
	tolerance = 5 * time.Minute
	maxID     = 256 // bytes, of a delivery's ID
	// maxSignatures is how many of a request's signatures are looked at; senders have as many as they have secrets.
	maxSignatures = 16
)

// standard verifies Standard Webhooks 1.0.0. Its own library for Go knows neither v1a, nor several secrets at once.
type standard struct {
	secrets [][]byte            // v1
	keys    []ed25519.PublicKey // v1a
}

func (s *standard) verify(_ context.Context, r request) (verified, error) {
	id, err := one(r.header, "Webhook-Id")
	if err != nil {
		return verified{}, err
	}
	stamp, err := one(r.header, "Webhook-Timestamp")
	if err != nil {
		return verified{}, err
	}
	signatures, err := one(r.header, "Webhook-Signature")
	if err != nil {
		return verified{}, err
	}
	// A dot in an ID would let a part of it be taken for the time.
	if len(id) > maxID || strings.Contains(id, ".") {
		return verified{}, unverified("webhook-id is too long, or has a dot")
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || strconv.FormatInt(seconds, 10) != stamp {
		return verified{}, unverified("webhook-timestamp is no time")
	}
	signed := append([]byte(id+"."+stamp+"."), r.body...)
	if !s.signed(signed, signatures) {
		return verified{}, unverified("no signature fits")
	}
	if away := r.now.Sub(time.Unix(seconds, 0)); away > tolerance || away < -tolerance {
		return verified{}, unverified("webhook-timestamp is %v from now", away.Truncate(time.Second))
	}
	return verified{id: id, body: r.body}, nil
}

// signed compares every signature with every secret, whichever fits, so that its time does not tell which one did.
func (s *standard) signed(content []byte, signatures string) bool {
	macs := make([][]byte, len(s.secrets))
	for i, secret := range s.secrets {
		h := hmac.New(sha256.New, secret)
		h.Write(content)
		macs[i] = h.Sum(nil)
	}
	fits := 0
	for i, signature := range strings.SplitN(signatures, " ", maxSignatures+1) {
		version, encoded, _ := strings.Cut(signature, ",")
		raw, err := base64.StdEncoding.Strict().DecodeString(encoded)
		if err != nil || i == maxSignatures {
			continue
		}
		switch version {
		case "v1":
			for _, mac := range macs {
				fits |= subtle.ConstantTimeCompare(raw, mac)
			}
		case "v1a":
			for _, key := range s.keys {
				if ed25519.Verify(key, content, raw) {
					fits = 1
				}
			}
		}
	}
	return fits == 1
}

// one returns a header that stands exactly once: two could be read differently by two readers.
func one(h map[string][]string, name string) (string, error) {
	values := h[name]
	if len(values) != 1 || values[0] == "" {
		return "", unverified("header %s stands %d times in the request", name, len(values))
	}
	return values[0], nil
}
