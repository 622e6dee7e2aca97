package localqueue

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/queue"
)

// The test binary is its own other process: it does what LOCALQUEUE_CHILD names with the queue in LOCALQUEUE_FILE.
func TestMain(m *testing.M) {
	children := map[string]func(context.Context, *Driver) error{"drain": drain, "flood": flood, "idle": idle}
	child, ok := children[os.Getenv("LOCALQUEUE_CHILD")]
	if !ok {
		os.Exit(m.Run())
	}
	ctx := context.Background()
	d, err := Open(ctx, Config{Path: os.Getenv("LOCALQUEUE_FILE")})
	if err == nil {
		err = child(ctx, d)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// drain acks all there is, and prints the ids.
func drain(ctx context.Context, d *Driver) error {
	for {
		ms, err := d.Receive(ctx, 5, 300*time.Millisecond)
		if err != nil || len(ms) == 0 {
			return err
		}
		for _, m := range ms {
			if err := d.Ack(ctx, []queue.Receipt{m.Receipt})[0]; err != nil {
				return err
			}
			fmt.Println(m.ID)
		}
	}
}

// flood sends until it is killed, and prints the id of what is on the disk.
func flood(ctx context.Context, d *Driver) error {
	for {
		id, err := d.Send(ctx, queue.Draft{Body: []byte("x")})
		if err != nil {
			return err
		}
		fmt.Println(id)
	}
}

// idle waits for messages for three seconds, and prints the CPU time that took and the memory it holds then.
func idle(ctx context.Context, d *Driver) error {
	before := cpuTime()
	for range 10 {
		if _, err := d.Receive(ctx, 1, 300*time.Millisecond); err != nil {
			return err
		}
	}
	used := cpuTime() - before
	rss, err := rssAnon()
	fmt.Println(used.Microseconds(), rss)
	return err
}

func process(t *testing.T, verb, file string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), "LOCALQUEUE_CHILD="+verb, "LOCALQUEUE_FILE="+file)
	cmd.Stderr = os.Stderr
	return cmd
}

func TestProcessesThatShareAFileNeverShareAMessage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "q.db")
	d := open(t, Config{Path: file})
	sent := map[string]bool{}
	for range 300 {
		sent[send(t, d, queue.Draft{Body: []byte("x")})] = true
	}
	outs := make([][]byte, 3)
	errs := make([]error, 3)
	var wg sync.WaitGroup
	for i := range outs {
		cmd := process(t, "drain", file)
		wg.Go(func() { outs[i], errs[i] = cmd.Output() })
	}
	wg.Wait()
	for i := range outs {
		require.NoError(t, errs[i])
		for _, id := range strings.Fields(string(outs[i])) {
			require.True(t, sent[id], "message %s came twice", id)
			delete(sent, id)
		}
	}
	require.Empty(t, sent)
}

func TestWhatWasSentSurvivesKill(t *testing.T) {
	file := filepath.Join(t.TempDir(), "q.db")
	var ids []string
	for range 3 {
		cmd := process(t, "flood", file)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(out)
		for i := 0; lines.Scan(); i++ {
			ids = append(ids, lines.Text())
			if i == 50 {
				require.NoError(t, cmd.Process.Kill())
			}
		}
		require.Error(t, cmd.Wait())
	}
	d := open(t, Config{Path: file})
	for _, id := range ids {
		_, err := d.Find(t.Context(), id)
		require.NoError(t, err)
	}
	var ok string
	require.NoError(t, d.read.QueryRowContext(t.Context(), `pragma integrity_check`).Scan(&ok))
	require.Equal(t, "ok", ok)
}

func TestAWaitingReceiveGetsWhatAnotherProcessSends(t *testing.T) {
	file := filepath.Join(t.TempDir(), "q.db")
	d := open(t, Config{Path: file})
	var got []queue.Message
	var err error
	var wg sync.WaitGroup
	wg.Go(func() { got, err = d.Receive(t.Context(), 1, 20*time.Second) })
	other := open(t, Config{Path: file})
	sent := time.Now()
	id := send(t, other, queue.Draft{Body: []byte("x")})
	wg.Wait()
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Equal(t, id, got[0].ID)
	require.Less(t, time.Since(sent), 5*time.Second)
}

func TestAnIdleDriverCostsNextToNothing(t *testing.T) {
	out, err := process(t, "idle", filepath.Join(t.TempDir(), "q.db")).Output()
	require.NoError(t, err)
	var micros, rss int
	_, err = fmt.Sscan(string(out), &micros, &rss)
	require.NoError(t, err)
	t.Logf("%d µs of CPU in 3 s, %d KiB", micros, rss)
	require.Less(t, micros, 150_000, "microseconds of CPU in 3 s")
	require.Less(t, rss, 20<<10, "KiB of anonymous memory")
}

// rssAnon is this process's anonymous memory in KiB.
func rssAnon() (int, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "RssAnon:")
	return strconv.Atoi(strings.Fields(rest)[0])
}

// cpuTime is what this process has used so far.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
