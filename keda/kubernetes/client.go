// Package kubernetes speaks with a Kubernetes API server: plain requests, and JSON that is read into the few fields that
// somebody needs. client-go would decode objects whole, at a hundred times the memory.
package kubernetes

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// An API is a Kubernetes API server, and who asks it. As a pod reaches it: by a URL, and files that Kubernetes makes.
type API struct {
	URL       string // like https://10.0.0.1:443; plain http is kubectl proxy's
	TokenFile string // read at every request, for it is replaced every hour; empty is none
	CAFile    string // read once; empty: CA

	CA         []byte // PEM; empty: the system's certificates
	ServerName string // that its certificate must bear; empty is the URL's
	Insecure   bool   // its certificate is not looked at
	// Certificate and Key, in PEM, are those of who asks; empty is none.
	Certificate, Key []byte
	// Token is asked for one at every request; nil is TokenFile's.
	Token func(ctx context.Context) (string, error)
	// Transport carries the requests; nil is HTTP with the certificates above.
	Transport http.RoundTripper
}

// A Client makes requests.
type Client struct {
	api  API
	http *http.Client
}

// A Refusal is an answer of the API server's that is not the one asked for.
type Refusal struct {
	Status int // of HTTP
	Text   string
}

func (r *Refusal) Error() string { return fmt.Sprintf("%s (%d)", r.Text, r.Status) }

// New makes no request.
func New(api API) (*Client, error) {
	u, err := url.Parse(api.URL)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return nil, fmt.Errorf("%q is not the URL of a Kubernetes API server", api.URL)
	case u.Scheme == "http" && (api.Token != nil || api.TokenFile != "") && !isHere(u.Hostname()):
		return nil, fmt.Errorf("%s is plain http, and whoever is on the way would hear the token: use https", u.Host)
	}
	if api.Transport != nil {
		return &Client{api: api, http: &http.Client{Transport: api.Transport, CheckRedirect: stay}}, nil
	}
	conf, err := api.tls()
	if err != nil {
		return nil, err
	}
	return &Client{api: api, http: &http.Client{CheckRedirect: stay, Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: conf, TLSHandshakeTimeout: 10 * time.Second, ForceAttemptHTTP2: true,
		MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute, ResponseHeaderTimeout: 30 * time.Second,
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second}, // a watch may be silent for minutes
	}}}, nil
}

// isHere says whether a host is this machine.
func isHere(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// stay follows no redirect: an API server has none of its own, and who asks would tell his token to where it leads.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (api *API) tls() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: api.ServerName, InsecureSkipVerify: api.Insecure}
	pem := api.CA
	if api.CAFile != "" {
		var err error
		if pem, err = os.ReadFile(api.CAFile); err != nil {
			return nil, fmt.Errorf("read the certificates of the Kubernetes API server: %w", err)
		}
	}
	if len(pem) > 0 || api.CAFile != "" {
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate of the Kubernetes API server", cmp.Or(api.CAFile, "what is given as its authority"))
		}
	}
	if len(api.Certificate) > 0 {
		own, err := tls.X509KeyPair(api.Certificate, api.Key)
		if err != nil {
			return nil, fmt.Errorf("read the certificate to ask the Kubernetes API server with: %w", err)
		}
		conf.Certificates = []tls.Certificate{own}
	}
	return conf, nil
}

// Close closes connections that are idle.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Do makes a request; query and body may be nil. The body of its answer is the caller's to close; a *Refusal where it is not OK.
func (c *Client) Do(ctx context.Context, method, path string, query url.Values, body []byte) (io.ReadCloser, error) {
	address := strings.TrimSuffix(c.api.URL, "/") + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "millrace")
	switch {
	case method == http.MethodPatch:
		req.Header.Set("Content-Type", "application/merge-patch+json")
	case body != nil:
		req.Header.Set("Content-Type", "application/json")
	}
	token, err := c.token(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the token for the Kubernetes API server: %w", err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusCreated {
		return resp.Body, nil
	}
	said := readRefusal(resp)
	return nil, errors.Join(said, resp.Body.Close())
}

func (c *Client) token(ctx context.Context) (string, error) {
	switch {
	case c.api.Token != nil:
		return c.api.Token(ctx)
	case c.api.TokenFile == "":
		return "", nil
	}
	token, err := os.ReadFile(c.api.TokenFile)
	return strings.TrimSpace(string(token)), err
}

func readRefusal(resp *http.Response) error {
	var status struct {
		Message string `json:"message"`
	}
	_ = json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&status)
	if status.Message == "" {
		status.Message = "the Kubernetes API server answers " + http.StatusText(resp.StatusCode)
	}
	return &Refusal{resp.StatusCode, status.Message}
}

// Refused is the status that the API server refused with; 0 where it did not.
func Refused(err error) int {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r.Status
	}
	return 0
}
