package pods

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// An API is the Kubernetes API server, as a pod reaches it: by a URL, and files that Kubernetes makes.
type API struct {
	URL       string // like https://10.0.0.1:443; plain http is kubectl proxy's
	TokenFile string // read at every request, for it is replaced every hour; empty is none
	CAFile    string // read once; empty: the system's certificates
}

// A client makes the three calls that are needed: list, watch, patch. client-go would decode pods whole, at a hundred times the
// memory of the few fields that count here.
type client struct {
	api  API
	http *http.Client
}

// A refusal is an answer of the API server's that is not the one asked for.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return fmt.Sprintf("%s (%d)", r.text, r.status) }

func newClient(api API) (*client, error) {
	if u, err := url.Parse(api.URL); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return nil, fmt.Errorf("%q is not the URL of a Kubernetes API server", api.URL)
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if api.CAFile != "" {
		pem, err := os.ReadFile(api.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read the certificates of the Kubernetes API server: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate of the Kubernetes API server", api.CAFile)
		}
	}
	return &client{api: api, http: &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: conf, TLSHandshakeTimeout: 10 * time.Second, ForceAttemptHTTP2: true,
		MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute, ResponseHeaderTimeout: 30 * time.Second,
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second}, // a watch may be silent for minutes
	}}}, nil
}

// call makes a request. The body of its answer is the caller's to close; a *refusal where it is not OK.
func (c *client) call(ctx context.Context, method, path string, query url.Values, patch []byte) (io.ReadCloser, error) {
	address := strings.TrimSuffix(c.api.URL, "/") + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(patch))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "millrace")
	if patch != nil {
		req.Header.Set("Content-Type", "application/merge-patch+json")
	}
	if c.api.TokenFile != "" {
		token, err := os.ReadFile(c.api.TokenFile)
		if err != nil {
			return nil, fmt.Errorf("read the token for the Kubernetes API server: %w", err)
		}
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	said := readRefusal(resp)
	return nil, errors.Join(said, resp.Body.Close())
}

func readRefusal(resp *http.Response) error {
	var status struct {
		Message string `json:"message"`
	}
	_ = json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&status)
	if status.Message == "" {
		status.Message = "the Kubernetes API server answers " + http.StatusText(resp.StatusCode)
	}
	return &refusal{resp.StatusCode, status.Message}
}

// refusedWith is the status that the API server refused with; 0 where it did not.
func refusedWith(err error) int {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.status
	}
	return 0
}
