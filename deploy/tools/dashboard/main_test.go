package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const ours = "../../observability/dashboard.json"

// drawn is our dashboard, by a Prometheus that answers every query with these results.
func drawn(t *testing.T, results string) (string, error) {
	t.Helper()
	until := time.Unix(1_800_000_000, 0)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.FormValue("query"), "$") || r.FormValue("end") != "1800000000.000" || r.FormValue("step") != "5.000" {
			results = `], "error": "it is asked for something else"` // which is no JSON, either
		}
		fmt.Fprintf(w, `{"status": "success", "data": {"result": [%s]}}`, results)
	}))
	defer s.Close()
	src := source{url: s.URL, namespace: "jobs", last: 10 * time.Minute, until: until}
	return src.draw(t.Context(), ours)
}

// wellFormed holds that a text is XML, and returns what is written in it.
func wellFormed(t *testing.T, text string) string {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	var written strings.Builder
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return written.String()
		}
		require.NoError(t, err)
		if chars, ok := token.(xml.CharData); ok {
			written.Write(chars)
		}
	}
}

// panels are those of our dashboard, rows among them.
func panels(t *testing.T) []panel {
	t.Helper()
	file, err := os.ReadFile(ours)
	require.NoError(t, err)
	var d struct{ Panels []panel }
	require.NoError(t, json.Unmarshal(file, &d))
	return d.Panels
}

func TestEveryPictureIsDrawnWithWhatPrometheusSays(t *testing.T) {
	text, err := drawn(t, `{"metric": {"queue": "<&>", "class": "<&>", "pod": "<&>"}, "values": [[1799999400, "0"], [1799999700, "NaN"], [1800000000, "3"]]},
		{"metric": {}, "values": [[1799999700, "2"], [1800000000, "1"], [1900000000, "7"]]}`)
	require.NoError(t, err)
	written := wellFormed(t, text)
	for _, p := range panels(t) {
		require.Contains(t, written, p.Title)
	}
	require.Contains(t, written, "<&>")
	require.NotContains(t, text, html.UnescapeString("<&>"))
	require.Contains(t, text, `<path d="M`)
	require.NotContains(t, text, "NaN")
}

func TestOfWhatThereIsNothingThePictureSaysSo(t *testing.T) {
	text, err := drawn(t, "")
	require.NoError(t, err)
	drawnPanels := slices.DeleteFunc(panels(t), func(p panel) bool { return len(p.Targets) == 0 })
	require.NotEmpty(t, drawnPanels)
	require.Equal(t, len(drawnPanels), strings.Count(wellFormed(t, text), "no data"))
	_, err = drawn(t, "{")
	require.ErrorContains(t, err, "Messages that wait: ")
}

func TestAValueIsWrittenInItsUnit(t *testing.T) {
	for want, say := range map[string]string{
		"1.5 s": say(1.5, "s"), "50 %": say(0.5, "percentunit"), "2 MiB": say(2<<20, "bytes"), "10 B": say(10, "bytes"),
		"3/s": say(3, "ops"), "1.5 GiB/s": say(1.5*(1<<30), "Bps"), "7": say(7, "short"),
	} {
		require.Equal(t, want, say)
	}
}
