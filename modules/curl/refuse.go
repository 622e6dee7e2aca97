package curl

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/millrace/millrace/modules"
)

// shorts are the options' names of one letter, as `curl --help all` lists them.
var shorts = sync.OnceValue(func() map[string]string {
	return map[string]string{
		"#": "progress-bar", "A": "user-agent", "C": "continue-at", "E": "cert", "F": "form", "G": "get", "H": "header", "I": "head",
		"K": "config", "L": "location", "N": "no-buffer", "O": "remote-name", "S": "show-error", "T": "upload-file", "U": "proxy-user",
		"X": "request", "Y": "speed-limit", "b": "cookie", "c": "cookie-jar", "d": "data", "e": "referer", "f": "fail", "g": "globoff",
		"i": "include", "k": "insecure", "m": "max-time", "n": "netrc", "o": "output", "r": "range", "s": "silent", "u": "user",
		"v": "verbose", "w": "write-out", "x": "proxy", "y": "speed-time",
	}
})

// supported are the options that set knows, by which a typing error is found.
var supported = sync.OnceValue(func() []string {
	return []string{
		"compressed", "connect-timeout", "cookie", "data", "data-binary", "data-raw", "data-urlencode", "fail", "get", "head", "header",
		"json", "location", "max-filesize", "max-redirs", "max-time", "oauth2-bearer", "output", "range", "referer", "request", "retry",
		"retry-delay", "silent", "speed-limit", "speed-time", "user", "user-agent", "verbose",
	}
})

// instead says what to do without options of curl that are not for a worker.
var instead = sync.OnceValue(func() map[string]string {
	const (
		certificates = "certificates are always checked, by what this machine trusts; add the server's to that"
		network      = "how the network is reached is for the operator to say, by MILLRACE_ALLOW_HOSTS"
		answers      = "what came is in the output: status, contentType, size"
		credentials  = "give user, oauth2-bearer or a header"
	)
	return map[string]string{
		"insecure": certificates, "cacert": certificates, "capath": certificates, "cert": certificates, "key": certificates,
		"proxy-insecure": certificates, "ssl-no-revoke": certificates, "tlsv1.0": certificates, "tlsv1.1": certificates,
		"proxy": network, "proxy-user": network, "socks5": network, "socks5-hostname": network, "preproxy": network, "noproxy": network,
		"interface": network, "resolve": network, "connect-to": network, "unix-socket": network, "abstract-unix-socket": network,
		"dns-servers": network, "doh-url": network, "haproxy-protocol": network,
		"include": answers, "dump-header": answers, "write-out": answers, "trace": answers, "trace-ascii": answers, "stderr": answers,
		"netrc": credentials, "netrc-file": credentials, "cookie-jar": credentials, "negotiate": credentials, "ntlm": credentials,
		"digest": credentials, "anyauth": credentials, "aws-sigv4": "use the S3 module",
		"location-trusted": "credentials go to no other host than the one that they were given for; use the final address",
		"form":             "Curl fetches files here; send one to a bucket with the S3 module",
		"form-string":      "Curl fetches files here; send fields with data",
		"upload-file":      "Curl fetches files here; send one to a bucket with the S3 module",
		"config":           "write the options here",
		"remote-name":      "dest says what the file is called",
		"output-dir":       "dest says where the file goes",
		"continue-at":      "a transfer that breaks off goes on by itself",
		"retry-max-time":   "max-time is for all tries together",
	}
})

// refuse is the error of an option that curl may know, and we don't take.
func refuse(name string) error {
	if remedy, ok := instead()[name]; ok {
		return fmt.Errorf("is not supported; %s", remedy)
	}
	if near := modules.Closest(name, supported()); near != "" && !slices.Contains(supported(), name) {
		return fmt.Errorf("is unknown, did you mean %q?", near)
	}
	return fmt.Errorf("is not supported; known are %s", strings.Join(supported(), ", "))
}
