package httpcall

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"strings"
	"time"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/egress"
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
	where := req.Method + " " + egress.Place(req.URL)
	if err := dump(c.Stdout, r.Debug, "> ", func() ([]byte, error) { return httputil.DumpRequestOut(req, true) }); err != nil {
		return Output{}, err
	}
	res, err := client.Do(req)
	if err != nil {
		return Output{}, fmt.Errorf("%s: %w", where, egress.Cause(ctx, limited, err))
	}
	out, err := read(res)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return Output{}, fmt.Errorf("%s: read answer: %w", where, egress.Cause(ctx, limited, err))
	}
	if err := dump(c.Stdout, r.Debug, "< ", func() ([]byte, error) { return httputil.DumpResponse(res, false) }); err != nil {
		return Output{}, err
	}
	return out, judge(where, res, out)
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
	if egress.Passes(out.Status) {
		return fault.After(egress.RetryAfter(res), err)
	}
	return fault.As(fault.Permanent, err)
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
