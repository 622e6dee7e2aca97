package warm_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/warm"
)

// echo answers each line with itself; "die" it dies of, "end" it ends upon, and "hang" it never answers.
const echo = `while read -r line; do
  case $line in die) kill -SEGV $$ ;; end) exit 0 ;; fail) echo went wrong >&2; exit 3 ;; hang) sleep 600 ;; flood) yes | tr -d '\n' ;; esac
  echo "$$ $line"
done`

// echoing returns what starts one, in a folder below dir.
func echoing(dir string) func(context.Context) (warm.Talker, error) {
	return func(context.Context) (warm.Talker, error) {
		own, err := os.MkdirTemp(dir, "own-")
		return warm.Talker{
			Name: "Echo", Exec: &proc.Local{}, MaxAnswer: 1 << 10,
			Cmd: proc.Cmd{Path: "/bin/sh", Args: []string{"-c", echo}, Dir: own, Env: []string{"PATH=/usr/bin:/bin"}, Grace: time.Second},
		}, err
	}
}

// says is a request whose answer goes to got.
func says(line string, got *string) warm.Request {
	return warm.Request{
		Line: func(string) ([]byte, error) { return []byte(line), nil },
		Take: func(_ string, answer []byte) error {
			*got = strings.TrimSpace(string(answer))
			return nil
		},
	}
}

func exchange(ctx context.Context, k *warm.Place[*warm.Talk], dir string, r warm.Request) error {
	start := func(ctx context.Context) (*warm.Talk, error) {
		p, err := echoing(dir)(ctx)
		if err != nil {
			return nil, err
		}
		return p.Begin(ctx)
	}
	return k.Use(ctx, nil, start, func(p *warm.Talk) error { return p.Exchange(ctx, r) })
}

func TestAProgramIsKeptUntilItFailsOrIsWornOut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k := warm.New[*warm.Talk](3)
	ask := func(line string) (pid, text string, err error) {
		var got string
		err = exchange(t.Context(), k, dir, says(line, &got))
		pid, text, _ = strings.Cut(got, " ")
		return pid, text, err
	}
	first, text, err := ask("a")
	require.NoError(t, err)
	require.Equal(t, "a", text)
	for range 2 {
		same, _, err := ask("b")
		require.NoError(t, err)
		require.Equal(t, first, same)
	}
	second, _, err := ask("c")
	require.NoError(t, err)
	require.NotEqual(t, first, second, "three requests are all that one takes")

	for _, tt := range []struct{ line, want string }{
		{"die", `Echo was ended by signal "segmentation fault"`},
		{"fail", "Echo exited with code 3: went wrong"},
		{"end", "Echo gave no answer: EOF"},
		{"flood", "Echo gave no answer: its answer is longer than 1024 bytes"},
	} {
		_, _, err = ask(tt.line)
		require.EqualError(t, err, tt.want)
		ended, ok := errors.AsType[*warm.EndedError](err)
		require.Equal(t, tt.line == "die" || tt.line == "fail", ok, tt.line)
		if tt.line == "fail" {
			require.Equal(t, 3, ended.Exit.Code)
		}
		_, text, err = ask("again")
		require.NoError(t, err)
		require.Equal(t, "again", text)
	}
	k.Close()
	left, err := filepath.Glob(dir + "/*")
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestOneThatHangsEndsWithItsTask(t *testing.T) {
	t.Parallel()
	k, dir := warm.New[*warm.Talk](10), t.TempDir()
	defer k.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	r := says("hang", new(string))
	line := r.Line
	r.Line = func(dir string) ([]byte, error) {
		cancel(errors.New("lease lost"))
		return line(dir)
	}
	err := exchange(ctx, k, dir, r)
	require.ErrorContains(t, err, "lease lost")
	var got string
	err = exchange(t.Context(), k, dir, says("b", &got))
	require.NoError(t, err)
	require.Contains(t, got, "b")
}

func TestOnceLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p, err := echoing(dir)(t.Context())
	require.NoError(t, err)
	var got string
	stats, err := p.Once(t.Context(), says("a", &got))
	require.NoError(t, err)
	require.Contains(t, got, "a")
	require.Positive(t, stats.Elapsed)
	p, err = echoing(dir)(t.Context())
	require.NoError(t, err)
	refused := warm.Request{Line: func(string) ([]byte, error) { return nil, errors.New("no room") }}
	_, err = p.Once(t.Context(), refused)
	require.EqualError(t, err, "no room")
	left, err := filepath.Glob(dir + "/*")
	require.NoError(t, err)
	require.Empty(t, left)
}
