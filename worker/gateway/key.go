package gateway

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// A Scope is what a key may do.
type Scope string

// The scopes. None includes another.
const (
	Submit  Scope = "submit"  // send jobs and uploads
	Read    Scope = "read"    // see jobs, their logs and artifacts
	Operate Scope = "operate" // cancel jobs
)

// Scopes are all of them.
func Scopes() []Scope { return []Scope{Submit, Read, Operate} }

// A Key is who asks.
type Key struct {
	Name   string // for logs
	Scopes []Scope
	// Customer is whose key it is: it sees and sends its own jobs alone, whose IDs begin with "<customer>." Empty is the
	// operator's own, which sees all.
	Customer  string
	MaxUpload int64    // bytes of a file; 0 is as for all
	Types     []string // of the files that it may send: ".stl", "model/stl", "image/*"; empty is all
	MaxBody   int64    // of a request that is no upload, in bytes; 0 is defaultBody
	Pipelines []string // of the catalogue that its jobs may name, and then none may bring its own; empty is all

	limit *rate.Limiter // of requests; nil is none
}

// operator is who asks where no keys are configured.
func operator() *Key { return &Key{Name: "operator", Scopes: Scopes()} }

// takes says whether the key may send a file of that name and type.
func (k *Key) takes(name, kind string) bool {
	return len(k.Types) == 0 || slices.ContainsFunc(k.Types, func(t string) bool {
		family, all := strings.CutSuffix(t, "/*")
		switch {
		case strings.HasPrefix(t, "."):
			return len(name) > len(t) && strings.EqualFold(name[len(name)-len(t):], t)
		case all:
			return strings.HasPrefix(kind, family+"/")
		}
		return kind == t
	})
}

func (k *Key) may(s Scope) bool { return slices.Contains(k.Scopes, s) }

func (k *Key) bodyLimit() int64 {
	if k.MaxBody > 0 {
		return k.MaxBody
	}
	return defaultBody
}

// owns says whether the key may know of the job, which it then may see. What it does not own is not there for it.
func (k *Key) owns(id string) bool {
	return k.Customer == "" || strings.HasPrefix(id, k.Customer+".")
}

// admit finds out who asks, and whether he may.
func (c *call) admit() error {
	switch {
	case c.op.scope == "" && c.g.cfg.Keys == nil:
		return c.g.noPage(c.r)
	case c.op.scope == "":
		return nil
	case c.g.cfg.Keys == nil:
		c.key = operator()
		return c.g.sameMachine(c.r)
	}
	secret, given := bearer(c.r)
	k := c.g.cfg.Keys(secret)
	switch {
	case k == nil && !given:
		c.w.Header().Set("WWW-Authenticate", "Bearer")
		return refused(NoKey, http.StatusUnauthorized, "say who you are: send the header Authorization: Bearer <key>")
	case k == nil:
		c.w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		return refused(NoKey, http.StatusUnauthorized, "this key is none, or is not valid now; ask the operator for another")
	}
	c.key = k
	c.w.(*answer).key = k.Name
	if !k.may(c.op.scope) {
		return refused(NoScope, http.StatusForbidden, "this key lacks the scope "+string(c.op.scope)+"; ask the operator for one that has it")
	}
	return k.take(time.Now())
}

// take counts a request against the key's rate.
func (k *Key) take(now time.Time) error {
	if k.limit == nil {
		return nil
	}
	r := k.limit.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if r.OK() && wait == 0 {
		return nil
	}
	r.CancelAt(now)
	return busy(refused(Rate, http.StatusTooManyRequests, "this key sends more requests than it may; slow down, as Retry-After says"), max(wait, time.Second))
}

// bearer returns the secret of a request: that of Authorization, else of X-Api-Key.
func bearer(r *http.Request) (secret string, given bool) {
	if scheme, secret, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "bearer") {
		return strings.TrimSpace(secret), true
	}
	secret = r.Header.Get("X-Api-Key")
	return secret, secret != ""
}

// sameMachine refuses what a page in this machine's browser may have sent: without keys, whoever reaches us is the operator.
// A page of another site can't hide its origin (Sec-Fetch-Site, Origin), and one whose name was made to mean this machine
// (DNS rebinding) sends that name as the host.
func (g *Gateway) sameMachine(r *http.Request) error {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if !strings.EqualFold(host, "localhost") && (err != nil || !addr.IsLoopback()) {
		return refused(Browser, http.StatusMisdirectedRequest, "this gateway has no keys, so it answers to localhost and loopback addresses alone; ask for it by one of these")
	}
	return g.noPage(r)
}

// noPage refuses what a page of another site may have sent.
func (g *Gateway) noPage(r *http.Request) error {
	if err := g.browser.Check(r); err != nil {
		return refused(Browser, http.StatusForbidden, "a page of another site sent this; this gateway has no keys, so it takes nothing from pages")
	}
	return nil
}
