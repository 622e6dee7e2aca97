package hook

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	fetchTimeout   = 5 * time.Second
	maxCertificate = 64 << 10       // bytes
	maxKnown       = 32             // certificates; SNS has a few a region
	keepKnown      = 24 * time.Hour // before one is asked for again; less where it ends before
	maxChain       = 4              // certificates that are asked for above the first
	maxFetches     = 8              // at once; then one a second
)

// Certificates are those of SNS, and what asks SNS for them.
type Certificates struct {
	Client *http.Client   // decides which addresses may be reached; its redirect policy is not used
	Roots  *x509.CertPool // nil: the system's

	once  sync.Once
	fetch *rate.Limiter
	mu    sync.Mutex
	known map[string]known // by URL; guarded by mu
}

type known struct {
	key   *rsa.PublicKey
	until time.Time // when it is asked for again
	ends  time.Time // its validity
}

// key returns the key of a certificate, whose URL was checked. host is SNS' own in the topic's region.
func (c *Certificates) key(ctx context.Context, address, host string) (*rsa.PublicKey, error) {
	now := time.Now()
	c.mu.Lock()
	have, ok := c.known[address]
	c.mu.Unlock()
	if ok && now.Before(have.until) {
		return have.key, nil
	}
	body, err := c.get(ctx, address)
	if r, refused := errors.AsType[*Refusal](err); refused && r.Status == http.StatusServiceUnavailable && ok && now.Before(have.ends) {
		return have.key, nil // strangers who have us ask for others must not keep SNS out
	}
	if err != nil {
		return nil, err
	}
	list, err := parseCertificates(body)
	if err != nil || len(list) == 0 {
		return nil, unverified("SigningCertURL has no certificate")
	}
	if err := c.trusted(ctx, list, host, now); err != nil {
		return nil, err
	}
	key, ok := list[0].PublicKey.(*rsa.PublicKey)
	if !ok || key.N.BitLen() < 2048 {
		return nil, unverified("the certificate's key is no RSA key of 2048 bits")
	}
	c.keep(address, known{key, earlier(now.Add(keepKnown), list[0].NotAfter), list[0].NotAfter}, now)
	return key, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// keep remembers a key, and forgets all where there are too many.
func (c *Certificates) keep(address string, k known, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil || len(c.known) >= maxKnown {
		c.known = map[string]known{}
	}
	if now.Before(k.until) {
		c.known[address] = k
	}
}

// trusted says that the first of list is SNS' own, is valid now, and leads to a root. SNS serves the leaf alone, so what
// stands above it may have to be asked for.
func (c *Certificates) trusted(ctx context.Context, list []*x509.Certificate, host string, now time.Time) error {
	above := x509.NewCertPool()
	for _, cert := range list[1:] {
		above.AddCert(cert)
	}
	leaf, last := list[0], list[len(list)-1]
	if leaf.VerifyHostname(host) != nil && leaf.VerifyHostname(withoutRegion(host)) != nil {
		return unverified("the certificate is not one of %s", host)
	}
	for range maxChain {
		_, err := leaf.Verify(x509.VerifyOptions{Roots: c.Roots, Intermediates: above, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		if err == nil {
			return nil
		}
		if _, ok := errors.AsType[x509.UnknownAuthorityError](err); !ok {
			return unverified("the certificate is not valid: %v", err)
		}
		issuer := issuerURL(last)
		if issuer == "" {
			break
		}
		body, err := c.get(ctx, issuer)
		if err != nil {
			return err
		}
		more, err := parseCertificates(body)
		if err != nil || len(more) == 0 {
			return unverified("the certificate's issuer can't be read")
		}
		last = more[0]
		above.AddCert(last)
	}
	return unverified("the certificate leads to no root that is trusted")
}

// withoutRegion is the name that most of SNS' certificates have: "sns.amazonaws.com".
func withoutRegion(host string) string {
	part := strings.SplitN(host, ".", 3)
	return part[0] + "." + part[2]
}

// issuerURL is where a certificate says that its issuer's lies, if that is Amazon's own. It is fetched in the clear: what
// comes has to lead to a root.
func issuerURL(cert *x509.Certificate) string {
	for _, address := range cert.IssuingCertificateURL {
		u, err := url.Parse(address)
		if err == nil && u.Scheme == "http" && strings.HasSuffix(u.Host, ".amazontrust.com") && u.User == nil {
			return u.String()
		}
	}
	return ""
}

// parseCertificates reads PEM, or one certificate as DER.
func parseCertificates(body []byte) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	rest := body
	for len(out) <= maxChain {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		out = append(out, cert)
	}
	if len(out) > 0 {
		return out, nil
	}
	cert, err := x509.ParseCertificate(body)
	return []*x509.Certificate{cert}, err
}

// get fetches a small thing. It follows no redirect: SNS has none, and another host is nobody that we know.
func (c *Certificates) get(ctx context.Context, address string) ([]byte, error) {
	// Strangers can name certificates that don't exist, or send a confirmation again: they don't have us ask SNS all day.
	c.once.Do(func() { c.fetch = rate.NewLimiter(rate.Every(time.Second), maxFetches) })
	if !c.fetch.Allow() {
		return nil, unavailable("SNS is asked too often")
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, unverified("the address can't be asked")
	}
	client := *c.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // the address may hold a token
		}
		return nil, unavailable(fmt.Sprintf("ask %s: %v", req.URL.Host, err))
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxCertificate+1))
	_ = res.Body.Close()
	switch {
	case res.StatusCode >= http.StatusInternalServerError || err != nil:
		return nil, unavailable(fmt.Sprintf("ask %s: status %d, %v", req.URL.Host, res.StatusCode, err))
	case res.StatusCode != http.StatusOK || len(body) > maxCertificate:
		return nil, unverified("%s answered %d, %d bytes", req.URL.Host, res.StatusCode, len(body))
	}
	return body, nil
}
