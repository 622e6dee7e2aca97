package callback

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	webhook "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/millrace/millrace/worker/record"
)

var ErrGone = errors.New("the receiver wants no more callbacks (410 Gone)")

type Sender struct {
	Client  *http.Client
	Secrets []string
	Log     *slog.Logger
}
type Delivery struct {
	ID, URL string
	Body    []byte
}
type Receipt struct{ Tries, Status int }

func ID(job string) string { return "msg_" + strings.ReplaceAll(job, ".", "_") }

func Body(f *record.Record) []byte {
	b, _ := json.Marshal(map[string]any{"type": "job." + strings.ToLower(string(f.Status)), "timestamp": f.Finished, "data": map[string]any{"id": f.ID, "status": f.Status, "pipeline": f.Pipeline, "message": f.Message, "artifacts": f.Artifacts}})
	return b
}
func CheckSecret(s string) error {
	b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s, "whsec_"))
	if err != nil || len(b) < 24 || len(b) > 64 {
		return errors.New("a secret is whsec_ and the base64 of 24 to 64 bytes")
	}
	return nil
}

func (s *Sender) Send(ctx context.Context, d Delivery) (r Receipt, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for _, wait := range []time.Duration{0, time.Second, 5 * time.Second} {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return r, cmp.Or(err, context.Cause(ctx))
		}
		r.Tries++
		if r.Status, err = s.try(ctx, d); err == nil || errors.Is(err, ErrGone) {
			return r, err
		}
	}
	return r, err
}

func (s *Sender) try(ctx context.Context, d Delivery) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, bytes.NewReader(d.Body))
	if err != nil {
		return 0, err
	}
	now := time.Now()
	var sigs []string
	for _, sec := range s.Secrets {
		wh, err := webhook.NewWebhook(sec)
		if err != nil {
			return 0, err
		}
		sig, err := wh.Sign(d.ID, now, d.Body)
		if err != nil {
			return 0, err
		}
		sigs = append(sigs, sig)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("webhook-id", d.ID)
	req.Header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	req.Header.Set("webhook-signature", strings.Join(sigs, " "))
	resp, err := s.Client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	switch {
	case resp.StatusCode/100 == 2:
		return resp.StatusCode, nil
	case resp.StatusCode == http.StatusGone:
		return resp.StatusCode, ErrGone
	}
	return resp.StatusCode, fmt.Errorf("%s answered %s", d.URL, resp.Status)
}

// NewSecret makes a signing secret.
func NewSecret() string {
	b := make([]byte, 32)
	rand.Read(b) // never fails
	return "whsec_" + base64.StdEncoding.EncodeToString(b)
}
