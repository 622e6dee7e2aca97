package httpcall

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/modules"
)

const (
	maxBody  = 1 << 20 // bytes of an answer that are kept
	maxShown = 4 << 10 // bytes of an exchange that debug prints
	maxQuote = 200     // bytes of an answer that an error quotes
)

// Output is what register stores.
type Output struct {
	Status     int               `json:"status" doc:"Status code, such as 200."`
	StatusText string            `json:"statusText" doc:"Its text, such as OK."`
	Data       any               `json:"data" doc:"The body: parsed where it is JSON, else text; at most 1 MiB."`
	Truncated  bool              `json:"truncated" doc:"Whether the body was longer than is kept."`
	Headers    map[string]string `json:"headers" doc:"Headers by lower-case name, without cookies; several values are joined by a comma."`
}

// read takes in an answer, at most maxBody of it.
func read(res *http.Response) (Output, error) {
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	if err != nil {
		return Output{}, fmt.Errorf("after %d bytes: %w", len(body), err)
	}
	out := Output{
		Status:     res.StatusCode,
		StatusText: http.StatusText(res.StatusCode),
		Truncated:  len(body) > maxBody,
		Headers:    make(map[string]string, len(res.Header)),
	}
	if _, text, ok := strings.Cut(res.Status, " "); ok && text != "" {
		out.StatusText = text
	}
	for name, values := range res.Header {
		if name != "Set-Cookie" {
			out.Headers[strings.ToLower(name)] = strings.Join(values, ", ")
		}
	}
	out.Data = parse(body[:min(len(body), maxBody)], res.Header.Get("Content-Type"), out.Truncated)
	return out, nil
}

// parse returns a body as a value where it is JSON and whole, else as text.
func parse(body []byte, contentType string, cut bool) any {
	media, _, err := mime.ParseMediaType(contentType)
	isJSON := err == nil && (media == "application/json" || strings.HasSuffix(media, "+json"))
	if isJSON && !cut {
		if v, err := modules.FromJSON(body); err == nil {
			return v
		}
	}
	return strings.ToValidUTF8(string(body), "\uFFFD")
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return clip(strings.TrimSpace(line), maxQuote)
}

// clip shortens s to at most n bytes, at a character's edge, and marks that it did.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
