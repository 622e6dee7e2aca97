package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// certify writes a new certificate and its key, and returns the certificate.
func certify(t *testing.T, certFile, keyFile string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	return cert
}

func TestARenewedCertificateIsShownAfterAMinuteAndABrokenOneNever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		c := scalerConfig{TLSCert: filepath.Join(dir, "tls.crt"), TLSKey: filepath.Join(dir, "tls.key"), TLSCA: filepath.Join(dir, "tls.crt")}
		first := certify(t, c.TLSCert, c.TLSKey)
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, nil))
		conf, err := c.tls(logger)
		require.NoError(t, err)
		shown := func() []byte {
			now, err := conf.GetConfigForClient(nil)
			require.NoError(t, err)
			require.Equal(t, tls.RequireAndVerifyClientCert, now.ClientAuth)
			return now.Certificates[0].Certificate[0]
		}
		second := certify(t, c.TLSCert, c.TLSKey)
		require.Equal(t, first, shown())
		time.Sleep(certificatesAge + time.Second)
		require.Equal(t, second, shown())
		require.NoError(t, os.WriteFile(c.TLSKey, nil, 0o600))
		time.Sleep(certificatesAge + time.Second)
		require.Empty(t, log.String())
		require.Equal(t, second, shown())
		require.Contains(t, log.String(), `level=WARN msg="certificate not renewed"`)
		_, err = c.tls(logger)
		require.ErrorContains(t, err, "(MILLRACE_TLS_CERT, MILLRACE_TLS_KEY)")
	})
}

func TestWithoutACertificateKEDAIsAnsweredInTheClear(t *testing.T) {
	conf, err := (&scalerConfig{}).tls(slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.Nil(t, conf)
}
