// Command dashboard draws the pictures of a Grafana dashboard as one SVG, by what a Prometheus has: for a look at them where there
// is no Grafana. It knows what ours has: rows, single values and lines.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	prometheus := flag.String("prometheus", "http://localhost:9090", "URL of Prometheus")
	namespace := flag.String("namespace", "millrace", "what $namespace stands for")
	last := flag.Duration("last", 10*time.Minute, "how much of the past is drawn")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: dashboard [--prometheus URL] [--namespace NAME] [--last 10m] dashboard.json > dashboard.svg")
		os.Exit(2)
	}
	s := source{url: *prometheus, namespace: *namespace, last: *last, until: time.Now()}
	text, err := s.draw(context.Background(), flag.Arg(0))
	if err != nil {
		fmt.Fprintln(os.Stderr, "dashboard:", err)
		os.Exit(1)
	}
	fmt.Print(text)
}

// A panel is one picture.
type panel struct {
	Type, Title string
	GridPos     struct{ H, W, X, Y int }
	Targets     []struct{ Expr, LegendFormat string }
	FieldConfig struct {
		Defaults struct {
			Unit   string
			Custom struct{ Stacking struct{ Mode string } }
		}
	}
}

// draw draws the dashboard of a file.
func (s *source) draw(ctx context.Context, file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	var d struct{ Panels []panel }
	if err := json.Unmarshal(text, &d); err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	var page sheet
	for _, p := range d.Panels {
		var lines []line
		for _, t := range p.Targets {
			some, err := s.lines(ctx, t.Expr, t.LegendFormat)
			if err != nil {
				return "", fmt.Errorf("%s: %w", p.Title, err)
			}
			lines = append(lines, some...)
		}
		page.panel(p, lines)
	}
	return page.svg(), nil
}

// A source is a Prometheus, and what is asked of it.
type source struct {
	url, namespace string
	last           time.Duration
	until          time.Time
}

// steps is how many values a line has.
const steps = 120

// A line is one series, from the left to the right; NaN is a gap.
type line struct {
	name   string
	values [steps + 1]float64
}

// lines asks for all series of a query.
func (s *source) lines(ctx context.Context, expr, legend string) ([]line, error) {
	step := s.last / steps
	begin := s.until.Add(-s.last)
	expr = strings.NewReplacer("$__rate_interval", "1m", "$namespace", s.namespace, "$class", ".*").Replace(expr)
	query := url.Values{"query": {expr}, "start": {stamp(begin)}, "end": {stamp(s.until)}, "step": {strconv.FormatFloat(step.Seconds(), 'f', 3, 64)}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/api/v1/query_range?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	client := http.Client{Timeout: time.Minute}
	resp, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var answer struct {
		Error string
		Data  struct {
			Result []struct {
				Metric map[string]string
				Values [][2]any
			}
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("%s: %w", expr, err)
	}
	if answer.Error != "" {
		return nil, fmt.Errorf("%s: %s", expr, answer.Error)
	}
	var all []line
	for _, result := range answer.Data.Result {
		l := line{name: legendOf(legend, result.Metric)}
		for i := range l.values {
			l.values[i] = math.NaN()
		}
		for _, v := range result.Values {
			at, _ := v[0].(float64)
			text, _ := v[1].(string)
			i := int(math.Round((at - float64(begin.UnixMilli())/1000) / step.Seconds()))
			if value, err := strconv.ParseFloat(text, 64); err == nil && i >= 0 && i <= steps {
				l.values[i] = value
			}
		}
		all = append(all, l)
	}
	return all, nil
}

func stamp(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }

// legendOf fills a legend in.
func legendOf(legend string, labels map[string]string) string {
	for name, value := range labels {
		legend = strings.ReplaceAll(legend, "{{"+name+"}}", value)
	}
	return legend
}
