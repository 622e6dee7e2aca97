//go:build linux

package main_test

import (
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// An apiServer is an API server with nothing in it, that lets in whoever has the token.
type apiServer struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string // guarded by mu: namespaces
}

func newAPIServer(t *testing.T, token string) *apiServer {
	t.Helper()
	a := &apiServer{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"gitVersion": "v1.35.4"}`) })
	mux.HandleFunc("GET /apis/keda.sh/v1alpha1", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{}`) })
	mux.HandleFunc("GET /apis/apps/v1/namespaces/{namespace}/deployments", func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.asked = append(a.asked, r.PathValue("namespace"))
		_, _ = io.WriteString(w, `{"items": []}`)
	})
	a.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"message": "Unauthorized"}`)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(a.Close)
	return a
}

// kubeconfig is a kubeconfig with a user; authority is the server's own.
func (a *apiServer) kubeconfig(user string) string {
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate().Raw})
	return fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: prod
contexts:
  - {name: prod, context: {cluster: c, user: u, namespace: media}}
  - {name: broken, context: {cluster: c, user: nobody}}
clusters:
  - {name: c, cluster: {server: %q, certificate-authority-data: %s}}
users:
  - name: u
    user: %s
`, a.URL, base64.StdEncoding.EncodeToString(authority), user)
}

func TestDoctorAsksTheClusterAsWhoeverTheKubeconfigNames(t *testing.T) {
	t.Parallel()
	api := newAPIServer(t, "t0ken")
	for _, tt := range []struct{ name, user string }{
		{"a token", "{token: t0ken}"},
		{"a token in a file beside it", "{tokenFile: token}"},
		{"a program that is asked for one", `{exec: {apiVersion: client.authentication.k8s.io/v1, command: ./helper, args: [get], env: [{name: WHO, value: me}]}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.write("token", "t0ken\n")
			p.write("config", api.kubeconfig(tt.user))
			helper := "#!/bin/sh\n[ \"$1$WHO\" = getme ] && [ -n \"$KUBERNETES_EXEC_INFO\" ] && echo '{\"status\": {\"token\": \"t0ken\"}}'\n"
			require.NoError(t, os.WriteFile(filepath.Join(p.dir, "helper"), []byte(helper), 0o700))
			p.env = append(p.env, "KUBECONFIG="+filepath.Join(p.dir, "gone")+":"+filepath.Join(p.dir, "config"))
			r := p.millrace("doctor", "--context", "prod")
			require.Equal(t, 1, r.code, r.stderr)
			require.Contains(t, r.stdout, "Kubernetes v1.35.4 answers")
			require.Contains(t, r.stdout, "namespace media\n  error   workers: there is no Deployment")
			require.NotContains(t, r.stdout, "this machine", "it is not what is looked at")
			r = p.millrace("doctor", "--namespace", "other", "--json")
			require.Equal(t, 1, r.code)
			rows := decoded[[]map[string]any](t, r.stdout)
			require.Equal(t, "namespace other", rows[len(rows)-1]["of"])
		})
	}
}

func TestDoctorSaysWhyAClusterCanNotBeAsked(t *testing.T) {
	t.Parallel()
	api := newAPIServer(t, "t0ken")
	for _, tt := range []struct {
		name, user, flag, value, want string
		code                          int
	}{
		{"no such context", "{token: t0ken}", "--context", "test", `the kubeconfig has no context "test"; it has prod, broken`, 2},
		{"no such user", "{token: t0ken}", "--context", "broken", `names the cluster "c" and the user "nobody"`, 2},
		{"in another's name", "{token: t0ken, as: admin}", "--context", "prod", `the kubeconfig has as for the user "u", which is not supported`, 2},
		{"a password", "{username: a, password: b}", "--context", "prod", `the kubeconfig has password for the user "u"`, 2},
		{"a key that is cut short", "{client-key-data: x}", "--context", "prod", "a certificate or key in the kubeconfig is no base64", 2},
		{"a token that ended", "{token: old}", "--context", "prod", "Unauthorized (401)", 1},
		{"a program that fails", "{exec: {command: \"false\"}}", "--context", "prod", "for a token: exit code 1", 1},
		{"a program that is not there", "{exec: {command: no-such-program}}", "--context", "prod", "ask no-such-program, which the kubeconfig names, for a token", 1},
		{"a program that says nothing of use", "{exec: {command: echo, args: [\"{}\"]}}", "--context", "prod", "gives no token", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.write("config", api.kubeconfig(tt.user))
			p.env = append(p.env, "KUBECONFIG="+filepath.Join(p.dir, "config"))
			r := p.millrace("doctor", tt.flag, tt.value)
			require.Equal(t, tt.code, r.code, r.stderr)
			require.Contains(t, r.stdout+r.stderr, tt.want)
		})
	}
	p := newPlace(t)
	p.env = append(p.env, "KUBECONFIG="+filepath.Join(p.dir, "gone"))
	r := p.millrace("doctor", "--namespace", "media")
	require.Equal(t, 2, r.code)
	require.Contains(t, r.stderr, "there is no kubeconfig")
}

func TestDoctorTakesTheScalersListOfQueues(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.millrace("doctor", "--queue", "light=local")
	require.Zero(t, r.code, r.stdout+r.stderr)
	require.Contains(t, r.stdout, "local\n")
}
