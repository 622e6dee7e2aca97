package hook_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/job"
)

const authorized = "Bearer " + plain

func cloudEvent(id, data string) string {
	return `{"specversion":"1.0","id":"` + id + `","source":"/shop","type":"order.made","datacontenttype":"application/json",` + data + `}`
}

func TestACloudEventMakesOneJobInEveryMode(t *testing.T) {
	s := source(t, "kind: cloudevents\nsecrets: [{env: PLAIN}]\njob: {pipeline: hello_world, state: {name: '{{ body.who }}', kind: '{{ event }}', from: '{{ attributes.source }}'}}")
	modes := map[string]*http.Request{
		"structured": post(cloudEvent("1", `"data":{"who":"Ada"}`), "Content-Type", "application/cloudevents+json; charset=utf-8"),
		"base64":     post(cloudEvent("1", `"data_base64":"eyJ3aG8iOiJBZGEifQ=="`), "Content-Type", "application/cloudevents+json"),
		"batch":      post("["+cloudEvent("1", `"data":{"who":"Ada"}`)+"]", "Content-Type", "application/cloudevents-batch+json"),
		"binary": post(`{"who":"Ada"}`, "Content-Type", "application/json", "ce-specversion", "1.0", "ce-id", "1", "ce-source", "%2Fshop",
			"ce-type", "order.made"),
	}
	ids := map[string]bool{}
	for mode, r := range modes {
		body := readAll(t, r)
		r.Header.Set("Authorization", authorized)
		d, err := take(t, s, r, body)
		require.NoError(t, err, mode)
		require.Len(t, d.Messages, 1, mode)
		j, err := job.One(d.Messages[0])
		require.NoError(t, err, mode)
		require.Equal(t, map[string]any{"name": "Ada", "kind": "order.made", "from": "/shop"}, j.State, mode)
		ids[j.ID] = true
	}
	require.Len(t, ids, 1, "source and id make an event the same one, however it comes")
}

func TestABatchIsOneDeliveryOfSeveralJobs(t *testing.T) {
	s := source(t, "kind: cloudevents\nsecrets: [{env: PLAIN}]\nevents: [order.*]\njob: {pipeline: hello_world}")
	other := strings.Replace(cloudEvent("3", `"data":1`), "order.made", "user.made", 1)
	body := "[" + cloudEvent("1", `"data":1`) + "," + cloudEvent("2", `"data":1`) + "," + other + "]"
	r := post(body, "Content-Type", "application/cloudevents-batch+json", "Authorization", authorized)
	d, err := take(t, s, r, body)
	require.NoError(t, err)
	require.Len(t, d.Messages, 2)
	require.NotEqual(t, d.Messages[0].ID, d.Messages[1].ID)
	require.NotEmpty(t, d.Key)
}

func TestACloudEventThatIsNoneIsRefused(t *testing.T) {
	s := source(t, "kind: cloudevents\nsecrets: [{env: PLAIN}]")
	const one = "application/cloudevents+json"
	for _, tt := range []struct {
		name, kind, body string
		status           int
		why              string
	}{
		{"no JSON", one, "{", http.StatusUnprocessableEntity, "not JSON"},
		{"a list", one, "[]", http.StatusUnprocessableEntity, "specversion"},
		{"an old version", one, `{"specversion":"0.3","id":"1","source":"/","type":"t"}`, http.StatusUnprocessableEntity, "specversion"},
		{"no id", one, `{"specversion":"1.0","source":"/","type":"t"}`, http.StatusUnprocessableEntity, "source, id and type"},
		{"data that is no base64", one, cloudEvent("1", `"data_base64":"%"`), http.StatusUnprocessableEntity, "data_base64"},
		{"an empty batch", "application/cloudevents-batch+json", "[]", http.StatusUnprocessableEntity, "a batch is"},
		{"a batch of too many", "application/cloudevents-batch+json", "[" + strings.Repeat("1,", 1000) + "1]", http.StatusUnprocessableEntity, "a batch is"},
		{"another form", "application/cloudevents+avro", "x", http.StatusUnsupportedMediaType, "as JSON"},
		{"no attributes", "application/json", "{}", http.StatusUnprocessableEntity, "specversion"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := take(t, s, post(tt.body, "Content-Type", tt.kind, "Authorization", authorized), tt.body)
			requireRefused(t, err, tt.status, tt.why)
		})
	}
	_, err := take(t, s, post("{}", "Ce-Id", "%ff", "Authorization", authorized), "{}")
	requireRefused(t, err, http.StatusBadRequest, "percent-encoded")
	_, err = take(t, s, post("{}", "Ce-Id", "1"), "{}")
	requireRefused(t, err, http.StatusUnauthorized, "")
}

func TestASignedCloudEventIsNotTakenInBinaryModeWhoseHeadersNobodySigned(t *testing.T) {
	s := source(t, "kind: cloudevents\nsigned: true\nsecrets: [{env: OLD}]")
	r := sign(t, oldSecret, "msg_1", asks, time.Now())
	for name, value := range map[string]string{"Ce-Specversion": "1.0", "Ce-Id": "1", "Ce-Source": "/", "Ce-Type": "t"} {
		r.Header.Set(name, value)
	}
	_, err := take(t, s, r, asks)
	requireRefused(t, err, http.StatusUnsupportedMediaType, "the signature does not cover")

	body := cloudEvent("1", `"data":{}`)
	r = sign(t, oldSecret, "msg_1", body, time.Now())
	r.Header.Set("Content-Type", "application/cloudevents+json")
	d, err := take(t, s, r, body)
	require.NoError(t, err)
	require.Len(t, d.Messages, 1)
}

func TestAnOriginMayAskWhetherItMaySend(t *testing.T) {
	s := source(t, "kind: cloudevents\nsecrets: [{env: PLAIN}]\norigins: [eventgrid.azure.net]\nrate: 2")
	for _, tt := range []struct {
		origin, asked, allowed string // an empty allowed is a refusal
	}{
		{"eventgrid.azure.net", "", "120"},
		{"EventGrid.azure.net", "60", "60"},
		{"eventgrid.azure.net", "100000", "120"},
		{"eventgrid.azure.net", "-1", "120"},
		{"evil.example", "", ""},
		{"", "", ""},
	} {
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			r := post("", "WebHook-Request-Origin", tt.origin, "WebHook-Request-Rate", tt.asked)
			header, ok := s.Handshake(r)
			require.Equal(t, tt.allowed != "", ok)
			require.Equal(t, tt.allowed, header.Get("WebHook-Allowed-Rate"))
			if ok {
				require.Equal(t, tt.origin, header.Get("WebHook-Allowed-Origin"))
				require.Equal(t, "POST", header.Get("Allow"))
			}
		})
	}
	_, ok := source(t, "kind: token\nsecrets: [{env: PLAIN}]").Handshake(post("", "WebHook-Request-Origin", "a"))
	require.False(t, ok)
}
