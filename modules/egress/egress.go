// Package egress makes HTTP clients that can't be talked into reaching the operator's own network.
package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/millrace/millrace/modules/fault"
)

// Policy says which addresses may be reached. The zero value admits public ones only.
type Policy struct {
	// AllowPrivate admits private, loopback and shared (CGNAT) addresses. Link-local ones, where clouds keep their
	// metadata service, and the rest still have to be listed in AllowHosts.
	AllowPrivate bool
	// AllowHosts admits what they name whatever its address is: "host", "host:port", "10.0.0.8", "10.0.0.0/8",
	// "[fd00::1]:8080". Host names match whole and without regard to case.
	AllowHosts []string
}

// Validate returns what is wrong with AllowHosts, each with its remedy. An entry that it objects to admits nothing.
func (p Policy) Validate() error {
	var errs []error
	for _, entry := range p.AllowHosts {
		_, err := netip.ParsePrefix(entry)
		if strings.Contains(entry, "/") && err != nil || strings.TrimSpace(entry) != entry || entry == "" {
			errs = append(errs, fmt.Errorf("allowed host %q is none; write a host, host:port, or a network such as 10.0.0.0/8", entry))
		}
	}
	return errors.Join(errs...)
}

// A BlockedError is an address that the policy refuses.
type BlockedError struct {
	Host  string     // as the URL has it
	Addr  netip.Addr // what it resolved to
	Class string     // "private", "loopback", …
}

func (e *BlockedError) Error() string {
	const remedy = "the operator can allow it with MILLRACE_ALLOW_HOSTS"
	if e.Host == e.Addr.String() {
		return fmt.Sprintf("host %q is a %s address; %s", e.Host, e.Class, remedy)
	}
	return fmt.Sprintf("host %q resolves to %s, a %s address; %s", e.Host, e.Addr, e.Class, remedy)
}

const (
	dialTimeout   = 10 * time.Second
	tlsTimeout    = 10 * time.Second
	headerTimeout = 60 * time.Second
	idleTimeout   = 90 * time.Second
	maxHeader     = 1 << 20 // bytes of response headers
	maxRedirects  = 5
)

// NewClient returns a client that obeys p. Addresses are judged when they are dialled, after DNS and on every
// redirect, so neither a name that changes its address nor an odd spelling of one gets through; the error is then a
// permanent *BlockedError. It uses no proxy. It follows at most five redirects, none to another scheme (but http to
// https), takes no body to another host (a permanent error), and sends a redirect to another host nothing but Accept,
// Content-Type and User-Agent. It has no timeout of its own beyond connecting (10 s), TLS (10 s) and waiting for the
// response headers (60 s): use the request's context.
func NewClient(p Policy) *http.Client {
	g := guard{policy: p}
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            g.dial,
			ForceAttemptHTTP2:      true,
			TLSHandshakeTimeout:    tlsTimeout,
			ResponseHeaderTimeout:  headerTimeout,
			IdleConnTimeout:        idleTimeout,
			MaxIdleConns:           16,
			MaxResponseHeaderBytes: maxHeader,
		},
		CheckRedirect: checkRedirect,
	}
}

// A Dialer connects to "host:port".
type Dialer func(ctx context.Context, network, address string) (net.Conn, error)

// NewDialer returns a dialer that obeys p as NewClient does.
func NewDialer(p Policy) Dialer { return guard{policy: p}.dial }

// Check returns the *BlockedError that a client which obeys p would end with at an address, known as host. What stands as a name
// is judged when it is dialled, and not before.
func (p Policy) Check(addr netip.Addr, host, port string) error {
	g := guard{policy: p}
	if g.admitsName(host, port) {
		return nil
	}
	return g.judge(host, net.JoinHostPort(addr.String(), port))
}

type guard struct{ policy Policy }

// dial connects to "host:port" as the URL has it.
func (g guard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	d := net.Dialer{Timeout: dialTimeout}
	if !g.admitsName(host, port) {
		d.Control = func(_, resolved string, _ syscall.RawConn) error { return g.judge(host, resolved) }
	}
	return d.DialContext(ctx, network, address)
}

func (g guard) admitsName(host, port string) bool {
	host = strings.TrimSuffix(host, ".")
	return slices.ContainsFunc(g.policy.AllowHosts, func(entry string) bool {
		return strings.EqualFold(entry, host) || strings.EqualFold(entry, net.JoinHostPort(host, port))
	})
}

// judge is asked before each connection, with the address the system is about to connect to.
func (g guard) judge(host, resolved string) error {
	ap, err := netip.ParseAddrPort(resolved)
	if err != nil {
		return fault.As(fault.Permanent, fmt.Errorf("host %q resolves to %q, which is no IP address", host, resolved))
	}
	addr := ap.Addr().WithZone("").Unmap()
	class := Class(addr)
	if class == "" || g.admitsAddr(addr, ap.Port()) || g.policy.AllowPrivate && plain(class) {
		return nil
	}
	return fault.As(fault.Permanent, &BlockedError{Host: host, Addr: addr, Class: class})
}

func (g guard) admitsAddr(addr netip.Addr, port uint16) bool {
	return slices.ContainsFunc(g.policy.AllowHosts, func(entry string) bool {
		if prefix, err := netip.ParsePrefix(entry); err == nil {
			return prefix.Contains(addr)
		}
		if ap, err := netip.ParseAddrPort(entry); err == nil {
			return ap == netip.AddrPortFrom(addr, port)
		}
		only, err := netip.ParseAddr(entry)
		return err == nil && only == addr
	})
}

// checkRedirect runs before each redirect is followed; its host is judged when it is dialled.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fault.As(fault.Permanent, fmt.Errorf("stopped after %d redirects; use the final address", maxRedirects))
	}
	last := via[len(via)-1].URL
	if req.URL.Scheme != last.Scheme && (last.Scheme != "http" || req.URL.Scheme != "https") {
		return fault.As(fault.Permanent, fmt.Errorf("redirect from %s to %s is not followed; use the final address", last.Scheme, req.URL.Scheme))
	}
	if req.URL.Host != via[0].URL.Host {
		if req.Body != nil && req.Body != http.NoBody {
			return fault.As(fault.Permanent, fmt.Errorf("redirect to another host, %s, is not followed with a body; use the final address", req.URL.Host))
		}
		keep := http.Header{}
		for _, name := range []string{"Accept", "Content-Type", "User-Agent"} {
			if values := req.Header.Values(name); values != nil {
				keep[name] = values
			}
		}
		req.Header = keep
	}
	return nil
}
