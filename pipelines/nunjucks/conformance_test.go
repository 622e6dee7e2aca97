package nunjucks

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A conformanceCase is a template with what Nunjucks made of it.
type conformanceCase struct {
	Name               string
	Template           string
	Context            json.RawMessage
	Expected           *string
	ExpectedAutoescape *string `json:"expected_autoescape"`
	Error              string
	Opts               struct{ Autoescape, ThrowOnUndefined bool }
}

func readTestdata(t testing.TB, file string, into any) {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("testdata", file))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(src, into))
}

func TestPipelineTemplatesRenderAsInNunjucks(t *testing.T) {
	var cases []conformanceCase
	readTestdata(t, "corpus_open.json", &cases)
	passed := 0
	for _, c := range cases {
		ok := c.run(t, Config{}, c.Expected)
		if c.ExpectedAutoescape != nil {
			ok = c.run(t, Config{Autoescape: true}, c.ExpectedAutoescape) && ok
		}
		if ok {
			passed++
		}
	}
	t.Logf("figure: conformance: corpus_open.json: %d/%d", passed, len(cases))
}

func TestNunjucksOwnTestsPass(t *testing.T) {
	var suite struct {
		Files map[string]string
		Cases []conformanceCase
	}
	readTestdata(t, "nunjucks_suite.json", &suite)
	loader := func(name string) (string, error) {
		src, ok := suite.Files[name]
		if !ok {
			return "", fs.ErrNotExist
		}
		return src, nil
	}
	passed := 0
	for _, c := range suite.Cases {
		if c.run(t, Config{Autoescape: c.Opts.Autoescape, ThrowOnUndefined: c.Opts.ThrowOnUndefined, Loader: loader}, c.Expected) {
			passed++
		}
	}
	t.Logf("figure: conformance: nunjucks_suite.json: %d/%d", passed, len(suite.Cases))
}

// run reports whether the case comes out as want, or fails as c.Error says where want is nil.
func (c conformanceCase) run(t *testing.T, config Config, want *string) bool {
	return t.Run(c.Name, func(t *testing.T) {
		vars, ok := decodeOrdered(t, c.Context).(*dict)
		require.True(t, ok)
		got, err := renderOnce(t, config, c.Template, vars.values)
		if want != nil {
			require.NoError(t, err)
			require.Equal(t, *want, got)
			return
		}
		require.Error(t, err)
		e, ok := errors.AsType[*Error](err)
		require.True(t, ok)
		require.Contains(t, e.Msg, c.message())
		require.Positive(t, e.Line)
	})
}

// message is the innermost message of the case's error, in our spelling.
func (c conformanceCase) message() string {
	lines := strings.Split(c.Error, "\n")
	msg := strings.TrimSpace(lines[len(lines)-1])
	msg = strings.TrimPrefix(strings.TrimPrefix(msg, "Error: "), "TypeError: ")
	return strings.ToLower(msg[:1]) + msg[1:]
}

func renderOnce(t *testing.T, config Config, src string, vars map[string]any) (string, error) {
	t.Helper()
	tmpl, err := New(config).Parse("test", src)
	if err != nil {
		return "", err
	}
	return tmpl.Render(t.Context(), vars)
}

// decodeOrdered decodes JSON to our own values, which keep the order of keys as JavaScript does.
func decodeOrdered(t *testing.T, src []byte) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(src)))
	var next func() any
	next = func() any {
		token, err := d.Token()
		require.NoError(t, err)
		switch token {
		case json.Delim('{'):
			m := &dict{values: map[string]any{}}
			for d.More() {
				key, err := d.Token()
				require.NoError(t, err)
				m.set(key.(string), next())
			}
			_, err = d.Token()
			require.NoError(t, err)
			return m
		case json.Delim('['):
			l := &list{}
			for d.More() {
				l.values = append(l.values, next())
			}
			_, err = d.Token()
			require.NoError(t, err)
			return l
		}
		return token
	}
	return next()
}
