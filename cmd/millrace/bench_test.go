//go:build bench && linux

package main_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob/dirblob"
	"github.com/millrace/millrace/modules/gear"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/stl2obj"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/queue/localqueue"
)

// noop is a job that does next to nothing: what it costs is ours.
const noop = `{"pipeline": {"name": "noop", "tasks": [{"module": "Now", "props": {"key": "at"}}]}}`

// TestBench prints what `make bench` promises. Each figure stands beside its bar; a missed one fails.
func TestBench(t *testing.T) {
	// Throughput comes last: the thousands of files that it leaves and removes slow the disk for a while.
	t.Run("overhead", benchOverhead)
	t.Run("start", benchStart)
	t.Run("idle", benchIdle)
	t.Run("stl2obj", benchSTL2OBJ)
	t.Run("picture", benchPicture)
	t.Run("disk", benchDisk)
	t.Run("throughput", benchThroughput)
	t.Run("SQS", benchSQS)
	t.Run("gateway", benchGateway)
}

// figure prints a measured value beside its bar and fails when it misses it.
func figure(t *testing.T, what string, got float64, unit, relation string, bar float64) {
	t.Helper()
	fmt.Printf("%-52s %10.2f %-9s (bar: %s %g)\n", what, got, unit, relation, bar)
	if (relation == "≤" && got > bar) || (relation == "≥" && got < bar) {
		t.Errorf("%s: %.2f %s misses the bar of %s %g", what, got, unit, relation, bar)
	}
}

func plain(what string, got float64, unit string) { fmt.Printf("%-52s %10.2f %s\n", what, got, unit) }

// benchDisk is the floor under everything that must be on the disk.
func benchDisk(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "f"))
	require.NoError(t, err)
	defer f.Close()
	var took []time.Duration
	for range 200 {
		_, err := f.Write(make([]byte, 512))
		require.NoError(t, err)
		begin := time.Now()
		require.NoError(t, f.Sync())
		took = append(took, time.Since(begin))
	}
	plain("disk: fsync, p50", ms(median(took)), "ms")

	store, err := dirblob.Open(filepath.Join(dir, "store"))
	require.NoError(t, err)
	const n, writers = 4000, 32
	begin := time.Now()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range n / writers {
				if err := store.Create(t.Context(), fmt.Sprintf("jobs/%02d/%d/final", i%64, w*n+i), make([]byte, 1500)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	plain("disk: bare create-once, 32 writers", n/time.Since(begin).Seconds(), "/s")
}

func benchThroughput(t *testing.T) {
	for _, tt := range []struct {
		isolation string
		jobs      int
		slots     int
		bar       float64
	}{
		{"job", 1000, 4, 100},
		{"pipeline", 4000, 16, 600},
		{"none", 6000, 64, 1000},
	} {
		data := t.TempDir()
		d := fill(t, data, tt.jobs)
		cmd := exec.Command(binary, "work", "--data", data, "--isolation", tt.isolation, "--reuse=1000000", fmt.Sprint("--slots=", tt.slots))
		cmd.Stderr = io.Discard
		begin := time.Now()
		require.NoError(t, cmd.Start())
		for left := 1; left > 0; {
			time.Sleep(10 * time.Millisecond)
			depth, err := d.Depth(t.Context())
			require.NoError(t, err)
			left = depth.Visible + depth.InFlight + depth.Delayed
			require.Zero(t, depth.Dead)
			require.Less(t, time.Since(begin), 2*time.Minute)
		}
		took := time.Since(begin)
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		require.NoError(t, cmd.Wait())
		figure(t, fmt.Sprintf("throughput: isolation %s, %d slots, %d jobs", tt.isolation, tt.slots, tt.jobs), float64(tt.jobs)/took.Seconds(), "jobs/s", "≥", tt.bar)
		require.NoError(t, d.Close())
	}
}

// benchSQS is the whole way: from SQS, a process for each job, all of it recorded in a bucket. The servers share the machine.
func benchSQS(t *testing.T) {
	const jobs = 500
	p := withServers(t).onSQS()
	of, err := p.sqs.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String(queueName(t))})
	require.NoError(t, err)
	for range jobs / 10 {
		var ten []types.SendMessageBatchRequestEntry
		for i := range 10 {
			ten = append(ten, types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), MessageBody: aws.String(noop)})
		}
		_, err := p.sqs.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: of.QueueUrl, Entries: ten})
		require.NoError(t, err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "work", "--slots=4", "--inline=on")
	cmd.Dir, cmd.Env = p.dir, append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.dir}, p.env...)
	begin := time.Now()
	require.NoError(t, cmd.Start())
	for left := "more"; left != "0 0"; {
		time.Sleep(20 * time.Millisecond)
		now, err := p.sqs.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: of.QueueUrl, AttributeNames: []types.QueueAttributeName{"All"}})
		require.NoError(t, err)
		left = now.Attributes["ApproximateNumberOfMessages"] + " " + now.Attributes["ApproximateNumberOfMessagesNotVisible"]
		require.Less(t, time.Since(begin), 2*time.Minute)
	}
	took := time.Since(begin)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait())
	plain(fmt.Sprintf("throughput: SQS and S3, isolation job, 4 slots, %d", jobs), jobs/took.Seconds(), "jobs/s")
}

// fill makes a queue of no-op jobs.
func fill(t *testing.T, data string, n int) *localqueue.Driver {
	t.Helper()
	d, err := localqueue.Open(t.Context(), localqueue.Config{Path: filepath.Join(data, "queue.db")})
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for range n / 32 {
				if _, err := d.Send(t.Context(), queue.Draft{Body: []byte(noop)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for range n % 32 {
		_, err := d.Send(t.Context(), queue.Draft{Body: []byte(noop)})
		require.NoError(t, err)
	}
	return d
}

// benchOverhead sends one job after the other to an idle worker whose children are warm.
func benchOverhead(t *testing.T) {
	data := t.TempDir()
	w := newLoggedWorker(t, data, "--slots=4")
	d := fill(t, data, 0)
	defer d.Close()
	var took []time.Duration
	for range 200 {
		time.Sleep(30 * time.Millisecond) // so that a fresh child is warm
		_, err := d.Send(t.Context(), queue.Draft{Body: []byte(noop)})
		require.NoError(t, err)
		took = append(took, time.Duration(w.next(t, "job settled")["duration"].(float64)))
	}
	slices.Sort(took)
	figure(t, "overhead: no-op job, lease to ack, warm child, p50", ms(median(took)), "ms", "≤", 5)
	plain("overhead: the same, p95", ms(took[len(took)*95/100]), "ms")
}

// benchStart compares a child with an empty program, in CPU time.
func benchStart(t *testing.T) {
	ratio, child, empty := startCost(t)
	plain("start: empty Go program, CPU, p50", ms(empty), "ms")
	plain("start: child, CPU, p50", ms(child), "ms")
	figure(t, "start: child / empty program", ratio, "×", "≤", maxStart)

	var took []time.Duration
	for range 10 {
		begin := time.Now()
		w := newLoggedWorker(t, t.TempDir(), "--slots=2")
		took = append(took, w.readyAt.Sub(begin))
		w.stop(t)
	}
	figure(t, "start: `millrace work` ready to receive, p50", ms(median(took)), "ms", "≤", 100)
}

func benchIdle(t *testing.T) {
	w := newLoggedWorker(t, t.TempDir(), "--slots=2")
	time.Sleep(3 * time.Second)
	figure(t, "idle: worker, RssAnon", rssAnon(t, w.cmd.Process.Pid), "MiB", "≤", 20)
	children := proc.Descendants(w.cmd.Process.Pid)
	require.Len(t, children, 2)
	figure(t, "idle: child, RssAnon", rssAnon(t, children[0]), "MiB", "≤", 12)
	before := cpuTime(t, w.cmd.Process.Pid)
	time.Sleep(5 * time.Second)
	figure(t, "idle: worker, share of a core", 100*(cpuTime(t, w.cmd.Process.Pid)-before).Seconds()/5, "%", "≤", 1)
}

// benchSTL2OBJ converts a gear of many triangles, files and all.
func benchSTL2OBJ(t *testing.T) {
	c, _ := moduletest.Call(t)
	f, err := c.Workspace.Create("gear.stl")
	require.NoError(t, err)
	n, err := gear.STL(f, gear.Options{Teeth: 120})
	require.NoError(t, errors.Join(err, f.Close()))
	var took []time.Duration
	for range 5 {
		begin := time.Now()
		_, err := stl2obj.Module.Run(t.Context(), c, map[string]any{"src": "gear.stl", "dest": "gear.obj"})
		require.NoError(t, err)
		took = append(took, time.Since(begin))
	}
	figure(t, fmt.Sprintf("STL2OBJ: %d triangles, binary, file to file", n), float64(n)/median(took).Seconds()/1e6, "M/s", "≥", 1)
}

// benchPicture has a worker draw a model, each in a process of its own, which was given time to start a browser, or may not.
func benchPicture(t *testing.T) {
	tools := toolsHere(t)
	model := filepath.Join(tools, "npm/node_modules/@webxr-input-profiles/assets/dist/profiles/hp-mixed-reality/left.glb")
	body, err := json.Marshal(map[string]any{"pipeline": map[string]any{"name": "picture", "tasks": []any{
		map[string]any{"module": "Shell", "props": map[string]any{"command": "cp", "args": []any{model, "model.glb"}}},
		map[string]any{"module": "ScreenshotGenerator", "props": map[string]any{"src": "model.glb", "config": map[string]any{"width": 512, "height": 512}}},
	}}})
	require.NoError(t, err)
	for _, warm := range []string{"", "chromium"} {
		data := t.TempDir()
		w := newLoggedWorker(t, data, "--slots=1", "--tools="+tools, "--warm="+warm)
		d := fill(t, data, 0)
		var took []time.Duration
		for range 5 {
			time.Sleep(4 * time.Second) // so that the page is open
			_, err := d.Send(t.Context(), queue.Draft{Body: body})
			require.NoError(t, err)
			settled := w.next(t, "job settled")
			require.Equal(t, "ack", settled["verdict"])
			took = append(took, time.Duration(settled["duration"].(float64)))
		}
		what := "picture: 512², lease to ack, --warm=" + warm
		if warm == "" {
			plain(what, ms(median(took)), "ms")
		} else {
			figure(t, what, ms(median(took)), "ms", "≤", 800)
		}
		w.stop(t)
		require.NoError(t, d.Close())
	}
}

// A loggedWorker is a running worker whose JSON log is read.
type loggedWorker struct {
	cmd     *exec.Cmd
	lines   *bufio.Scanner
	readyAt time.Time
}

func newLoggedWorker(t *testing.T, data string, args ...string) *loggedWorker {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"work", "--logger=json", "--data", data}, args...)...)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	w := &loggedWorker{cmd: cmd, lines: bufio.NewScanner(stderr)}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	w.next(t, "worker ready")
	w.readyAt = time.Now()
	return w
}

// next returns the next line of the log with that message.
func (w *loggedWorker) next(t *testing.T, msg string) map[string]any {
	t.Helper()
	for w.lines.Scan() {
		var line map[string]any
		require.NoError(t, json.Unmarshal(w.lines.Bytes(), &line), "%s", w.lines.Bytes())
		if line["msg"] == msg {
			return line
		}
	}
	t.Fatalf("the worker ended before it said %q", msg)
	return nil
}

func (w *loggedWorker) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, w.cmd.Process.Signal(syscall.SIGTERM))
	for w.lines.Scan() { // to its end
	}
	require.NoError(t, w.cmd.Wait())
}

func rssAnon(t *testing.T, pid int) float64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			require.NoError(t, err)
			return kib / 1024
		}
	}
	t.Fatal("no RssAnon in /proc/PID/status")
	return 0
}

// cpuTime is what a process has used, to a hundredth of a second.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	require.NoError(t, err)
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')'):]))
	var ticks int64
	for _, i := range []int{12, 13} { // utime, stime; the name and what precedes it are cut off
		n, err := strconv.ParseInt(f[i-1], 10, 64)
		require.NoError(t, err)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
