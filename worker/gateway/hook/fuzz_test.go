package hook_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/gateway/hook"
)

// FuzzNothingUnsignedPasses gives every kind of source headers and bodies of a stranger, who knows no secret.
func FuzzNothingUnsignedPasses(f *testing.F) {
	signed := sign(f, newSecret, "msg_1", asks, time.Now())
	f.Add("msg_1", signed.Header.Get("Webhook-Timestamp"), signed.Header.Get("Webhook-Signature"), "sha256="+mac("stranger", asks), "Bearer x", "application/json", asks)
	f.Add("", "-1", "v1,AA== v1a,AA==", "sha256=", "Basic YTpi", "application/cloudevents+json", cloudEvent("1", `"data":1`))
	f.Add("a.b", "9999999999", ",,, v1", "sha256=00", "", "application/x-www-form-urlencoded", "payload=1")
	f.Add("m", "0", "v1,", "", "", "text/plain", signSNS(notification()))
	f.Add("m", "0", "v1,", "", "", "", `{"TopicArn":"`+topic+`","Type":"SubscriptionConfirmation","SubscribeURL":"https://169.254.169.254/","Signature":"AAAA","SignatureVersion":"2","MessageId":"1","SigningCertURL":"`+certURL+`"}`)
	var sources []*hook.Source
	for _, lines := range []string{
		"kind: standard-webhooks\nsecrets: [{env: OLD}]",
		"kind: standard-webhooks\npublic_keys: [whpk_GU6yqPVIUwIsiSEnUjYcXhjYhOiKk8T6NDO4wKmd8zQ=]",
		"kind: github\nsecrets: [{env: PLAIN}]", "kind: token\nsecrets: [{env: PLAIN}]\nquery: true", "kind: basic\nsecrets: [{env: USER}]",
		"kind: cloudevents\nsecrets: [{env: PLAIN}]", "kind: cloudevents\nsigned: true\nsecrets: [{env: OLD}]", "kind: none",
	} {
		sources = append(sources, source(f, lines))
	}
	stranger := newAmazon(nil)
	stranger.answers = nil // SNS has no certificate that the stranger could name
	sources = append(sources, stranger.source(f, ""))
	f.Fuzz(func(t *testing.T, id, stamp, signature, hub, authorization, kind, body string) {
		if strings.Contains(authorization, plain) {
			return // a stranger does not know it
		}
		for _, s := range sources {
			r := post(body)
			for name, value := range map[string]string{
				"Webhook-Id": id, "Webhook-Timestamp": stamp, "Webhook-Signature": signature, "X-Hub-Signature-256": hub,
				"Authorization": authorization, "Content-Type": kind, "X-Github-Delivery": id, "Ce-Id": id, "Ce-Source": kind,
				"Ce-Type": stamp, "Ce-Specversion": "1.0",
			} {
				r.Header[name] = []string{value}
			}
			_, err := s.Receive(t.Context(), r, []byte(body))
			refused, ok := errors.AsType[*hook.Refusal](err)
			require.True(t, ok, "%s: %v", s.Kind, err)
			require.Contains(t, []int{http.StatusUnauthorized, http.StatusServiceUnavailable}, refused.Status)
		}
	})
}

// FuzzAVerifiedBody gives what a source signed to what reads it: it may be anything, and costs neither a panic nor an error
// that is none of ours.
func FuzzAVerifiedBody(f *testing.F) {
	for _, kind := range []string{"application/json", "application/cloudevents+json", "application/cloudevents-batch+json", "text/plain", ""} {
		f.Add(kind, asks, "1", "%2F")
		f.Add(kind, "["+cloudEvent("1", `"data_base64":"AAA="`)+"]", "", "%zz")
		f.Add(kind, "payload=%7B", "\xff", "")
	}
	var sources []*hook.Source
	for _, lines := range []string{
		"kind: token\nsecrets: [{env: PLAIN}]", "kind: cloudevents\nsecrets: [{env: PLAIN}]", "kind: token\nsecrets: [{env: PLAIN}]\nid_header: ce-id",
	} {
		sources = append(sources, source(f, lines+"\nrate: 100000"))
		sources = append(sources, source(f, lines+"\nrate: 100000\njob: {pipeline: hello_world, state: {a: '{{ body.a.b }}', b: '{{ attributes.source }}', c: '{{ body }}'}}"))
	}
	f.Fuzz(func(t *testing.T, kind, body, id, from string) {
		for _, s := range sources {
			r := post(body)
			for name, value := range map[string]string{
				"Content-Type": kind, "Authorization": authorized, "Ce-Id": id, "Ce-Source": from, "Ce-Type": id, "Ce-Specversion": "1.0",
			} {
				r.Header[name] = []string{value}
			}
			d, err := s.Receive(t.Context(), r, []byte(body))
			if err != nil {
				_, ok := errors.AsType[*hook.Refusal](err)
				require.True(t, ok, "%v", err)
				continue
			}
			for _, m := range d.Messages {
				require.Regexp(t, "^hook-s-[0-9a-f]{40}$", m.ID)
			}
		}
	})
}
