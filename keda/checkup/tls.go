package checkup

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/millrace/millrace/keda/kubernetes"
)

// kindAuth is what a trigger names unless it says otherwise: a TriggerAuthentication of its namespace.
const kindAuth = "TriggerAuthentication"

// A way is how KEDA speaks with the scaler.
type way struct {
	tls       bool
	authority string // PEM; empty is the system's
	blind     bool   // whom to trust can't be told: the certificate's name and time alone are looked at
}

// try connects as KEDA does, and says nothing.
func (w way) try(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if !w.tls {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host, InsecureSkipVerify: w.blind, NextProtos: []string{"h2"}}
	if w.authority != "" {
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM([]byte(w.authority)) {
			return errors.New("caCert holds no certificate")
		}
	}
	if w.blind {
		conf.VerifyConnection = func(state tls.ConnectionState) error {
			own := state.PeerCertificates[0]
			if time.Now().After(own.NotAfter) {
				return errors.New("its certificate ended " + own.NotAfter.Format(time.RFC3339))
			}
			return own.VerifyHostname(host)
		}
	}
	conn, err := (&tls.Dialer{Config: conf}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// lookAtTLS looks whether both sides speak TLS, or neither.
func (s *survey) lookAtTLS(ctx context.Context, v *verdict, of string, t *trigger) way {
	w := way{tls: t.Metadata["enableTLS"] == "true", blind: t.Metadata["unsafeSsl"] == "true"}
	if t.Auth != nil && cmp.Or(t.Auth.Kind, kindAuth) == kindAuth {
		s.lookAtAuth(ctx, v, of, t.Auth.Name, &w)
	}
	elsewhere := v.elsewhere(of, t)
	w.blind = w.blind || elsewhere
	at := slices.IndexFunc(s.deployments, func(d deployment) bool { return d.isScaler() })
	if at < 0 {
		return w
	}
	switch serves := s.vars[s.deployments[at].Metadata.Name]["MILLRACE_TLS_CERT"].value != ""; {
	case serves && !w.tls && elsewhere:
		w.tls = true
	case serves && !w.tls:
		v.bad(`Set enableTLS to "true", and give the authority by a TriggerAuthentication (caCert).`, "the scaler speaks TLS, and %s does not", of)
	case !serves && w.tls:
		v.bad("Give the scaler a certificate (MILLRACE_TLS_CERT, MILLRACE_TLS_KEY), or take enableTLS out.", "%s asks by TLS, and the scaler has no certificate", of)
	}
	return w
}

// elsewhere says whether a trigger authenticates by what is none of the namespace's: that is not looked at, which it says.
func (v *verdict) elsewhere(of string, t *trigger) bool {
	if t.Auth == nil || cmp.Or(t.Auth.Kind, kindAuth) == kindAuth {
		return false
	}
	v.warn("See that what it names is there, and holds what KEDA needs: `kubectl get -o yaml`.", "%s authenticates by %s %s, which is not looked at", of, t.Auth.Kind, t.Auth.Name)
	return true
}

// lookAtAuth looks whether what a TriggerAuthentication names is there, and takes the authority from it.
func (s *survey) lookAtAuth(ctx context.Context, v *verdict, of, name string, w *way) {
	var auth triggerAuth
	path := "/apis/keda.sh/v1alpha1/namespaces/" + url.PathEscape(s.Namespace) + "/triggerauthentications/" + url.PathEscape(name)
	err := s.get(ctx, path, nil, &auth)
	switch {
	case kubernetes.Refused(err) == http.StatusNotFound:
		v.bad("Apply it, or correct authenticationRef.", "there is no TriggerAuthentication %s, which %s names", name, of)
	case err != nil:
		w.blind = true
		s.unsee("TriggerAuthentications", err)
	}
	for _, ref := range auth.Spec.ConfigMaps {
		data, known := s.configMap(ctx, ref.Name)
		v.wrong = v.wrong || !known
		if known && data[ref.Key] == "" {
			v.bad("On OpenShift the service CA fills it in, where the ConfigMap has the annotation service.beta.openshift.io/inject-cabundle.",
				"ConfigMap %s has no %s, which TriggerAuthentication %s wants", ref.Name, ref.Key, name)
		}
		if ref.Parameter == "caCert" {
			w.tls, w.authority, w.blind = true, data[ref.Key], w.blind || !known
		}
	}
	for _, ref := range auth.Spec.Secrets {
		keys, known := s.secret(ctx, ref.Name)
		v.wrong = v.wrong || !known
		if _, ok := keys[ref.Key]; known && !ok {
			v.bad("Make it.", "Secret %s has no %s, which TriggerAuthentication %s wants", ref.Name, ref.Key, name)
		}
		if ref.Parameter == "caCert" || ref.Parameter == "tlsClientCert" {
			w.tls, w.blind = true, w.blind || ref.Parameter == "caCert"
		}
	}
}
