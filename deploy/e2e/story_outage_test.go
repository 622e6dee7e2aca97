//go:build e2e && linux

package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// kedaMetrics is where the cluster's KEDA tells Prometheus about itself.
const kedaMetrics = "http://127.0.0.1:18080/metrics"

// Two pods run and three messages wait: five is what the scaler must go on to say. What ran out in between the brokers can't
// know, and what waits nobody else does.
func TestABrokerThatDoesNotAnswerScalesNothing(t *testing.T) {
	t.Parallel()
	const (
		outage = 45 * time.Second // past the cooldown, and many looks of the autoscaler; leases last 2 minutes
		queued = 5
	)
	g := newGate(t)
	m := newMill(t, "outage", plan{
		overlay: "dev", queue: "sqs", pipelines: map[string]string{gated: g.pipeline()}, settings: []string{g.allowed(), "MILLRACE_VISIBILITY=2m"},
		patches: []object{oneByOne, atMostTwo, oneSlot},
	})
	m.apply()
	m.zero(2*time.Minute, "light")
	ids := m.send(queued, gated, nil)
	m.busy(90*time.Second, g, 2, ids)
	m.await(30*time.Second, "both scalers to know", func() bool {
		for _, p := range m.scalers() {
			if ask(t, p, "light").Work != queued {
				return false
			}
		}
		return len(m.scalers()) == 2
	})

	m.sqs.shut()
	shut := time.Now()
	least, most, age, pods := queued, queued, 0.0, 2
	for time.Since(shut) < outage {
		for _, p := range m.scalers() {
			a := ask(t, p, "light")
			least, most, age = min(least, a.Work), max(most, a.Work), max(age, a.Age)
		}
		pods = min(pods, len(m.pods("light")))
		time.Sleep(time.Second)
	}
	said := metrics(t, statusOf(m.scalers()[0])+"/metrics")
	m.sqs.open(t)
	mustHold(t, fmt.Sprintf("scaler under broker outage of %v: the last known value with its age, never zero by error; no pod goes", outage),
		least == queued && most == queued && pods == 2 && age >= outage.Seconds()-10, "work %d to %d (%d before), age up to %.0f s, %d pods", least, most, queued, age, pods)
	mustHold(t, "its metrics say so", said[`millrace_scaler_age_seconds{queue="light"}`] >= outage.Seconds()-10 && said[`millrace_scaler_errors_total{queue="light"}`] >= 3,
		"millrace_scaler_age_seconds %.0f, millrace_scaler_errors_total %.0f", said[`millrace_scaler_age_seconds{queue="light"}`], said[`millrace_scaler_errors_total{queue="light"}`])

	m.await(30*time.Second, "the scaler to know again", func() bool { return ask(t, m.scalers()[0], "light").Age < 5 })
	m.await(2*time.Minute, "all five to be run", func() bool {
		g.release(g.holding()...)
		return len(m.finals(ids)) == queued
	})
	for _, r := range m.finals(ids) {
		require.Len(t, r.Attempts, 1, "the outage cost an attempt")
	}
	m.scalerGone()
}

// scalerGone takes the scaler away: KEDA says so on the ScaledObject, and by the metrics that the alert of deploy/observability
// asks for.
func (m *mill) scalerGone() {
	m.t.Helper()
	before := kedaErrors(m.t)
	mustKubectl(m.t, nil, "-n", m.name, "scale", "deployment/millrace-scaler", "--replicas=0")
	began := time.Now()
	var ready condition
	m.await(2*time.Minute, "KEDA to say that the ScaledObject is not ready", func() bool {
		ready = m.scaledObject("Ready")
		return ready.Status == "False"
	})
	condition := time.Since(began)
	var grown []string
	m.await(2*time.Minute, "the alert's metrics to grow", func() bool {
		grown = nil
		for series, value := range kedaErrors(m.t) {
			if value > before[series] && strings.Contains(series, `scaledObject="millrace-light"`) {
				grown = append(grown, series[:strings.IndexByte(series, '{')])
			}
		}
		return len(grown) > 0
	})
	mustHold(m.t, "KEDA's Ready=False, and the metrics that MillraceKEDAFails asks for, when the scaler is gone", len(grown) > 0,
		"Ready=False (%s) after %.0f s, %s after %.0f s", ready.Reason, condition.Seconds(), strings.Join(grown, " and "), time.Since(began).Seconds())
}

// kedaErrors are the series of KEDA's operator that the alert names.
func kedaErrors(t *testing.T) map[string]float64 {
	t.Helper()
	rules, err := os.ReadFile("../observability/rules.yaml")
	require.NoError(t, err)
	names := regexp.MustCompile(`keda_\w+_total`).FindAllString(string(rules), -1)
	require.NotEmpty(t, names)
	found := map[string]float64{}
	for series, value := range metrics(t, kedaMetrics) {
		for _, name := range names {
			if strings.HasPrefix(series, name+"{") {
				found[series] = value
			}
		}
	}
	return found
}

// scaledObject is what KEDA says of that of class light.
func (m *mill) scaledObject(kind string) condition {
	m.t.Helper()
	var o struct {
		Status struct {
			Conditions []condition `json:"conditions"`
		} `json:"status"`
	}
	require.NoError(m.t, json.Unmarshal([]byte(mustKubectl(m.t, nil, "-n", m.name, "get", "scaledobject", "millrace-light", "-o", "json")), &o))
	for _, c := range o.Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return condition{}
}
