package curl_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/curl"
	"github.com/millrace/millrace/modules/egress"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/moduletest"
)

func TestConformance(t *testing.T) { moduletest.Conform(t, curl.Module) }

func serve(t *testing.T, h http.HandlerFunc) (address string) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func file(t *testing.T, c *modules.Call, name string) []byte {
	t.Helper()
	f, err := c.Workspace.Open(name)
	require.NoError(t, err)
	defer f.Close()
	b, err := io.ReadAll(f)
	require.NoError(t, err)
	return b
}

// gone fails t where a file of the name is there, or anything else in the workspace.
func gone(t *testing.T, c *modules.Call) {
	t.Helper()
	f, err := c.Workspace.Open(".")
	require.NoError(t, err)
	defer f.Close()
	names, err := f.Readdirnames(-1)
	require.NoError(t, err)
	require.Empty(t, names)
}

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b)
	return b
}

func TestAFileIsFetchedWholeAndDescribed(t *testing.T) {
	want := noise(1 << 20)
	var got http.Header
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		sum := sha256.Sum256(want)
		w.Header().Set("Content-Type", "model/stl")
		w.Header().Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":")
		_, _ = w.Write(want)
	})
	c, r := moduletest.Call(t)
	out, err := curl.Module.Run(t.Context(), c, map[string]any{
		"src": address + "/gear.stl?X-Amz-Signature=sesame", "dst": "in/gear.stl", "checksum": fmt.Sprintf("sha256:%x", sha256.Sum256(want)),
		"config": map[string]any{
			"L": true, "silent": true, "A": "tester", "e": "https://example.com/from?token=s3same", "max-filesize": 0, "H": []any{"X-Auth-Token: Bearer hunter2", "X-Note: plain"},
			"b": "session=cookie-secret", "user": "me:pa55word", "verbose": true,
		},
	})
	require.NoError(t, err)
	require.Equal(t, want, file(t, c, "in/gear.stl"))
	require.Equal(t, "tester", got.Get("User-Agent"))
	require.Equal(t, "https://example.com/from?token=s3same", got.Get("Referer"))
	require.Equal(t, "Bearer hunter2", got.Get("X-Auth-Token"))
	require.Equal(t, "Basic bWU6cGE1NXdvcmQ=", got.Get("Authorization"))
	delete(out, "stats")
	require.Equal(t, map[string]any{
		"src": address + "/gear.stl", "dest": "in/gear.stl", "size": "1048576", "status": int64(200), "contentType": "model/stl", "resumed": int64(0),
		"config": map[string]any{"L": true, "silent": true, "A": "tester", "e": "https://example.com/from", "max-filesize": int64(0), "verbose": true},
	}, out)
	require.Subset(t, r.Secrets, []string{"Bearer hunter2", "hunter2", "cookie-secret", "pa55word", "sesame", "s3same"})
	require.Equal(t, "> GET "+address+"/gear.stl\n< 200 OK\n", r.Stderr.String())
}

func TestARequestIsMadeAsCurlMakesIt(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config map[string]any
		want   string
	}{
		{"data is a form", map[string]any{"d": []any{"a=1", "b=2"}}, "POST / application/x-www-form-urlencoded a=1&b=2"},
		{"of a file, without its line breaks", map[string]any{"data": "@body.txt"}, "POST / application/x-www-form-urlencoded twolines"},
		{"or with them", map[string]any{"data-binary": "@body.txt"}, "POST / application/x-www-form-urlencoded two\nlines\n"},
		{"raw data knows no files", map[string]any{"data-raw": "@body.txt"}, "POST / application/x-www-form-urlencoded @body.txt"},
		{"get puts it into the address", map[string]any{"G": true, "data-urlencode": "q=a b"}, "GET /?q=a+b  "},
		{"JSON", map[string]any{"json": map[string]any{"a": []any{int64(1)}}, "X": "PUT"}, `PUT / application/json {"a":[1]}`},
		{"a method of one's own", map[string]any{"--request": "DELETE"}, "DELETE /  "},
		{"what is false is not there", map[string]any{"insecure": false, "head": nil}, "GET /  "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			address := serve(t, func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				fmt.Fprintf(w, "%s %s %s %s", r.Method, r.URL.RequestURI(), r.Header.Get("Content-Type"), body)
			})
			c, _ := moduletest.Call(t)
			f, err := c.Workspace.Create("body.txt")
			require.NoError(t, err)
			_, err = io.WriteString(f, "two\nlines\n")
			require.NoError(t, errors.Join(err, f.Close()))
			_, err = curl.Module.Run(t.Context(), c, map[string]any{"src": address, "dest": "out", "config": tt.config})
			require.NoError(t, err)
			require.Equal(t, tt.want, string(file(t, c, "out")))
		})
	}
}

func TestOptionsThatAreNotForAWorkerAreRefusedByName(t *testing.T) {
	for option, want := range map[string]string{
		"insecure":    `prop "config.insecure" is not supported; certificates are always checked`,
		"k":           `prop "config.k" is not supported; certificates are always checked`,
		"--proxy":     "how the network is reached is for the operator to say",
		"form":        "with the S3 module",
		"O":           "dest says what the file is called",
		"loaction":    `prop "config.loaction" is unknown, did you mean "location"?`,
		"parallel":    `prop "config.parallel" is not supported; known are`,
		"location":    `prop "config.location" must be true or false`,
		"retry":       `prop "config.retry" must be 0 to 20`,
		"max-time":    `prop "config.max-time" must be a number of seconds`,
		"header":      `prop "config.header" must be headers such as`,
		"user":        `prop "config.user" must be user:password`,
		"cookie":      "files of cookies are not read here",
		"range":       `prop "config.range" must be bytes such as 0-99`,
		"request":     `prop "config.request" must be a method`,
		"speed-limit": "must be a number of bytes",
	} {
		c, _ := moduletest.Call(t)
		_, err := curl.Module.Run(t.Context(), c, map[string]any{"src": "https://example.com/", "dest": "out", "config": map[string]any{option: "x y"}})
		require.ErrorContains(t, err, want, option)
		require.Equal(t, fault.Permanent, fault.Of(err))
	}
	for _, props := range []map[string]any{
		{"src": "ftp://example.com/x", "dest": "x"},
		{"src": "https://example.com"},
		{"src": "https://example.com", "dest": "x", "checksum": "sha256:12"},
		{"src": "https://example.com", "dest": "x", "config": map[string]any{"L": true, "location": true}},
	} {
		c, _ := moduletest.Call(t)
		_, err := curl.Module.Run(t.Context(), c, props)
		require.ErrorContains(t, err, "prop ")
		require.Equal(t, fault.Permanent, fault.Of(err))
	}
}

func TestAnAnswerThatIsNoFileIsNeverSaved(t *testing.T) {
	for _, tt := range []struct {
		status int
		config map[string]any
		want   string
		kind   fault.Kind
	}{
		{404, nil, "answered 404 Not Found", fault.Permanent},
		{302, nil, "points to another address; set location", fault.Permanent},
		{503, map[string]any{"retry": 0}, "answered 503 Service Unavailable", fault.Transient},
		{200, map[string]any{"range": "0-3"}, "the server has no ranges; drop range", fault.Permanent},
		{200, map[string]any{"max-filesize": "1k"}, "raise max-filesize", fault.Permanent},
	} {
		address := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if tt.status == 302 {
				w.Header().Set("Location", "/there")
			}
			w.WriteHeader(tt.status)
			_, _ = io.WriteString(w, strings.Repeat("<p>not a model</p>", 500))
		})
		c, _ := moduletest.Call(t)
		_, err := curl.Module.Run(t.Context(), c, map[string]any{"src": address + "/gear.glb", "dest": "gear.glb", "config": tt.config})
		require.ErrorContains(t, err, tt.want)
		require.Equal(t, tt.kind, fault.Of(err))
		gone(t, c)
	}
}

// breaks serves content, and cuts the connection after so many bytes of each of the first answers.
func breaks(t *testing.T, content []byte, header map[string]string, cuts ...int) (address string, ranges *[]string) {
	t.Helper()
	ranges = &[]string{}
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		*ranges = append(*ranges, r.Header.Get("Range"))
		for name, value := range header {
			w.Header().Set(name, value)
		}
		n := len(*ranges) - 1
		if n >= len(cuts) {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
			return
		}
		http.ServeContent(cutting{w, &cuts[n]}, r, "", time.Time{}, bytes.NewReader(content))
	}), ranges
}

// cutting is a response whose connection is reset when left bytes have been sent.
type cutting struct {
	http.ResponseWriter
	left *int
}

func (c cutting) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p[:min(len(p), *c.left)])
	if *c.left -= n; *c.left > 0 || err != nil {
		return n, err
	}
	conn, _, err := http.NewResponseController(c.ResponseWriter).Hijack()
	if err != nil {
		return n, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		err = tcp.CloseWrite()
	}
	return n, errors.Join(err, conn.Close(), io.ErrClosedPipe)
}

func TestATransferThatBreaksOffGoesOn(t *testing.T) {
	want := noise(3 << 20)
	for _, tt := range []struct {
		name    string
		header  map[string]string
		resumed int64
	}{
		{"from where it was, of a file that the server names", map[string]string{"ETag": `"v1"`}, 2},
		{"from the start where the name is a weak one", map[string]string{"ETag": `W/"v1"`}, 0},
		{"from the start where there is none", nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			address, ranges := breaks(t, want, tt.header, 1<<20, 1<<20)
			c, r := moduletest.Call(t)
			out, err := curl.Module.Run(t.Context(), c, map[string]any{"src": address, "dest": "out", "config": map[string]any{"retry-delay": 0.01}})
			require.NoError(t, err)
			require.Equal(t, tt.resumed, out["resumed"])
			require.True(t, bytes.Equal(want, file(t, c, "out")), "the file is byte by byte what the server has")
			require.Len(t, *ranges, 3)
			require.Equal(t, tt.resumed > 0, (*ranges)[1] != "")
			require.Equal(t, 2, strings.Count(r.Stderr.String(), "trying again"))
		})
	}
}

func TestAFileThatChangesInTheMiddleIsFetchedAnew(t *testing.T) {
	first, second := noise(2<<20), bytes.Repeat([]byte("new"), 1<<19)
	calls := 0
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if calls++; calls == 1 {
			w.Header().Set("ETag", `"v1"`)
			left := 1 << 20
			http.ServeContent(cutting{w, &left}, r, "", time.Time{}, bytes.NewReader(first))
			return
		}
		w.Header().Set("ETag", `"v2"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(second))
	})
	c, _ := moduletest.Call(t)
	_, err := curl.Module.Run(t.Context(), c, map[string]any{"src": address, "dest": "out", "config": map[string]any{"retry-delay": 0.01}})
	require.NoError(t, err)
	require.True(t, bytes.Equal(second, file(t, c, "out")))
}

func TestAFileThatArrivesCutOrChangedIsAnError(t *testing.T) {
	sum := md5.Sum([]byte("whole"))
	for _, tt := range []struct {
		name, checksum, want string
		kind                 fault.Kind
		serve                http.HandlerFunc
	}{
		{"cut", "", "after 4 bytes: unexpected EOF", fault.Transient, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5")
			_, _ = io.WriteString(w, "whol")
		}},
		{"another than the server says", "", "the file arrived changed", fault.Transient, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-MD5", base64.StdEncoding.EncodeToString(sum[:]))
			_, _ = io.WriteString(w, "while")
		}},
		{"another than the pipeline says", fmt.Sprintf("md5:%x", sum), "the file is another than checksum says", fault.Permanent, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "while")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := moduletest.Call(t)
			props := map[string]any{"src": serve(t, tt.serve), "dest": "out", "config": map[string]any{"retry": 1, "retry-delay": 0.01}}
			if tt.checksum != "" {
				props["checksum"] = tt.checksum
			}
			_, err := curl.Module.Run(t.Context(), c, props)
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, tt.kind, fault.Of(err))
			gone(t, c)
		})
	}
}

func TestCompressedIsUnpackedWithinTheLimit(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "gzip" {
			_, _ = io.WriteString(w, "plain")
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write(bytes.Repeat([]byte("x"), 1<<20))
		_ = z.Close()
	})
	c, _ := moduletest.Call(t)
	out, err := curl.Module.Run(t.Context(), c, map[string]any{"src": address, "dest": "out"})
	require.NoError(t, err)
	require.Equal(t, "5", out["size"])
	out, err = curl.Module.Run(t.Context(), c, map[string]any{"src": address, "dest": "out", "config": map[string]any{"compressed": true}})
	require.NoError(t, err)
	require.Equal(t, "1048576", out["size"])
	_, err = curl.Module.Run(t.Context(), c, map[string]any{"src": address, "dest": "out", "config": map[string]any{"compressed": true, "max-filesize": "100k"}})
	require.ErrorContains(t, err, "raise max-filesize")
}

func TestARedirectIsJudgedAndGetsNoCredentials(t *testing.T) {
	var got http.Header
	other := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		_, _ = io.WriteString(w, "there")
	})
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other+"/model", http.StatusFound)
	})
	props := map[string]any{"src": address + "/?token=sesame", "dest": "out", "config": map[string]any{
		"location": true, "user": "me:pa55word", "cookie": "a=1", "header": "X-Api-Key: hunter2",
	}}
	c, _ := moduletest.Call(t)
	_, err := curl.Module.Run(t.Context(), c, props)
	require.NoError(t, err)
	require.Equal(t, "there", string(file(t, c, "out")))
	require.Equal(t, http.Header{"User-Agent": {"millrace"}, "Accept-Encoding": {"identity"}}, got)

	c, _ = moduletest.Call(t)
	c.HTTP = egress.NewClient(egress.Policy{AllowHosts: []string{strings.TrimPrefix(address, "http://")}})
	_, err = curl.Module.Run(t.Context(), c, props)
	require.ErrorContains(t, err, `host "127.0.0.1" is a loopback address`)
	require.NotContains(t, err.Error(), "sesame")
	require.Equal(t, fault.Permanent, fault.Of(err))
	gone(t, c)
}

func TestATransferThatHardlyMovesIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := moduletest.Call(t)
		c.HTTP = &http.Client{Transport: trickle{}}
		start := time.Now()
		props := map[string]any{"src": "https://example.com/", "dest": "out", "config": map[string]any{"speed-limit": 10, "speed-time": 20, "retry": 0}}
		_, err := curl.Module.Run(t.Context(), c, props)
		require.ErrorContains(t, err, "bytes came in 20s, less than 10 a second (speed-limit)")
		require.Equal(t, fault.Transient, fault.Of(err))
		require.Equal(t, 20*time.Second, time.Since(start).Truncate(time.Second))

		props["config"] = map[string]any{"max-time": 90, "speed-limit": 1, "retry": 0}
		_, err = curl.Module.Run(t.Context(), c, props)
		require.ErrorContains(t, err, "not done within 1m30s (max-time)")

		lost := errors.New("lease lost")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Second, lost)
		defer cancel()
		_, err = curl.Module.Run(ctx, c, props)
		require.ErrorIs(t, err, lost)
		gone(t, c)
	})
}

// trickle brings five bytes a second without end.
type trickle struct{}

func (trickle) RoundTrip(r *http.Request) (*http.Response, error) {
	body := &drops{done: r.Context().Done()}
	return &http.Response{Status: "200 OK", StatusCode: 200, Header: http.Header{}, Body: body, ContentLength: -1, Request: r}, nil
}

type drops struct{ done <-chan struct{} }

func (d *drops) Read(p []byte) (int, error) {
	select {
	case <-time.After(time.Second):
		return copy(p, "drops"), nil
	case <-d.done:
		return 0, context.Canceled
	}
}

func (d *drops) Close() error { return nil }

// The first answer breaks off in the middle; what comes for the rest is not it.
func TestAPartThatIsNotTheRestOfTheFileIsNeverJoinedToIt(t *testing.T) {
	for _, tt := range []struct {
		name, etag, span, body string
	}{
		{"a shorter one", `"v1"`, "bytes 5-7/10", "567"},
		{"an earlier one", `"v1"`, "bytes 4-9/10", "456789"},
		{"of another version", `"v2"`, "bytes 5-9/10", "56789"},
		{"of a version without a name", "", "bytes 5-9/10", "56789"},
		{"shorter than it says", `"v1"`, "bytes 5-9/10", "567"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var asked []string
			address := serve(t, func(w http.ResponseWriter, r *http.Request) {
				asked = append(asked, r.Header.Get("Range"))
				w.Header().Set("ETag", `"v1"`)
				w.Header().Set("Accept-Ranges", "bytes")
				switch len(asked) {
				case 1:
					w.Header().Set("Content-Length", "10")
					_, _ = io.WriteString(w, "01234")
					_ = http.NewResponseController(w).Flush()
					panic(http.ErrAbortHandler)
				case 2:
					w.Header().Set("ETag", tt.etag)
					w.Header().Set("Content-Range", tt.span)
					w.WriteHeader(http.StatusPartialContent)
					_, _ = io.WriteString(w, tt.body)
				default:
					_, _ = io.WriteString(w, "0123456789")
				}
			})
			c, _ := moduletest.Call(t)
			_, err := curl.Module.Run(t.Context(), c, map[string]any{"src": address, "dest": "out", "config": map[string]any{"retry-delay": 0.01}})
			require.NoError(t, err)
			require.Equal(t, "0123456789", string(file(t, c, "out")))
			require.Equal(t, []string{"", "bytes=5-", ""}, asked)
		})
	}
}

func TestAPartThatNobodyAskedForIsNoFile(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Range", "bytes 0-4/10")
		w.WriteHeader(http.StatusPartialContent)
		_, _ = io.WriteString(w, "01234")
	})
	c, _ := moduletest.Call(t)
	_, err := curl.Module.Run(t.Context(), c, map[string]any{"src": address, "dest": "out"})
	require.ErrorContains(t, err, "answered 206, a part of the file, though all of it was asked for")
	gone(t, c)
}

func TestWhatAPostDoesIsAskedForOnce(t *testing.T) {
	orders := 0
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		orders++
		w.WriteHeader(http.StatusInternalServerError)
	})
	c, _ := moduletest.Call(t)
	config := map[string]any{"data": "order=1", "retry-delay": 0.01}
	_, err := curl.Module.Run(t.Context(), c, map[string]any{"src": address, "dest": "out", "config": config})
	require.ErrorContains(t, err, "answered 500")
	require.Equal(t, 1, orders)
	config["retry"] = 2
	_, err = curl.Module.Run(t.Context(), c, map[string]any{"src": address, "dest": "out", "config": config})
	require.ErrorContains(t, err, "answered 500")
	require.Equal(t, 1+3, orders)
}

func TestAHostThatIsNotThereIsASentence(t *testing.T) {
	c, _ := moduletest.Call(t)
	_, err := curl.Module.Run(t.Context(), c, map[string]any{"src": "http://nosuch.invalid/x", "dest": "out", "config": map[string]any{"retry": 0}})
	require.ErrorContains(t, err, `GET http://nosuch.invalid/x: host "nosuch.invalid": `)
	require.ErrorContains(t, err, "; check its name and this machine's DNS")
}

func TestHeadersAloneCanBeAskedFor(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Size", "7") })
	c, _ := moduletest.Call(t)
	_, err := curl.Module.Run(t.Context(), c, map[string]any{"src": address, "config": map[string]any{"I": true, "o": "headers.txt"}})
	require.NoError(t, err)
	require.Contains(t, string(file(t, c, "headers.txt")), "HTTP/1.1 200 OK\r\n")
	require.Contains(t, string(file(t, c, "headers.txt")), "X-Size: 7\r\n")
}

func TestAPartOfAFileCanBeAskedFor(t *testing.T) {
	address, _ := breaks(t, []byte("0123456789"), nil)
	c, _ := moduletest.Call(t)
	out, err := curl.Module.Run(t.Context(), c, map[string]any{"src": address, "dest": "part", "config": map[string]any{"r": "2-4"}})
	require.NoError(t, err)
	require.Equal(t, int64(206), out["status"])
	require.Equal(t, "234", string(file(t, c, "part")))
}
