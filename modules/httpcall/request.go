package httpcall

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/redact"
)

func (r Request) problems() []modules.Problem {
	var problems []modules.Problem
	report := func(path, format string, args ...any) {
		problems = append(problems, modules.Problem{Path: path, Msg: fmt.Sprintf(format, args...)})
	}
	u, err := url.Parse(r.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		report("url", `prop "url" must be an address such as https://example.com/path`)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		if !token(name) {
			report("headers."+name, "prop \"headers\" has %q, which is no header name", name)
		}
		if strings.ContainsAny(r.Headers[name], "\r\n\x00") {
			report("headers."+name, "prop %q must be one line", "headers."+name)
		}
	}
	if _, _, err := r.payload(); err != nil {
		problems = append(problems, modules.Problem{Path: "body", Msg: err.Error(), Also: []string{"data", "base64"}})
	}
	return problems
}

// token says whether s may be the name of a header (RFC 9110, 5.6.2).
func token(s string) bool {
	odd := func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	}
	return s != "" && !strings.ContainsFunc(s, odd)
}

// payload returns the bytes to send and their type; nil when there are none.
func (r Request) payload() (body []byte, contentType string, err error) {
	what := r.Body
	if what == nil || what == "" {
		what = r.Data
	}
	if what == nil {
		return nil, "", nil
	}
	text, isText := what.(string)
	switch {
	case r.Base64 && !isText:
		return nil, "", errors.New(`prop "body" must be text where "base64" is true`)
	case r.Base64:
		body, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
		if err != nil {
			return nil, "", errors.New(`prop "body" is not base64; drop "base64" or encode it`)
		}
		return body, "application/octet-stream", nil
	case isText && json.Valid([]byte(text)):
		return []byte(text), "application/json", nil
	case isText:
		return []byte(text), "text/plain; charset=utf-8", nil
	}
	body, err = json.Marshal(what)
	if err != nil {
		return nil, "", fmt.Errorf("prop \"body\" can't be written as JSON: %w", err)
	}
	return body, "application/json", nil
}

// build makes the request of one try.
func (r Request) build(ctx context.Context) (*http.Request, error) {
	body, contentType, err := r.payload()
	if err != nil {
		return nil, err
	}
	method := r.Method
	if method == "" {
		method = http.MethodGet
		if body != nil {
			method = http.MethodPost
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, r.URL, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if body == nil {
		req.Body, req.GetBody = nil, nil
	} else {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("User-Agent", "millrace")
	for name, value := range r.Headers {
		req.Header.Set(name, value)
		if strings.EqualFold(name, "Host") {
			req.Host = value
		}
	}
	return req, nil
}

// tellSecrets hands over what the request says only to its receiver: credentials in headers, query and userinfo.
func (r Request) tellSecrets(tell func(string)) {
	for name, value := range r.Headers {
		if !redact.NameIsSecret(name) {
			continue
		}
		tell(value)
		if _, credentials, ok := strings.Cut(value, " "); ok { // "Bearer …"
			tell(strings.TrimSpace(credentials))
		}
	}
	u, err := url.Parse(r.URL)
	if err != nil {
		return
	}
	if password, ok := u.User.Password(); ok {
		tell(password)
	}
	for name, values := range u.Query() {
		for _, value := range values {
			if redact.NameIsSecret(name) {
				tell(value)
			}
		}
	}
}
