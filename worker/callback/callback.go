// Package callback tells whoever sent a job how it ended, by Standard Webhooks 1.0.0.
//
// It knows nothing of queues: it signs and sends one body, a few times within half a minute, and says whether the
// receiver has it. When to try again after that, and that it must be tried again, is the worker's to remember.
package callback

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	webhook "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/millrace/millrace/modules/document"
	"github.com/millrace/millrace/modules/fault"
)

const (
	maxTries   = 3
	budget     = 30 * time.Second // for all tries and the pauses between them
	tryTimeout = 15 * time.Second // for one try, the answer's body included
	// maxAnswer is how much of an answer's body is read, so that the connection can be used again. Nobody looks at it.
	maxAnswer = 64 << 10
	maxURL    = 8 << 10 // bytes
)

// ErrGone says that the receiver wants no callbacks any more (410 Gone): don't try again, ever.
var ErrGone = errors.New("the receiver answered 410 Gone: it wants no callbacks any more")

// A Sender sends callbacks. Its fields are not changed once it is used; Send may be called from several goroutines.
type Sender struct {
	Client *http.Client // decides which addresses may be reached; its timeout and redirect policy are not used
	// Secrets sign, each on its own, so that a receiver that knows any one of them is content: to rotate, add the new
	// one, let the receivers follow, remove the old one. CheckSecret has found each to be good.
	Secrets  []string
	Template *document.Template // makes the bodies; nil is the standard body
	Log      *slog.Logger

	// Tried, when set, hears of every try: the HTTP status of the answer, 0 where there was none. Delivered hears how long after
	// the end of its job a callback got through, and GivenUp of one that is not sent any more.
	Tried     func(status int)
	Delivered func(after time.Duration)
	GivenUp   func()
}

// A Delivery is one callback.
type Delivery struct {
	ID   string // the same however often it is sent: see ID
	URL  string // http or https
	Body []byte // the same however often it is sent: the signature covers it
	Type string // the body's media type; empty is JSON's
	Most int    // how often it is tried at most; 0 is 3
}

// A Receipt is how sending went.
type Receipt struct {
	Tries  int
	Status int // HTTP status of the last answer; 0 when there was none
}

// Send delivers d, in at most d.Most tries and 30 seconds. Only a 2xx answer is delivered: a redirect is a failure and is
// not followed. A Retry-After is honoured; where it leads beyond the 30 seconds Send gives up at once and the error
// asks for that delay (fault.Delay). The error is permanent when no further try can help, which ErrGone and an address
// that the client refuses are; else it is transient. Errors name the receiver's host, never the rest of its URL, which
// may hold a secret.
func (s *Sender) Send(ctx context.Context, d Delivery) (Receipt, error) {
	host, err := s.check(d)
	if err != nil {
		return Receipt{}, fault.As(fault.Permanent, err)
	}
	deadline := time.Now().Add(budget)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	var r Receipt
	for pauses := []time.Duration{time.Second, 5 * time.Second}; ; pauses = pauses[1:] {
		r.Tries++
		var after time.Duration
		r.Status, after, err = s.try(ctx, d)
		if s.Tried != nil {
			s.Tried(r.Status)
		}
		if err == nil {
			return r, nil
		}
		err = fmt.Errorf("call back %s: %w", host, err)
		if fault.Of(err) == fault.Permanent {
			return r, err
		}
		if r.Tries >= cmp.Or(d.Most, maxTries) {
			return r, fault.After(after, err)
		}
		after = max(after, pauses[0])
		if time.Until(deadline) <= after {
			return r, fault.After(after, err)
		}
		s.Log.WarnContext(ctx, "callback try failed", "delay", after, "err", err)
		if stop := pause(ctx, after); stop != nil {
			return r, fault.As(fault.Transient, errors.Join(err, stop))
		}
	}
}

// check returns what errors call the receiver.
func (s *Sender) check(d Delivery) (host string, err error) {
	if len(d.URL) > maxURL {
		return "", fmt.Errorf("callback URL can't be used: it has %d bytes, and at most %d are taken", len(d.URL), maxURL)
	}
	u, err := url.Parse(d.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", errors.New("callback URL can't be used: it must begin with http:// or https:// and name a host")
	}
	if len(s.Secrets) == 0 {
		return "", errors.New("callback can't be signed: no secret is configured")
	}
	return u.Scheme + "://" + u.Host, nil
}

// try sends d once. after is how long the receiver asked us to wait.
func (s *Sender) try(ctx context.Context, d Delivery) (status int, after time.Duration, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, tryTimeout, fmt.Errorf("no answer within %s", tryTimeout))
	defer cancel()
	req, err := s.request(ctx, d)
	if err != nil {
		return 0, 0, fault.As(fault.Permanent, err)
	}
	client := *s.Client
	client.Timeout = 0
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil && ctx.Err() != nil {
		return 0, 0, context.Cause(ctx)
	}
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return 0, 0, ue.Err // without the URL
	}
	if err != nil {
		return 0, 0, err
	}
	// The status decides. What follows is read to free the connection, and what goes wrong with it is no matter.
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	_ = resp.Body.Close()
	return resp.StatusCode, retryAfter(resp), judge(resp.StatusCode)
}

func (s *Sender) request(ctx context.Context, d Delivery) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, bytes.NewReader(d.Body))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	signatures := make([]string, len(s.Secrets))
	for i, secret := range s.Secrets {
		if err := CheckSecret(secret); err != nil {
			return nil, err
		}
		wh, err := webhook.NewWebhook(secret)
		if err != nil {
			return nil, fmt.Errorf("sign: %w", err)
		}
		if signatures[i], err = wh.Sign(d.ID, now, d.Body); err != nil {
			return nil, fmt.Errorf("sign: %w", err)
		}
	}
	req.Header.Set("Content-Type", cmp.Or(d.Type, "application/json"))
	req.Header.Set("User-Agent", "millrace")
	req.Header.Set(webhook.HeaderWebhookID, d.ID)
	req.Header.Set(webhook.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	req.Header.Set(webhook.HeaderWebhookSignature, strings.Join(signatures, " "))
	return req, nil
}

// judge says what a status means; nil is delivered.
func judge(status int) error {
	answer := strings.TrimSpace(strconv.Itoa(status) + " " + cmp.Or(http.StatusText(status), "(no known status)"))
	switch {
	case status/100 == 2:
		return nil
	case status == http.StatusGone:
		return fault.As(fault.Permanent, ErrGone)
	case status/100 == 3:
		return fmt.Errorf("it answered %s, and redirects are not followed; use the final address", answer)
	default:
		return fmt.Errorf("it answered %s", answer)
	}
}

// retryAfter is what the answer asks for, in seconds or as a date; 0 when it does not say.
func retryAfter(resp *http.Response) time.Duration {
	value := resp.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// pause waits, and returns why it was cut short.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
