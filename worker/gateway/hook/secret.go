package hook

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/millrace/millrace/pipelines"
)

const (
	minSecret     = 16      // bytes, of one that a source chose
	maxSecretFile = 4 << 10 // bytes
)

// secrets reads the list under a key: each entry names a variable or a file. Their values never stand in the table, which is
// a ConfigMap's, and in no problem.
func (l *loader) secrets(v pipelines.Value, check func(string) ([]byte, error)) [][]byte {
	list := v.List()
	if len(list) == 0 && v.Any == nil || v.Any != nil && list != nil && len(list) == 0 {
		v.Errorf(`%s is missing: write secrets: [{env: NAME}] or [{file: /path}]; several are taken while one is replaced by another`, v.Name)
	}
	var out [][]byte
	for _, e := range list {
		text, ok := l.secret(e)
		if !ok {
			continue
		}
		raw, err := check(text)
		if err != nil {
			e.Errorf("this secret %v", err)
			continue
		}
		out = append(out, raw)
	}
	return out
}

func (l *loader) secret(v pipelines.Value) (text string, ok bool) {
	if _, inline := v.Any.(string); inline {
		v.Errorf("a secret does not stand in the table: write {env: NAME} or {file: /path}")
		return "", false
	}
	v.Map("env", "file")
	env, file := v.Key("env").Text(), v.Key("file").Text()
	switch {
	case (env == "") == (file == ""):
		v.Errorf("a secret is one of {env: NAME} and {file: /path}")
		return "", false
	case env != "":
		if text = l.env(env); text == "" {
			v.Errorf("the variable %s is not set, or empty", pipelines.Shorten(env))
			return "", false
		}
		return text, true
	}
	l.files = append(l.files, file)
	text, err := readSecret(file)
	if err != nil {
		v.Errorf("the secret's file can't be read: %v", err)
		return "", false
	}
	return text, true
}

// readSecret returns what a file holds, without the line's end that editors add. A pipe keeps nobody waiting.
func readSecret(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	b = bytes.TrimRight(b, "\r\n")
	switch {
	case len(b) > maxSecretFile:
		return "", fmt.Errorf("it has more than %d bytes", maxSecretFile)
	case len(b) == 0:
		return "", errors.New("it is empty")
	}
	return string(b), nil
}

// chosen takes a secret that a source chose.
func chosen(text string) ([]byte, error) {
	if len(text) < minSecret {
		return nil, fmt.Errorf("has fewer than %d bytes; `openssl rand -hex 32` makes one", minSecret)
	}
	return []byte(text), nil
}

// whsec takes a symmetric secret of Standard Webhooks: 24 to 64 bytes.
func whsec(text string) ([]byte, error) {
	const least, most = 24, 64
	encoded, ok := strings.CutPrefix(text, "whsec_")
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(raw) < least || len(raw) > most {
		return nil, fmt.Errorf("is not whsec_ and %d to %d bytes as base64; `echo whsec_$(openssl rand -base64 32)` makes one", least, most)
	}
	return raw, nil
}

// whpk takes a public key of Standard Webhooks.
func whpk(text string) (ed25519.PublicKey, error) {
	encoded, ok := strings.CutPrefix(text, "whpk_")
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(raw) != ed25519.PublicKeySize {
		return nil, errors.New("is not whpk_ and the 32 bytes of an Ed25519 key as base64; the sender shows it")
	}
	return raw, nil
}
