package hook

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// token verifies a secret that the sender shows.
type token struct {
	secrets [][]byte
	header  string // that it stands in, as http.Header has it
	scheme  string // before it, with a space: "Bearer "
	query   bool   // it may stand in ?token= instead, where it gets into the logs of all proxies on its way
	id      string // header that a delivery is known by; empty is none
}

func (t *token) verify(_ context.Context, r request) (verified, error) {
	shown, err := t.shown(r)
	if err != nil {
		return verified{}, err
	}
	// Digests have one length, so that not even that of the secret is told by the time.
	fits, sum := 0, sha256.Sum256([]byte(shown))
	for _, secret := range t.secrets {
		want := sha256.Sum256(secret)
		fits |= subtle.ConstantTimeCompare(sum[:], want[:])
	}
	if fits != 1 {
		return verified{}, unverified("the token fits none")
	}
	return identified(r, t.id)
}

func (t *token) shown(r request) (string, error) {
	values := r.query["token"]
	if t.query && len(values) == 1 && len(r.header[t.header]) == 0 {
		return values[0], nil
	}
	value, err := one(r.header, t.header)
	if err != nil {
		return "", err
	}
	if len(value) < len(t.scheme) || !strings.EqualFold(value[:len(t.scheme)], t.scheme) {
		return "", unverified("header %s has no token", t.header)
	}
	return value[len(t.scheme):], nil
}

// basic verifies a user's name and password.
type basic struct {
	users [][]byte // "name:password"
	id    string
}

func (b *basic) verify(_ context.Context, r request) (verified, error) {
	name, password, ok := (&http.Request{Header: r.header}).BasicAuth()
	if !ok {
		return verified{}, unverified("there is no user and password")
	}
	fits, sum := 0, sha256.Sum256([]byte(name+":"+password))
	for _, user := range b.users {
		want := sha256.Sum256(user)
		fits |= subtle.ConstantTimeCompare(sum[:], want[:])
	}
	if fits != 1 {
		return verified{}, unverified("user and password fit none")
	}
	return identified(r, b.id)
}

// anybody takes what comes from this machine.
type anybody struct{ id string }

func (a *anybody) verify(_ context.Context, r request) (verified, error) {
	if !r.local {
		return verified{}, unverified("it does not come from this machine")
	}
	return identified(r, a.id)
}

// identified takes a delivery's ID from a header, where the source has such a one.
func identified(r request, header string) (verified, error) {
	v := verified{body: r.body}
	if header == "" {
		return v, nil
	}
	v.id = r.header.Get(header)
	if v.id == "" || len(v.id) > maxID {
		return verified{}, refuse(http.StatusBadRequest, "header %s must have the delivery's ID, of at most %d bytes", header, maxID)
	}
	return v, nil
}

// isLocal says that both ends of a connection are this machine, and no proxy was on the way.
func isLocal(r *http.Request) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"} {
		if len(r.Header[name]) > 0 {
			return false
		}
	}
	here, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return here != nil && loopback(here.String()) && loopback(r.RemoteAddr)
}

func loopback(address string) bool {
	ap, err := netip.ParseAddrPort(address)
	return err == nil && ap.Addr().Unmap().IsLoopback()
}
