// Package moduletest holds what every module must pass, and a call to run one with.
package moduletest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/egress"
	"github.com/millrace/millrace/modules/gltfpack"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/tool"
	"github.com/millrace/millrace/modules/workspace"
)

// Call returns a call with an empty workspace, a program runner that only records, a client that reaches loopback
// servers, no bucket, an empty state, and tools that are all there by the name of their first program; and the Recorder that
// shows what the module did with them. Exec may be replaced, by &proc.Local{} say, and Tools by those of Tools.
func Call(t *testing.T) (*modules.Call, *Recorder) {
	t.Helper()
	dir, err := workspace.Open(t.TempDir(), workspace.Options{})
	require.NoError(t, err)
	local := egress.Policy{AllowPrivate: true}
	client := egress.NewClient(local)
	t.Cleanup(func() {
		client.CloseIdleConnections()
		require.NoError(t, dir.Close())
	})
	r := &Recorder{State: map[string]any{}}
	return &modules.Call{
		Log:       slog.New(slog.DiscardHandler),
		Workspace: dir,
		Exec:      r,
		Env:       []string{"PATH=/usr/local/bin:/usr/bin:/bin"},
		HTTP:      client,
		Dial:      egress.NewDialer(local),
		Stdout:    &r.Stdout,
		Stderr:    &r.Stderr,
		Secret:    r.secret,
		State:     (*state)(r),
		Tools:     &tool.Set{Known: everyTool()},
		Bucket: func(context.Context, modules.BucketRef) (modules.Bucket, error) {
			return nil, errors.New("this test has no bucket")
		},
		MaySend: func(string) error { return nil },
	}, r
}

func everyTool() []tool.Found {
	var all []tool.Found
	for _, t := range tool.All() {
		all = append(all, tool.Found{Name: t.Name, Path: t.Programs[0], Version: t.Least})
	}
	return all
}

// Compiled is a folder of what modules run as WebAssembly, for tool.Set.Compiled: compiling it takes longer than most tests. remove
// removes it when the package's tests are over.
func Compiled() (folder string, remove func()) {
	folder, err := os.MkdirTemp("", "compiled-")
	if err == nil {
		err = gltfpack.Compile(context.Background(), folder)
	}
	if err != nil {
		panic(err)
	}
	return folder, func() { _ = os.RemoveAll(folder) }
}

// Tools are the tools of this machine, those of `make tools` among them.
func Tools(t *testing.T) *tool.Set {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil || dir == "/" {
			return &tool.Set{Path: os.Getenv("PATH"), Folder: filepath.Join(dir, ".tools")}
		}
		dir = filepath.Dir(dir)
	}
}

// A Recorder is the fake half of a Call. Its fields are read when the module has returned, and set before it runs.
type Recorder struct {
	Stdout, Stderr Buffer
	State          map[string]any // by top-level name
	Secrets        []string       // in the order they were told

	// OnRun plays the program; nil is one that prints nothing and exits with 0.
	OnRun func(ctx context.Context, c proc.Cmd) (proc.Exit, error)

	mu   sync.Mutex
	cmds []proc.Cmd // guarded by mu
}

var _ proc.Runner = (*Recorder)(nil)

// Run records c and plays it.
func (r *Recorder) Run(ctx context.Context, c proc.Cmd) (proc.Exit, error) {
	r.mu.Lock()
	r.cmds = append(r.cmds, c)
	r.mu.Unlock()
	if r.OnRun == nil {
		return proc.Exit{}, nil
	}
	return r.OnRun(ctx, c)
}

// Cmds returns the programs that were run, in order.
func (r *Recorder) Cmds() []proc.Cmd {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.cmds)
}

// Argv returns the program's name and its arguments, of the only program that was run.
func (r *Recorder) Argv(t *testing.T) []string {
	t.Helper()
	cmds := r.Cmds()
	require.Len(t, cmds, 1)
	return append([]string{cmds[0].Path}, cmds[0].Args...)
}

func (r *Recorder) secret(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Secrets = append(r.Secrets, s)
}

// state is a Recorder as the modules.State of its call.
type state Recorder

func (s *state) Get(path string) (any, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if path == "state" {
		all := maps.Clone(s.State)
		maps.DeleteFunc(all, func(key string, _ any) bool { return strings.HasPrefix(key, "__") })
		return all, true
	}
	var v any = s.State
	for name := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		if v, ok = m[name]; !ok {
			return nil, false
		}
	}
	return v, true
}

func (s *state) Set(name string, value any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.State[name] = value
}

// A Buffer collects output; it may be written to by several goroutines.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

var _ io.Writer = (*Buffer)(nil)

func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String returns all that was written.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// blocking answers no request before its context ends.
type blocking struct{}

func (blocking) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, context.Cause(r.Context())
}
