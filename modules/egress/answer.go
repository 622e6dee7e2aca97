package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/millrace/millrace/modules/fault"
)

// Cause says why a request brought no answer, or not all of it: because the job was stopped, because its try was, because
// of what the client says for good (a private address), or because of something that may pass. Addresses are taken out of
// the client's own text.
func Cause(job, try context.Context, err error) error {
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
	return fault.As(fault.Transient, unanswered(err))
}

// unanswered makes a sentence of what Go says where nobody was reached. Its text of DNS has the resolver's address.
func unanswered(err error) error {
	if de, ok := errors.AsType[*net.DNSError](err); ok {
		why := "DNS did not say where it is"
		if de.IsNotFound {
			why = "no such host"
		}
		return fmt.Errorf("host %q: %s; check its name and this machine's DNS", de.Name, why)
	}
	oe, ok := errors.AsType[*net.OpError](err)
	if !ok || oe.Op != "dial" || oe.Addr == nil {
		return err
	}
	why := oe.Err
	for inner := why; inner != nil; inner = errors.Unwrap(inner) {
		why = inner
	}
	return fmt.Errorf("no answer from %s: %w; check the address and the network's rules", oe.Addr, why)
}

// Place names an address without what may be secret in it: user, query and fragment.
func Place(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// RetryAfter is how long an answer asks to wait, in seconds or by a date; 0 where it does not say.
func RetryAfter(res *http.Response) time.Duration {
	header := res.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// Passes says whether a status may be another on a second try: 408, 429 and 5xx.
func Passes(status int) bool {
	return status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status >= http.StatusInternalServerError
}
