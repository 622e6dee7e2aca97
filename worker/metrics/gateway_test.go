package metrics_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/metrics"
)

func TestAGatewayCountsWhatItAnswersAndRefuses(t *testing.T) {
	g := metrics.NewGateway([]string{"POST /v1/jobs"}, []string{"rate", "size"})
	g.Begun()
	g.Begun()
	g.Begun()
	g.Ended(metrics.Request{Operation: "POST /v1/jobs", Status: 202, In: 100, Out: 20, Duration: 2 * time.Millisecond})
	g.Ended(metrics.Request{Status: 404, Refused: "rate"})
	w := httptest.NewRecorder()
	g.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	require.Equal(t, 200, w.Code)
	has(t, w.Body.String(),
		`millrace_gateway_requests_total{code_class="2xx",operation="POST /v1/jobs"} 1`,
		`millrace_gateway_requests_total{code_class="4xx",operation="other"} 1`,
		`millrace_gateway_requests_total{code_class="5xx",operation="POST /v1/jobs"} 0`,
		`millrace_gateway_bytes_total{dir="in",operation="POST /v1/jobs"} 100`,
		`millrace_gateway_refused_total{reason="rate"} 1`,
		`millrace_gateway_refused_total{reason="size"} 0`,
		`millrace_gateway_requests_in_flight 1`,
		`millrace_gateway_request_duration_seconds_bucket{operation="POST /v1/jobs",le="0.003"} 1`,
	)
}
