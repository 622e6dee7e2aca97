//go:build linux

package main_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/record"
)

// What must not be seen. The password has what JSON, URLs and shells escape.
const (
	secretToken    = "tok-4f9d2c7b1e8a6035"
	secretPassword = `p@ss "w\rd"/<ö>&1+x`
	secretHeader   = "hdr-77aa01bc9e43fd20"
	secretInURL    = "url-5be1907fd3c2aa68"
	secretLines    = "pem-line-one-0d1f2e3c\npem-line-two-b4a59687"
)

// leaky tries every way out that we know of; its last task fails with secrets in its last words.
const leaky = `
name: leaky
state: {derived: "{{ password }}", list: [{secret: list-secret-9b8c7d6e}]}
settings: {global_retry: 1, global_retry_sleep: 0.01}
tasks:
  - {name: sent, module: Http, register: sent, throw: false, props: {url: "{{ ear }}/sent?token=url-5be1907fd3c2aa68", debug: true, headers: {X-Api-Key: hdr-77aa01bc9e43fd20}}}
  - {name: whole, module: Shell, register: whole, props: {command: printf, args: ["%s|%s|%s|%s", "{{ env.API_TOKEN }}", "{{ password }}", "{{ derived }}", "{{ vault.private_key }}"]}}
  - {name: split, module: Shell, register: split, props: {command: sh, args: [-c, "printf tok-4f9d2c; sleep 0.2; printf 7b1e8a6035; printf err-tok-4f9d >&2; sleep 0.2; echo 2c7b1e8a6035 >&2"]}}
  - {name: base64, module: Shell, register: base64, props: {command: sh, args: [-c, 'printf %s "$0" | base64; printf "user:%s" "$1" | base64; printf "ab%s" "$1" | base64 -w0', "{{ env.API_TOKEN }}", "{{ password }}"]}}
  - {name: JSON, module: StdOut, props: {message: "{{ {a: password, b: env.API_TOKEN} | dump }} {{ ({a: password} | dump) | dump }} {{ password | urlencode }}"}}
  - {name: everything, module: Debug, props: {var: state, format: json}}
  - {name: everything once more, module: Debug, props: {var: state, format: yaml}}
  - {name: environment, module: Shell, register: environment, throw: false, props: {command: sh, args: [-c, "env; cat /proc/[0-9]*/cmdline {{ look }} | tr '\\0' ' '; true"]}}
  - {name: missing file, module: Zip, throw: false, props: {src: "{{ env.API_TOKEN }}.obj", dest: a.zip}}
  - {name: missing program, module: Shell, throw: false, props: {command: "{{ env.API_TOKEN }}"}}
  - {name: wrong prop, module: Stat, throw: false, props: {src: [1, "{{ password }}"], "{{ x }}": 1}}
  - {name: bad address, module: Http, throw: false, props: {url: "http://user:{{ env.API_TOKEN }}@127.0.0.1:1/{{ password | urlencode }}?key={{ env.API_TOKEN }}"}}
  - {name: failing argv, module: Shell, throw: false, props: {command: sh, args: [-c, "echo no: $0 >&2; exit 3", "{{ env.API_TOKEN }} {{ password }}"]}}
  - {name: now, module: Now, props: {key: "{{ env.API_TOKEN }}"}}
  - name: last words
    module: Shell
    props: {command: sh, args: [-c, "echo \"could not log in with $0 and $1\" >&2; exit 1", "{{ env.API_TOKEN }}", "{{ password }}"]}
    callbacks:
      onStderr: [{module: StdOut, props: {message: "printed: {{ line }} {{ env.API_TOKEN }}"}}]
      onError: [{module: Http, props: {url: "{{ ear }}/refused?token=url-5be1907fd3c2aa68", retry: 0, headers: {Authorization: "Bearer {{ env.API_TOKEN }}"}, data: {why: "{{ error_message }}", password: "{{ password }}"}}}]
callbacks:
  onFailure: [{module: Http, props: {url: "{{ ear }}/wanted", retry: 0, headers: {Authorization: "Bearer {{ env.API_TOKEN }}"}, data: {password: "{{ password }}"}}}]
  onEnd: [{module: Debug, props: {var: state}}]
`

// Whatever a job does with its secrets, nobody reads them in what the product keeps or says; what a pipeline's author
// sends on purpose is sent.
func TestSecretsStayOutOfEverythingThatIsKeptOrSaid(t *testing.T) {
	t.Parallel()
	signing := "whsec_" + base64.StdEncoding.EncodeToString([]byte("signing-key-of-32-bytes-8d4e71b2"))
	for _, args := range [][]string{
		{"--isolation=job", "--logger=json", "--debug"},
		{"--isolation=job", "--logger=stdout", "--debug", "--confine=false"},
		{"--isolation=none", "--logger=stdout", "--debug"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			ear, heard := newEcho(t)
			m := newMill(t, "API_TOKEN="+secretToken, "MILLRACE_ALLOW_ENV=API_TOKEN", "MILLRACE_CALLBACK_SECRET="+signing, "MILLRACE_ALLOW_HOSTS=127.0.0.1")
			look := "/proc/[0-9]*/environ" // of the worker too
			if args[0] == "--isolation=none" {
				look = "" // nothing stands between a job and its own process
			}
			m.job("leaky", leaky, map[string]any{
				"state":    map[string]any{"ear": ear, "look": look, "password": secretPassword, "vault": map[string]any{"private_key": secretLines}},
				"callback": map[string]any{"url": ear + "/done?token=" + secretInURL},
			})
			log := m.work(append(args, "--slots=1")...)

			rec := m.record("leaky")
			require.Equal(t, record.Dead, rec.Status, rec.Message)
			require.Len(t, rec.Tasks, 15)
			require.Contains(t, m.log("leaky"), "[REDACTED]|[REDACTED]|[REDACTED]|", "it is the secrets that are gone, not the lines")
			require.Contains(t, heard("/wanted"), "Bearer "+secretToken)
			require.Contains(t, heard("/wanted"), `"password":`+jsonText(secretPassword))
			require.NotEmpty(t, heard("/done"))

			kept := m.kept()
			for where, text := range kept { // the outbox has to know where to send, as the message does: it is shown nowhere
				if strings.HasPrefix(where, "/store/outbox/") {
					kept[where] = strings.Replace(text, "/done?token="+secretInURL, "", 1)
				}
			}
			listed := (&place{t: t, dir: m.data}).succeeds("callbacks", "list", "--data", m.data, "--json")
			require.Contains(t, listed, "given up")
			kept["callbacks list"] = listed
			kept["the worker's log"] = log
			kept["the dead-letter reason"] = fmt.Sprint(m.buried())
			for _, secret := range []string{
				secretToken, secretPassword, secretHeader, secretInURL, signing, strings.TrimPrefix(signing, "whsec_"),
				"signing-key-of-32-bytes-8d4e71b2", "list-secret-9b8c7d6e", "pem-line-one-0d1f2e3c", "pem-line-two-b4a59687",
			} {
				requireNowhere(t, secret, kept)
			}
		})
	}
}

// newEcho is a server that refuses most of what it gets and says it all back. heard is the Authorization header and the
// body of the last request to a path.
func newEcho(t *testing.T) (address string, heard func(path string) string) {
	t.Helper()
	var mu sync.Mutex
	last := map[string]string{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		last[r.URL.Path] = r.Header.Get("Authorization") + " " + string(body)
		switch r.URL.Path {
		case "/sent", "/refused":
			w.WriteHeader(http.StatusInternalServerError)
		case "/done":
			w.WriteHeader(http.StatusGone)
		}
		fmt.Fprintf(w, "no: %s %v %s", r.URL.RawQuery, r.Header, body)
	}))
	t.Cleanup(s.Close)
	return s.URL, func(path string) string {
		mu.Lock()
		defer mu.Unlock()
		return last[path]
	}
}

func requireNowhere(t *testing.T, secret string, kept map[string]string) {
	t.Helper()
	for form, text := range formsOf(secret) {
		for where, all := range kept {
			if i := strings.Index(all, text); i >= 0 {
				t.Errorf("%s as %s in %s: %q", secret, form, where, all[max(0, i-150):min(len(all), i+len(text)+20)])
			}
		}
	}
}

// kept is every file of the store and of what workers leave, by its name.
func (m *mill) kept() map[string]string {
	m.t.Helper()
	all := map[string]string{}
	for _, dir := range []string{"store", "run"} {
		err := filepath.WalkDir(filepath.Join(m.data, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			all[strings.TrimPrefix(path, m.data)] = string(b)
			return err
		})
		require.NoError(m.t, err)
	}
	require.NotEmpty(m.t, all)
	return all
}

// formsOf is what a secret looks like once something has encoded it.
func formsOf(secret string) map[string]string {
	return map[string]string{
		"it is":        secret,
		"JSON":         strings.Trim(jsonText(secret), `"`),
		"JSON in JSON": strings.Trim(jsonText(strings.Trim(jsonText(secret), `"`)), `"`),
		"base64":       strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(secret)), "="),
		"base64 later": base64.StdEncoding.EncodeToString([]byte("user:" + secret))[8:20],
		"a URL":        url.QueryEscape(secret),
	}
}

func jsonText(s string) string {
	b, _ := json.Marshal(s) // a string always can
	return string(b)
}
