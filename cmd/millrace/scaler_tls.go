package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificatesAge is how long certificates are used before their files are read again: who renews them replaces the files.
const certificatesAge = time.Minute

// tls is how KEDA is answered; nil is in the clear. What can't be used is an error now; later, the last that could be used
// stays, and the log says so.
func (c *scalerConfig) tls(log *slog.Logger) (*tls.Config, error) {
	if c.TLSCert == "" {
		return nil, nil
	}
	known, err := c.readTLS()
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	read := time.Now()
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			mu.Lock()
			defer mu.Unlock()
			if time.Since(read) <= certificatesAge {
				return known, nil
			}
			read = time.Now()
			fresh, err := c.readTLS()
			if err != nil {
				log.Warn("certificate not renewed", "err", err)
				return known, nil
			}
			known = fresh
			return known, nil
		},
	}, nil
}

func (c *scalerConfig) readTLS() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("read the certificate %s and its key %s (MILLRACE_TLS_CERT, MILLRACE_TLS_KEY): %w", c.TLSCert, c.TLSKey, plainPath(err))
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2"}}
	if c.TLSCA == "" {
		return conf, nil
	}
	pem, err := os.ReadFile(c.TLSCA)
	if err != nil {
		return nil, fmt.Errorf("read the authorities %s (MILLRACE_TLS_CA): %w", c.TLSCA, plainPath(err))
	}
	conf.ClientCAs, conf.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !conf.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s (MILLRACE_TLS_CA) holds no certificate in PEM", c.TLSCA)
	}
	return conf, nil
}
