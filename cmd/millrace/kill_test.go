//go:build linux

package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob/dirblob"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/queue/localqueue"
	"github.com/millrace/millrace/worker/record"
)

// killedJob writes two files, sleeps between them, and starts a program of its own: there is always something to leave
// behind, half written, when its worker is killed.
const killedJob = `
name: killed
tasks:
  - {name: first, module: Shell, props: {command: sh, args: [-c, "mkdir -p outputs && head -c 300000 /dev/zero | tr '\\0' {{ letter }} > outputs/a.bin"]}}
  - {name: nap, module: Shell, props: {command: sleep, args: ["0.03"]}}
  - {name: second, module: Shell, props: {command: sh, args: [-c, "cp outputs/a.bin outputs/b.bin; wc -c < outputs/b.bin"]}, register: size}
`

// A worker that is killed at any moment loses nothing, doubles nothing and leaves nothing behind.
func TestKillingTheWorkerAgainAndAgainLosesNothing(t *testing.T) {
	const jobs, size = 200, 300_000
	data := t.TempDir()
	d, err := localqueue.Open(t.Context(), localqueue.Config{Path: filepath.Join(data, "queue.db"), Visibility: time.Second})
	require.NoError(t, err)
	defer d.Close()
	ids := sendKilled(t, d, jobs)

	kills := killUntilDrained(t, d, data)
	require.Greater(t, kills, 3, "the batch was over too soon to prove anything")
	out, err := startWorker(t, data, "--exit-when-idle=1s").CombinedOutput()
	require.NoError(t, err, "%s", out)

	store, err := dirblob.Open(filepath.Join(data, "store"))
	require.NoError(t, err)
	book := record.New(store, time.Now)
	attempts := 0
	for i, id := range ids {
		rec, err := book.Load(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, record.Succeeded, rec.Status, "%s: %s", id, rec.Message)
		require.Len(t, rec.Artifacts, 3, "what it made, and the report")
		attempts += len(rec.Attempts)
		for _, a := range rec.Artifacts {
			b, err := os.ReadFile(filepath.Join(data, "store", filepath.FromSlash(a.Key)))
			require.NoError(t, err)
			if a.Key == rec.Report {
				require.Contains(t, string(b), "</html>", "%s is whole", a.Key)
				continue
			}
			require.Equal(t, strings.Repeat(string(letter(i)), size), string(b), "%s is whole, and the job's own", a.Key)
		}
	}
	depth, err := d.Depth(t.Context())
	require.NoError(t, err)
	require.Equal(t, queue.Depth{}, depth, "nothing waits, nothing is buried")
	require.Empty(t, mustReadDir(t, filepath.Join(data, "run")), "no temporary folder survives")
	require.Empty(t, survivors(data), "no process survives")
	t.Logf("%d kills, %d attempts for %d jobs", kills, attempts, jobs)
}

func letter(i int) rune { return rune('a' + i%26) }

func sendKilled(t *testing.T, d *localqueue.Driver, n int) []string {
	t.Helper()
	ids := make([]string, n)
	var wg sync.WaitGroup
	for i := range n {
		body, err := json.Marshal(map[string]any{"id": fmt.Sprintf("killed-%03d", i), "pipeline": killedJob, "state": map[string]any{"letter": string(letter(i))}})
		require.NoError(t, err)
		ids[i] = fmt.Sprintf("killed-%03d", i)
		wg.Go(func() {
			_, err := d.Send(context.Background(), queue.Draft{Body: body})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	return ids
}

// killUntilDrained starts workers and kills each at a random moment, until nothing is left to do. Moments are counted in
// jobs that were settled, and some time more, so that a slow machine gets as far with each worker as a fast one; every fourth
// worker or so dies before it settled any.
func killUntilDrained(t *testing.T, d *localqueue.Driver, data string) (kills int) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for left := depthOf(t, d); left > 0; kills++ {
		w := startWorker(t, data, "--exit-when-idle=30s")
		require.NoError(t, w.Start())
		settled := max(0, random.IntN(36)-9)
		for want := max(0, left-settled); left > want; left = depthOf(t, d) {
			if !pause(ctx, 10*time.Millisecond) {
				break
			}
		}
		pause(ctx, time.Duration(50+random.IntN(250))*time.Millisecond)
		require.NoError(t, w.Process.Signal(syscall.SIGKILL))
		_ = w.Wait() // killed, as it should be
		left = depthOf(t, d)
		require.NoError(t, ctx.Err(), "%d jobs left after %d kills", left, kills+1)
	}
	return kills
}

// depthOf counts the messages that wait, are hidden or run.
func depthOf(t *testing.T, d *localqueue.Driver) int {
	t.Helper()
	depth, err := d.Depth(t.Context())
	require.NoError(t, err)
	return int(depth.Visible + depth.InFlight + depth.Delayed)
}

// pause waits for a while; false says that ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// startWorker makes a worker's command; its output is dropped unless the caller wants it.
func startWorker(t *testing.T, data string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"work", "--data", data, "--slots=4", "--visibility=1s"}, args...)...)
	cmd.Env = append(os.Environ(), "MILLRACE_TEST_DATA="+data)
	return cmd
}

// survivors lists the command lines of processes that still work below data.
func survivors(data string) []string {
	var left []string
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range procs {
		cwd, _ := os.Readlink(p + "/cwd")
		cmdline, _ := os.ReadFile(p + "/cmdline")
		if strings.HasPrefix(cwd, data) || strings.Contains(string(cmdline), data) {
			left = append(left, strings.ReplaceAll(string(cmdline), "\x00", " "))
		}
	}
	return left
}

func mustReadDir(t *testing.T, dir string) []os.DirEntry {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	return entries
}
