package curl

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/egress"
	"github.com/millrace/millrace/modules/fault"
)

// A download is one file on its way.
type download struct {
	call    *modules.Call
	client  *http.Client
	options options
	url     *url.URL
	where   string // method and address, for people
	sum     string // that the file must come to; empty is any

	size      int64  // bytes in the file so far
	total     int64  // of the whole file; -1 where the server does not say
	validator string // what names this version of the file; empty where a transfer can't go on after a break

	status      int
	contentType string
	resumed     int
}

// client is the call's, with the redirects that o allows. What a transfer needs to go on is sent to every host; who we are
// is not.
func client(base *http.Client, o options) *http.Client {
	c := *base
	if !o.follow {
		c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		return &c
	}
	c.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if o.maxRedirects >= 0 && len(via) > o.maxRedirects {
			return fault.As(fault.Permanent, fmt.Errorf("stopped after %d redirects (max-redirs)", o.maxRedirects))
		}
		if base.CheckRedirect != nil {
			if err := base.CheckRedirect(req, via); err != nil {
				return err
			}
		}
		for _, name := range []string{"Accept-Encoding", "Range", "If-Range"} {
			if value := via[0].Header.Get(name); value != "" {
				req.Header.Set(name, value)
			}
		}
		return nil
	}
	return &c
}

// fetch fills f, in several tries where it must.
func (d *download) fetch(ctx context.Context, f *os.File) error {
	body, err := d.options.body(d.call)
	if err != nil {
		return err
	}
	tries := fault.Tries{More: d.options.retry, Sleep: d.options.retryDelay, Say: d.call.Stderr}
	return tries.Do(ctx, func(ctx context.Context) error { return d.try(ctx, f, body) })
}

// try makes one request, and goes on where the one before it broke off, if the server still has the same file.
func (d *download) try(ctx context.Context, f *os.File, body string) (err error) {
	try, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	connected := within(d.options.connectTimeout, func() {
		cancel(fmt.Errorf("not connected within %s (connect-timeout)", d.options.connectTimeout))
	})
	defer connected()
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected() }}
	req, err := d.build(httptrace.WithClientTrace(try, trace), body)
	if err != nil {
		return fault.As(fault.Permanent, err)
	}
	d.print("> %s %s", req.Method, egress.Place(req.URL))
	res, err := d.client.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", d.where, egress.Cause(ctx, try, err))
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	d.print("< %s", res.Status)
	if err := d.judge(res); err != nil {
		return err
	}
	if err := d.prepare(f, res); err != nil {
		return err
	}
	if err := d.receive(ctx, try, cancel, f, res); err != nil {
		return err
	}
	if err := d.verify(ctx, f, res.Header); err != nil {
		d.validator = "" // what is there can't be built upon
		return err
	}
	return nil
}

// within calls late after d, unless the function that it returns is called before. 0 is never.
func within(d time.Duration, late func()) (stop func()) {
	if d == 0 {
		return func() {}
	}
	timer := time.AfterFunc(d, late)
	return func() { timer.Stop() }
}

func (d *download) print(format string, args ...any) {
	if d.options.verbose {
		_, _ = fmt.Fprintf(d.call.Stderr, format+"\n", args...)
	}
}

func (d *download) build(ctx context.Context, body string) (*http.Request, error) {
	o := d.options
	u := *d.url
	if o.get && body != "" {
		u.RawQuery = strings.TrimPrefix(u.RawQuery+"&"+body, "&")
	}
	req, err := http.NewRequestWithContext(ctx, o.request(), u.String(), nil)
	if err == nil && len(o.data) > 0 && !o.get {
		req, err = http.NewRequestWithContext(ctx, o.request(), u.String(), strings.NewReader(body))
	}
	if err != nil {
		return nil, errors.New("the address and options make no request")
	}
	req.Header.Set("User-Agent", "millrace")
	req.Header.Set("Accept-Encoding", "identity") // or the client would unpack it, and hide its length
	if o.compressed {
		req.Header.Set("Accept-Encoding", "gzip")
	}
	if req.Body != nil {
		req.Header.Set("Content-Type", o.dataType)
	}
	for name, values := range o.header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	req.Host = o.host
	if o.user != "" {
		req.SetBasicAuth(o.user, o.password)
	}
	switch {
	case o.span != "":
		req.Header.Set("Range", "bytes="+o.span)
	case d.size > 0 && d.validator != "":
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", d.size))
		req.Header.Set("If-Range", d.validator)
	}
	return req, nil
}

// judge makes an error of an answer that is no success.
func (d *download) judge(res *http.Response) error {
	d.status, d.contentType = res.StatusCode, res.Header.Get("Content-Type")
	switch {
	case res.StatusCode == http.StatusRequestedRangeNotSatisfiable && d.options.span == "" && d.validator != "":
		d.validator = ""
		return fault.As(fault.Transient, fmt.Errorf("%s: the file has changed since the transfer broke off", d.where))
	case res.StatusCode == http.StatusPartialContent && res.Request.Header.Get("Range") == "":
		return fault.As(fault.Permanent, fmt.Errorf("%s answered 206, a part of the file, though all of it was asked for; tell whoever runs the server, or a cache before it", d.where))
	case res.StatusCode < 300 && (d.options.span == "" || res.StatusCode == http.StatusPartialContent || d.options.headers()):
		return nil
	case res.StatusCode < 300:
		return fault.As(fault.Permanent, fmt.Errorf("%s answered %d, the whole file: the server has no ranges; drop range", d.where, res.StatusCode))
	case res.StatusCode < 400 && res.Header.Get("Location") != "" && !d.options.follow:
		return fault.As(fault.Permanent, fmt.Errorf("%s answered %d and points to another address; set location, or use that address", d.where, res.StatusCode))
	}
	err := fmt.Errorf("%s answered %d %s", d.where, res.StatusCode, http.StatusText(res.StatusCode))
	if egress.Passes(res.StatusCode) {
		return fault.After(egress.RetryAfter(res), err)
	}
	return fault.As(fault.Permanent, err)
}

// prepare makes f ready for what res brings: its rest, or the whole file from the start.
func (d *download) prepare(f *os.File, res *http.Response) error {
	from := int64(0)
	if d.validator != "" && d.size > 0 && res.StatusCode == http.StatusPartialContent {
		if err := d.continues(res); err != nil {
			d.validator = ""
			return fault.As(fault.Transient, err)
		}
		from = d.size
		d.resumed++
	} else {
		d.total = res.ContentLength
		d.validator = d.validates(res)
	}
	d.size = from
	if limit := d.options.maxSize; !d.options.headers() && res.ContentLength > limit-from {
		return d.tooLarge(res.ContentLength + from)
	}
	if err := f.Truncate(from); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// continues holds a part against what was asked for: the rest of the same file, all of it.
func (d *download) continues(res *http.Response) error {
	if res.Header.Get("ETag") != d.validator {
		return fmt.Errorf("%s: the file has changed since the transfer broke off", d.where)
	}
	if want := fmt.Sprintf("bytes %d-%d/%d", d.size, d.total-1, d.total); res.Header.Get("Content-Range") != want {
		return fmt.Errorf("%s: the server sent another range than was asked for", d.where)
	}
	return nil
}

// validates is what names this version of a file to a server that can send a part of it: its ETag, unless that is a weak
// one, which may stand for other bytes. A date has too coarse a grain.
func (d *download) validates(res *http.Response) string {
	tag := res.Header.Get("ETag")
	if res.StatusCode != http.StatusOK || d.options.span != "" || d.options.request() != http.MethodGet || len(d.options.data) > 0 || res.ContentLength < 0 ||
		!strings.HasPrefix(tag, `"`) || !strings.EqualFold(res.Header.Get("Accept-Ranges"), "bytes") || res.Header.Get("Content-Encoding") != "" {
		return ""
	}
	return tag
}

func (d *download) tooLarge(size int64) error {
	return fault.As(fault.Permanent, fmt.Errorf("%s: the file is at least %d bytes, and %d are the limit; raise max-filesize", d.where, size, d.options.maxSize))
}

// receive copies the body, and gives it up when it stalls, or grows beyond the limit.
func (d *download) receive(job, try context.Context, cancel context.CancelCauseFunc, f *os.File, res *http.Response) error {
	body, release := watch(res.Body, d.options, cancel)
	defer release()
	var from io.Reader = body
	if d.options.headers() {
		var text strings.Builder
		fmt.Fprintf(&text, "%s %s\r\n", res.Proto, res.Status)
		if err := res.Header.Write(&text); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		from = strings.NewReader(text.String())
	}
	if d.options.compressed && res.Header.Get("Content-Encoding") == "gzip" && !d.options.headers() {
		unpacked, err := gzip.NewReader(body)
		if err != nil {
			return fmt.Errorf("%s: unpack: %w", d.where, egress.Cause(job, try, err))
		}
		from = unpacked
	}
	n, err := io.Copy(to{f}, io.LimitReader(from, d.options.maxSize-d.size+1))
	d.size += n
	if we, ok := errors.AsType[*writeError](err); ok {
		return fmt.Errorf("write: %w", we.error)
	}
	if d.size > d.options.maxSize {
		return d.tooLarge(d.size)
	}
	if err != nil {
		return fmt.Errorf("%s: after %d bytes: %w", d.where, d.size, egress.Cause(job, try, err))
	}
	if d.validator != "" && d.size != d.total {
		d.validator = ""
		return fault.As(fault.Transient, fmt.Errorf("%s: the server sent %d bytes of a file of %d", d.where, d.size, d.total))
	}
	return nil
}

// to tells the file's errors from the network's.
type to struct{ f *os.File }

type writeError struct{ error }

func (t to) Write(p []byte) (int, error) {
	n, err := t.f.Write(p)
	if err != nil {
		return n, &writeError{err}
	}
	return n, nil
}
