package httpcall_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/egress"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/httpcall"
	"github.com/millrace/millrace/modules/moduletest"
)

// seen is one request as the server got it.
type seen struct {
	method, path, body string
	header             http.Header
}

// serve answers with each status in turn (the last one again and again), and records what came in.
func serve(t *testing.T, statuses ...int) (address string, got *[]seen) {
	t.Helper()
	got = &[]seen{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		*got = append(*got, seen{r.Method, r.URL.RequestURI(), string(body), r.Header})
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Set-Cookie", "session=hunter2")
		w.WriteHeader(statuses[min(len(*got), len(statuses))-1])
		_, _ = io.WriteString(w, `{"id": 7, "ratio": 0.5}`)
	}))
	t.Cleanup(s.Close)
	return s.URL, got
}

func TestAnAnswerIsStatusDataAndHeaders(t *testing.T) {
	address, got := serve(t, 201)
	c, _ := moduletest.Call(t)
	out, err := httpcall.Module.Run(t.Context(), c, map[string]any{"url": address + "/a?b=c"})
	require.NoError(t, err)
	require.Equal(t, int64(201), out["status"])
	require.Equal(t, "Created", out["statusText"])
	require.Equal(t, map[string]any{"id": int64(7), "ratio": 0.5}, out["data"])
	require.Equal(t, "application/json", out["headers"].(map[string]any)["content-type"])
	require.NotContains(t, out["headers"], "set-cookie")
	require.Equal(t, "GET", (*got)[0].method)
	require.Equal(t, "/a?b=c", (*got)[0].path)
}

func TestEveryWayToGiveABody(t *testing.T) {
	for _, tt := range []struct {
		name                     string
		props                    map[string]any
		method, body, contenType string
	}{
		{"data", map[string]any{"data": map[string]any{"n": int64(1), "s": "<x>"}}, "POST", `{"n":1,"s":"\u003cx\u003e"}`, "application/json"},
		{"text", map[string]any{"body": "hi", "method": "put"}, "PUT", "hi", "text/plain; charset=utf-8"},
		{"JSON text", map[string]any{"body": `{"a": 1}`}, "POST", `{"a": 1}`, "application/json"},
		{"body wins", map[string]any{"body": "hi", "data": map[string]any{}}, "POST", "hi", "text/plain; charset=utf-8"},
		{"an empty body does not", map[string]any{"body": "", "data": []any{}}, "POST", "[]", "application/json"},
		{"base64", map[string]any{"body": "aGkA", "base64": true}, "POST", "hi\x00", "application/octet-stream"},
		{"own type", map[string]any{"body": "<a/>", "headers": map[string]any{"content-type": "text/xml"}}, "POST", "<a/>", "text/xml"},
		{"none", map[string]any{"method": "DELETE"}, "DELETE", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			address, got := serve(t, 200)
			c, _ := moduletest.Call(t)
			tt.props["url"] = address
			_, err := httpcall.Module.Run(t.Context(), c, tt.props)
			require.NoError(t, err)
			require.Equal(t, tt.method, (*got)[0].method)
			require.Equal(t, tt.body, (*got)[0].body)
			require.Equal(t, tt.contenType, (*got)[0].header.Get("Content-Type"))
		})
	}
}

func TestBadPropsAreRefusedAtOnce(t *testing.T) {
	c, _ := moduletest.Call(t)
	_, err := httpcall.Module.Run(t.Context(), c, map[string]any{
		"url": "ftp://host/x", "headers": map[string]any{"a b": "x", "X": "1\r\n2"}, "body": "%", "base64": "true",
		"timeout": 0, "retry": 99,
	})
	require.EqualError(t, err, strings.Join([]string{
		`prop "url" must be an address such as https://example.com/path`,
		`prop "headers.X" must be one line`,
		`prop "headers" has "a b", which is no header name`,
		`prop "body" is not base64; drop "base64" or encode it`,
		`prop "timeout" must be more than 0`,
		`prop "retry" must be 0 to 20, got 99`,
	}, "; "))
	require.Equal(t, fault.Permanent, fault.Of(err))
}

func TestStatusesSayWhetherAnotherTryCanHelp(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		kind   fault.Kind
	}{
		{"not found", 404, fault.Permanent},
		{"timed out", 408, fault.Transient},
		{"too many", 429, fault.Transient},
		{"broken", 500, fault.Transient},
		{"down", 503, fault.Transient},
	} {
		t.Run(tt.name, func(t *testing.T) {
			address, got := serve(t, tt.status)
			c, _ := moduletest.Call(t)
			_, err := httpcall.Module.Run(t.Context(), c, map[string]any{"url": address + "/x?token=hunter2"})
			require.ErrorContains(t, err, "GET "+address+"/x answered ")
			require.ErrorContains(t, err, `{"id":7,"ratio":0.5}`)
			require.NotContains(t, err.Error(), "hunter2")
			require.Equal(t, tt.kind, fault.Of(err))
			require.Len(t, *got, 1)
		})
	}
}

// roundTrip is a client without a network, for tests whose time is not real.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, headers http.Header) *http.Response {
	if headers == nil {
		headers = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: headers, Body: io.NopCloser(strings.NewReader(""))}
}

func TestTriesAreSpacedFurtherAndFurther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r := moduletest.Call(t)
		start := time.Now()
		var at []time.Duration
		c.HTTP = &http.Client{Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
			at = append(at, time.Since(start))
			body, err := io.ReadAll(req.Body)
			require.NoError(t, err)
			require.Equal(t, "hi", string(body), "every try sends the body")
			switch len(at) {
			case 1:
				return nil, errors.New("connection reset")
			case 2:
				return answer(503, http.Header{"Retry-After": {"7"}}), nil
			case 3:
				return answer(429, http.Header{"Retry-After": {time.Now().Add(20 * time.Second).UTC().Format(http.TimeFormat)}}), nil
			}
			return answer(204, nil), nil
		})}
		_, err := httpcall.Module.Run(t.Context(), c, map[string]any{
			"url": "https://example.com/", "body": "hi", "retry": 3, "retry_sleep": 2,
		})
		require.NoError(t, err)
		require.Equal(t, []time.Duration{0, 2 * time.Second, 9 * time.Second, 29 * time.Second}, at)
		require.Contains(t, r.Stderr.String(), "POST https://example.com/: connection reset; trying again in 2s\n")
	})
}

func TestALongRetryAfterHandsTheJobBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := moduletest.Call(t)
		tries := 0
		c.HTTP = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			tries++
			return answer(429, http.Header{"Retry-After": {"600"}}), nil
		})}
		_, err := httpcall.Module.Run(t.Context(), c, map[string]any{"url": "https://example.com/", "retry": 3})
		require.Equal(t, fault.Transient, fault.Of(err))
		require.Equal(t, 10*time.Minute, fault.Delay(err))
		require.Equal(t, 1, tries)
	})
}

func TestATryEndsAtItsTimeoutAndACallAtItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := moduletest.Call(t)
		c.HTTP = &http.Client{Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		})}
		start := time.Now()
		props := map[string]any{"url": "https://example.com/", "timeout": "5s"}
		_, err := httpcall.Module.Run(t.Context(), c, props)
		require.EqualError(t, err, "GET https://example.com/: no answer within 5s")
		require.Equal(t, fault.Transient, fault.Of(err))
		require.Equal(t, 5*time.Second, time.Since(start))

		lost := errors.New("lease lost")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, lost)
		defer cancel()
		props["retry"] = 3
		_, err = httpcall.Module.Run(ctx, c, props)
		require.ErrorIs(t, err, lost)
		require.Equal(t, 6*time.Second, time.Since(start))
	})
}

func TestPrivateAddressesAreRefusedForGood(t *testing.T) {
	address, got := serve(t, 200)
	c, _ := moduletest.Call(t)
	c.HTTP = egress.NewClient(egress.Policy{})
	_, err := httpcall.Module.Run(t.Context(), c, map[string]any{"url": address + "/?token=hunter2", "retry": 5})
	require.EqualError(t, err, "GET "+address+`/: host "127.0.0.1" is a loopback address; the operator can allow it with MILLRACE_ALLOW_HOSTS`)
	require.Equal(t, fault.Permanent, fault.Of(err))
	require.Empty(t, *got)
}

func TestATaskFollowsARedirectAndACallbackDoesNot(t *testing.T) {
	var got []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/there" {
			http.Redirect(w, r, "/there", http.StatusTemporaryRedirect)
			return
		}
		body, _ := io.ReadAll(r.Body)
		got = append(got, string(body))
	}))
	t.Cleanup(s.Close)
	c, _ := moduletest.Call(t)
	_, err := httpcall.Module.Run(t.Context(), c, map[string]any{"url": s.URL, "body": "hi"})
	require.NoError(t, err)
	require.Equal(t, []string{"hi"}, got)
	_, err = httpcall.Callback.Run(t.Context(), c, map[string]any{"url": s.URL, "body": "hi"})
	require.EqualError(t, err, "POST "+s.URL+" answered 307 and points to another address; use the final one")
	require.Equal(t, fault.Permanent, fault.Of(err))
	require.Len(t, got, 1)
}

func TestABodyDoesNotFollowARedirectToAnotherHost(t *testing.T) {
	other, got := serve(t, 200)
	s := httptest.NewServer(http.RedirectHandler(other+"/there", http.StatusTemporaryRedirect))
	t.Cleanup(s.Close)
	c, _ := moduletest.Call(t)
	_, err := httpcall.Module.Run(t.Context(), c, map[string]any{"url": s.URL, "body": "hi", "retry": 3})
	require.ErrorContains(t, err, "is not followed with a body; use the final address")
	require.Equal(t, fault.Permanent, fault.Of(err))
	require.Empty(t, *got)
	_, err = httpcall.Module.Run(t.Context(), c, map[string]any{"url": s.URL})
	require.NoError(t, err, "nothing is sent along")
}

func TestACallbacksTriesShareOneIdempotencyKey(t *testing.T) {
	address, got := serve(t, 500, 502, 200)
	c, _ := moduletest.Call(t)
	_, err := httpcall.Callback.Run(t.Context(), c, map[string]any{"url": address, "retry_sleep": "1ms"})
	require.NoError(t, err)
	require.Len(t, *got, 3)
	first := (*got)[0].header.Get("Idempotency-Key")
	require.Len(t, first, 26)
	require.Equal(t, first, (*got)[2].header.Get("Idempotency-Key"))

	_, err = httpcall.Callback.Run(t.Context(), c, map[string]any{"url": address})
	require.NoError(t, err)
	require.NotEqual(t, first, (*got)[3].header.Get("Idempotency-Key"))

	c.State.Set("callback_id", "job-1/onSuccess/0")
	_, err = httpcall.Callback.Run(t.Context(), c, map[string]any{"url": address})
	require.NoError(t, err)
	require.Equal(t, "job-1/onSuccess/0", (*got)[4].header.Get("Idempotency-Key"))

	_, err = httpcall.Callback.Run(t.Context(), c, map[string]any{"url": address, "headers": map[string]any{"idempotency-key": "mine"}})
	require.NoError(t, err)
	require.Equal(t, []string{"mine"}, (*got)[5].header.Values("Idempotency-Key"))
}

func TestCredentialsAreToldToTheRedactorAndSent(t *testing.T) {
	address, got := serve(t, 200)
	c, r := moduletest.Call(t)
	_, err := httpcall.Module.Run(t.Context(), c, map[string]any{
		"url":     strings.Replace(address, "://", "://user:pa55word@", 1) + "/?api_key=sesame",
		"headers": map[string]any{"X-Auth-Token": "Bearer hunter2", "X-Note": "plain"},
		"debug":   true,
	})
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"Bearer hunter2", "hunter2", "pa55word", "sesame"}, r.Secrets)
	require.Equal(t, "Bearer hunter2", (*got)[0].header.Get("X-Auth-Token"))
	require.Contains(t, r.Stdout.String(), "> GET /?api_key=sesame HTTP/1.1\n")
	require.Contains(t, r.Stdout.String(), "< HTTP/1.1 200 OK\n")
}

func TestALongAnswerIsCutAndAnOddOneIsText(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/long" {
			_ = json.NewEncoder(w).Encode(strings.Repeat("x", 2<<20))
			return
		}
		_, _ = io.WriteString(w, "not \xff JSON")
	}))
	t.Cleanup(s.Close)
	c, _ := moduletest.Call(t)
	out, err := httpcall.Module.Run(t.Context(), c, map[string]any{"url": s.URL + "/long"})
	require.NoError(t, err)
	require.Equal(t, 1<<20, len(out["data"].(string)))
	require.Equal(t, true, out["truncated"])
	out, err = httpcall.Module.Run(t.Context(), c, map[string]any{"url": s.URL})
	require.NoError(t, err)
	require.Equal(t, "not \uFFFD JSON", out["data"])
}
