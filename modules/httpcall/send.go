package httpcall

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/show"
)

// policy is how often to try and how long.
type policy struct {
	timeout time.Duration // of one try
	retry   int           // tries after the first
	sleep   time.Duration // before the second
}

func (p policy) problems() []modules.Problem {
	var problems []modules.Problem
	if p.timeout == 0 {
		problems = append(problems, modules.Problem{Path: "timeout", Msg: `prop "timeout" must be more than 0`})
	}
	if p.retry < 0 || p.retry > maxRetry {
		problems = append(problems, modules.Problem{Path: "retry", Msg: fmt.Sprintf(`prop "retry" must be 0 to %d, got %d`, maxRetry, p.retry)})
	}
	return problems
}

// send tries until an answer is good, an error can't pass, or p.retry tries have followed the first.
func send(ctx context.Context, c *modules.Call, client *http.Client, r Request, p policy) (Output, error) {
	if c.Secret != nil {
		r.tellSecrets(c.Secret)
	}
	var out Output
	err := fault.Tries{More: p.retry, Sleep: p.sleep, Say: c.Stderr}.Do(ctx, func(ctx context.Context) (err error) {
		out, err = once(ctx, c, client, r, p.timeout)
		return err
	})
	return out, err
}

// once makes one try. Its errors say whether another can help.
func once(ctx context.Context, c *modules.Call, client *http.Client, r Request, timeout time.Duration) (Output, error) {
	late := fmt.Errorf("no answer within %s", timeout)
	limited, cancel := context.WithTimeoutCause(ctx, timeout, late)
	defer cancel()
	req, err := r.build(limited)
	if err != nil {
		return Output{}, fault.As(fault.Permanent, err)
	}
	where := req.Method + " " + place(req.URL)
	if err := dump(c.Stdout, r.Debug, "> ", func() ([]byte, error) { return httputil.DumpRequestOut(req, true) }); err != nil {
		return Output{}, err
	}
	res, err := client.Do(req)
	if err != nil {
		return Output{}, fmt.Errorf("%s: %w", where, cause(ctx, limited, err))
	}
	out, err := read(res)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return Output{}, fmt.Errorf("%s: read answer: %w", where, cause(ctx, limited, err))
	}
	if err := dump(c.Stdout, r.Debug, "< ", func() ([]byte, error) { return httputil.DumpResponse(res, false) }); err != nil {
		return Output{}, err
	}
	return out, judge(where, res, out)
}

// cause says why a try brought no answer: because the job was stopped, because of what the client says for good
// (a private address), or because of something that may pass. Addresses are taken out of the client's own text.
func cause(job, try context.Context, err error) error {
	if job.Err() != nil {
		return context.Cause(job)
	}
	if try.Err() != nil {
		return fault.As(fault.Transient, context.Cause(try))
	}
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	if fe, ok := errors.AsType[*fault.Error](err); ok {
		return fe
	}
	return fault.As(fault.Transient, err)
}

// judge makes an error of an answer that is none: 408, 429 and 5xx may pass, other 4xx and unfollowed redirects not.
func judge(where string, res *http.Response, out Output) error {
	location := res.Header.Get("Location")
	if out.Status < 300 || out.Status < 400 && location == "" {
		return nil
	}
	if out.Status < 400 {
		return fault.As(fault.Permanent, fmt.Errorf("%s answered %d and points to another address; use the final one", where, out.Status))
	}
	err := fmt.Errorf("%s answered %d %s", where, out.Status, out.StatusText)
	if text, terr := show.Text(out.Data, show.Raw); terr == nil && strings.TrimSpace(text) != "" {
		err = fmt.Errorf("%w: %s", err, firstLine(text))
	}
	switch {
	case out.Status == http.StatusRequestTimeout, out.Status == http.StatusTooManyRequests, out.Status >= 500:
		return fault.After(retryAfter(res.Header.Get("Retry-After")), err)
	}
	return fault.As(fault.Permanent, err)
}

// retryAfter reads seconds or a date; 0 for anything else.
func retryAfter(header string) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// dump prints one half of an exchange, each line marked, where debug asks for it.
func dump(w io.Writer, debug bool, mark string, half func() ([]byte, error)) error {
	if !debug {
		return nil
	}
	text, err := half()
	if err != nil {
		return fmt.Errorf("print exchange: %w", err)
	}
	for line := range strings.Lines(clip(string(text), maxShown)) {
		if _, err := fmt.Fprintf(w, "%s%s\n", mark, strings.TrimRight(line, "\r\n")); err != nil {
			return fmt.Errorf("print exchange: %w", err)
		}
	}
	return nil
}
