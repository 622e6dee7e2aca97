package kubernetes_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/keda/kubernetes"
)

// someone is a certificate of somebody's, signed by himself, and its key.
func someone(t *testing.T, name string) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	text := x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, &text, &text, &private.PublicKey, private)
	require.NoError(t, err)
	secret, err := x509.MarshalECPrivateKey(private)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret})
}

func TestWhoAsksIsKnownByACertificate(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
	}))
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	s.StartTLS()
	defer s.Close()
	api := kubernetes.API{URL: s.URL, CA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})}
	api.Certificate, api.Key = someone(t, "ada")
	c, err := kubernetes.New(api)
	require.NoError(t, err)
	defer c.Close()
	body, err := c.Do(t.Context(), http.MethodGet, "/version", nil, nil)
	require.NoError(t, err)
	said, err := io.ReadAll(body)
	require.NoError(t, errors.Join(err, body.Close()))
	require.Equal(t, "ada", string(said))

	api.CA = nil
	stranger, err := kubernetes.New(api)
	require.NoError(t, err)
	_, err = stranger.Do(t.Context(), http.MethodGet, "/version", nil, nil)
	require.ErrorContains(t, err, "certificate", "the system knows no such authority")
	_, api.Key = someone(t, "eve")
	_, err = kubernetes.New(api)
	require.ErrorContains(t, err, "read the certificate to ask the Kubernetes API server with")
	_, err = kubernetes.New(kubernetes.API{URL: s.URL, CA: []byte("none")})
	require.EqualError(t, err, "what is given as its authority holds no certificate of the Kubernetes API server")
}

func TestATokenIsToldToNobodyElse(t *testing.T) {
	told := make(chan string, 1)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { told <- r.Header.Get("Authorization") }))
	defer elsewhere.Close()
	s := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect)) // of the same host: Go keeps the token
	defer s.Close()
	api := kubernetes.API{URL: s.URL, Token: func(context.Context) (string, error) { return "t0ken", nil }}
	for _, transport := range []http.RoundTripper{nil, http.DefaultTransport} {
		api.Transport = transport
		c, err := kubernetes.New(api)
		require.NoError(t, err)
		_, err = c.Do(t.Context(), http.MethodGet, "/version", nil, nil)
		require.EqualError(t, err, "the Kubernetes API server answers Temporary Redirect (307)")
		require.Empty(t, told)
		c.Close()
	}
	api.URL = "http://kubernetes.example.com"
	_, err := kubernetes.New(api)
	require.EqualError(t, err, "kubernetes.example.com is plain http, and whoever is on the way would hear the token: use https")
	_, err = kubernetes.New(kubernetes.API{URL: api.URL, TokenFile: "token"})
	require.ErrorContains(t, err, "plain http")
	_, err = kubernetes.New(kubernetes.API{URL: api.URL})
	require.NoError(t, err, "a proxy that asks by itself")
}

func TestWhatTheAPIServerRefusesIsSaid(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		if r.URL.Path == "/said" {
			_, _ = io.WriteString(w, `{"message": "pods is forbidden"}`)
		}
	}))
	defer s.Close()
	c, err := kubernetes.New(kubernetes.API{URL: s.URL})
	require.NoError(t, err)
	for path, want := range map[string]string{"/said": "pods is forbidden (403)", "/": "the Kubernetes API server answers Forbidden (403)"} {
		_, err = c.Do(t.Context(), http.MethodGet, path, nil, nil)
		require.EqualError(t, err, want)
		require.Equal(t, http.StatusForbidden, kubernetes.Refused(err))
	}
	require.Zero(t, kubernetes.Refused(errors.New("no answer")))
}
