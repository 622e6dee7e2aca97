package main_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A languageServer is the server behind YAML in VS Code, Neovim and others, spoken to as an editor does.
type languageServer struct {
	t    *testing.T
	in   io.Writer
	out  *bufio.Reader
	last int // request
}

// startLanguageServer ends with the test.
func startLanguageServer(t *testing.T, dir string) *languageServer {
	t.Helper()
	program, err := filepath.Abs(repository + ".tools/yaml-language-server/node_modules/yaml-language-server/bin/yaml-language-server")
	require.NoError(t, err)
	if _, err := os.Stat(program); err != nil {
		require.NotEqual(t, "true", os.Getenv("CI"), "yaml-language-server is missing: run `make tools`")
		t.Skip("yaml-language-server is missing: `make tools` installs it")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a server that hangs is killed, and what waits for it fails
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "node", program, "--stdio")
	cmd.Dir = dir
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, in.Close())
		_ = cmd.Wait() // it ends as it likes
	})
	s := &languageServer{t: t, in: in, out: bufio.NewReader(out)}
	s.call("initialize", map[string]any{
		"processId": os.Getpid(), "rootUri": "file://" + dir, "capabilities": map[string]any{
			"textDocument": map[string]any{"publishDiagnostics": map[string]any{}, "completion": map[string]any{"completionItem": map[string]any{"documentationFormat": []string{"markdown"}}}},
			"workspace":    map[string]any{"configuration": true},
		},
	})
	s.send(map[string]any{"method": "initialized", "params": map[string]any{}})
	return s
}

func (s *languageServer) send(message map[string]any) {
	s.t.Helper()
	message["jsonrpc"] = "2.0"
	body, err := json.Marshal(message)
	require.NoError(s.t, err)
	_, err = fmt.Fprintf(s.in, "Content-Length: %d\r\n\r\n%s", len(body), body)
	require.NoError(s.t, err)
}

// call sends a request and returns its result.
func (s *languageServer) call(method string, params any) json.RawMessage {
	s.t.Helper()
	s.last++
	s.send(map[string]any{"id": s.last, "method": method, "params": params})
	id := strconv.Itoa(s.last)
	return s.until(func(m serverMessage) bool { return m.Method == "" && string(m.ID) == id }).Result
}

type serverMessage struct {
	ID             json.RawMessage
	Method         string
	Params, Result json.RawMessage
}

// until reads on to a message, and answers what the server asks: it is told its defaults.
func (s *languageServer) until(wanted func(serverMessage) bool) serverMessage {
	s.t.Helper()
	for {
		head, err := textproto.NewReader(s.out).ReadMIMEHeader()
		require.NoError(s.t, err)
		size, err := strconv.Atoi(head.Get("Content-Length"))
		require.NoError(s.t, err)
		body := make([]byte, size)
		_, err = io.ReadFull(s.out, body)
		require.NoError(s.t, err)
		var m serverMessage
		require.NoError(s.t, json.Unmarshal(body, &m))
		if wanted(m) {
			return m
		}
		switch {
		case m.Method == "workspace/configuration":
			s.send(map[string]any{"id": m.ID, "result": []any{map[string]any{"validate": true, "completion": true, "hover": true}, nil, nil, nil, nil}})
		case m.Method != "" && m.ID != nil:
			s.send(map[string]any{"id": m.ID, "result": nil})
		}
	}
}

// open shows the server a document and returns its diagnostics, as "line:column message", from 1.
func (s *languageServer) open(uri, text string) []string {
	s.t.Helper()
	s.send(map[string]any{"method": "textDocument/didOpen", "params": map[string]any{
		"textDocument": map[string]any{"uri": uri, "languageId": "yaml", "version": 1, "text": text},
	}})
	var found struct {
		URI         string
		Diagnostics []struct {
			Message string
			Range   struct{ Start struct{ Line, Character int } }
		}
	}
	s.until(func(m serverMessage) bool {
		return m.Method == "textDocument/publishDiagnostics" && json.Unmarshal(m.Params, &found) == nil && found.URI == uri
	})
	lines := []string{}
	for _, d := range found.Diagnostics {
		lines = append(lines, fmt.Sprintf("%d:%d %s", d.Range.Start.Line+1, d.Range.Start.Character+1, d.Message))
	}
	return lines
}

// complete returns what the server offers at the end of a line, from 1.
func (s *languageServer) complete(uri, text string, line int) []string {
	s.t.Helper()
	end := len(strings.Split(text, "\n")[line-1])
	result := s.call("textDocument/completion", map[string]any{
		"textDocument": map[string]any{"uri": uri}, "position": map[string]any{"line": line - 1, "character": end},
	})
	var offered struct{ Items []struct{ Label string } }
	require.NoError(s.t, json.Unmarshal(result, &offered))
	var labels []string
	for _, item := range offered.Items {
		labels = append(labels, item.Label)
	}
	slices.Sort(labels)
	return labels
}

func TestAnEditorCompletesAndChecksPipelines(t *testing.T) {
	p := newPlace(t)
	p.write("pipeline.schema.json", p.succeeds("schema"))
	s := startLanguageServer(t, p.dir)
	head := "# yaml-language-server: $schema=pipeline.schema.json\n"
	uri := func(name string) string { return "file://" + filepath.Join(p.dir, name) }

	require.Empty(t, s.open(uri("good.yaml"), head+"tasks:\n  - module: Zip\n    props: {src: a, dest: \"{{ b }}\"}\n"))

	bad := s.open(uri("bad.yaml"), head+"tasks:\n  - module: ScreenshotGenerator\n    props:\n      src: a.obj\n      config: {widht: 640}\n")
	require.Len(t, bad, 1)
	require.Contains(t, bad[0], "6:16 ")
	require.Contains(t, bad[0], "widht")

	text := head + "tasks:\n  - module: "
	s.open(uri("module.yaml"), text)
	require.Subset(t, s.complete(uri("module.yaml"), text, 3), []string{"Shell", "Stat", "Zip", "FFmpeg"})

	text = head + "tasks:\n  - module: Zip\n    props:\n      src: a\n      "
	s.open(uri("prop.yaml"), text)
	props := s.complete(uri("prop.yaml"), text, 6)
	require.Contains(t, props, "dest")
	require.NotContains(t, props, "dst")
	require.NotContains(t, props, "src")
}
