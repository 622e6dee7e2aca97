package callback

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

const (
	secretPrefix   = "whsec_"
	minSecretBytes = 24
	maxSecretBytes = 64
	newSecretBytes = 32
)

// CheckSecret says in a sentence what is wrong with a signing secret. The sentence does not show the secret.
func CheckSecret(secret string) error {
	const remedy = "`echo whsec_$(openssl rand -base64 32)` makes one"
	encoded, ok := strings.CutPrefix(secret, secretPrefix)
	if !ok {
		return errors.New("callback secret does not begin with whsec_; " + remedy)
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return errors.New("callback secret has no base64 after whsec_; " + remedy)
	}
	if len(raw) < minSecretBytes || len(raw) > maxSecretBytes {
		return fmt.Errorf("callback secret has %d bytes, and needs %d to %d; %s", len(raw), minSecretBytes, maxSecretBytes, remedy)
	}
	return nil
}

// NewSecret makes a signing secret of 32 random bytes.
func NewSecret() string {
	raw := make([]byte, newSecretBytes)
	_, _ = rand.Read(raw) // it never fails (crypto/rand.Read)
	return secretPrefix + base64.StdEncoding.EncodeToString(raw)
}
