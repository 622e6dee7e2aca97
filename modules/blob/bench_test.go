//go:build bench

package blob_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/blobtest"
	"github.com/millrace/millrace/modules/blob/s3blob"
	"github.com/millrace/millrace/modules/cloud/sdk"
	"github.com/millrace/millrace/modules/servertest"
)

const (
	benchSize   = 1 << 30
	benchRounds = 5
	benchOurs   = "MILLRACE_BENCH_MOVE" // set in a child of ours: up or down
)

// TestMain lets this binary be our side of the comparison: a process of its own, as the peers are.
func TestMain(m *testing.M) {
	if way := os.Getenv(benchOurs); way != "" {
		if err := benchMove(context.Background(), way, os.Args[1], os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func benchMove(ctx context.Context, way, endpoint, bucket, name string) error {
	s, err := s3blob.Open(ctx, s3blob.Config{AWS: sdk.AWS{Endpoint: endpoint, Region: "us-east-1"}, Bucket: bucket})
	if err != nil {
		return err
	}
	if way == "up" {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		_, err = s.Upload(ctx, f, "ours", blob.PutOptions{})
		return err
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if _, err := s.Download(ctx, "ours", f, math.MaxInt64); err != nil {
		return err
	}
	return f.Close()
}

// A moved is what it cost to move the file.
type moved struct{ Seconds, CPU, MiB float64 } // MiB of RssAnon, at most

// A mover is one of those who are compared.
type mover struct {
	name     string
	up, down []string // argv
}

// TestBenchS3 moves a file of 1 GiB up and down, by each in turns; the median of each counts. The server runs on the same
// machine and takes most of its time.
func TestBenchS3(t *testing.T) {
	dir := benchFolder(t)
	endpoint := servertest.Versitygw(t)
	bucket := blobtest.Bucket(t, endpoint)
	blobtest.AWS(t, endpoint) // credentials, by the environment
	file, back := benchFile(t, dir), filepath.Join(dir, "back")
	movers := benchMovers(endpoint, bucket, file, back)
	both, up, down := make([][]moved, len(movers)), make([][]moved, len(movers)), make([][]moved, len(movers))
	for range benchRounds {
		for i, m := range movers {
			_ = os.Remove(back)
			there, here := benchRun(t, "up", m.up), benchRun(t, "down", m.down)
			t.Logf("%s: up %+v, down %+v", m.name, there, here)
			up[i], down[i] = append(up[i], there), append(down[i], here)
			both[i] = append(both[i], moved{there.Seconds + here.Seconds, there.CPU + here.CPU, max(there.MiB, here.MiB)})
		}
	}
	benchSay(t, "up", movers, up)
	benchSay(t, "down", movers, down)
	c := benchSay(t, "up and down", movers, both)
	best := min(c[1].Seconds, c[2].Seconds)
	t.Logf("figure: S3 1 GiB up and down, ours: %.2f × the best wall (bar 1.1), %.2f × the CPU of s5cmd (bar 0.7)", c[0].Seconds/best, c[0].CPU/c[1].CPU)
	require.LessOrEqual(t, c[0].CPU, 0.7*c[1].CPU)
	require.LessOrEqual(t, c[0].Seconds, 1.1*best)
	require.Less(t, c[0].MiB, 150.0)
}

// benchSay prints the medians of each, and returns them.
func benchSay(t *testing.T, way string, movers []mover, all [][]moved) (medians []moved) {
	t.Helper()
	for i, m := range movers {
		c := moved{
			benchMedian(all[i], func(c moved) float64 { return c.Seconds }),
			benchMedian(all[i], func(c moved) float64 { return c.CPU }),
			benchMedian(all[i], func(c moved) float64 { return c.MiB }),
		}
		t.Logf("figure: S3 1 GiB %s, %s: %.2f s, client CPU %.2f s, RssAnon %.0f MiB", way, m.name, c.Seconds, c.CPU, c.MiB)
		medians = append(medians, c)
	}
	return medians
}

func benchMovers(endpoint, bucket, file, back string) []mover {
	s5cmd := []string{benchTool("s5cmd"), "--endpoint-url", endpoint, "cp"}
	rclone := []string{
		benchTool("rclone"), "copyto", "--config", os.DevNull, "--s3-provider", "Other", "--s3-env-auth", "--s3-endpoint", endpoint,
		"--s3-region", "us-east-1", "--ignore-times",
	}
	return []mover{
		{"ours", []string{os.Args[0], endpoint, bucket, file}, []string{os.Args[0], endpoint, bucket, back}},
		{"s5cmd", append(slices.Clone(s5cmd), file, "s3://"+bucket+"/s5cmd"), append(slices.Clone(s5cmd), "s3://"+bucket+"/s5cmd", back)},
		{"rclone", append(slices.Clone(rclone), file, ":s3:"+bucket+"/rclone"), append(slices.Clone(rclone), ":s3:"+bucket+"/rclone", back)},
	}
}

// benchRun runs one program to its end.
func benchRun(t *testing.T, way string, argv []string) moved {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Env = os.Environ()
	if argv[0] == os.Args[0] {
		cmd.Env = append(cmd.Env, benchOurs+"="+way)
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	begin := time.Now()
	require.NoError(t, cmd.Start())
	var most float64
	ended, seen := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(seen)
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			most = max(most, benchRssAnon(cmd.Process.Pid))
			select {
			case <-ended:
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	}()
	err := cmd.Wait()
	took := time.Since(begin).Seconds()
	close(ended)
	<-seen
	require.NoError(t, err, &said)
	return moved{took, (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), most}
}

// benchRssAnon is in MiB; 0 of a process that is gone.
func benchRssAnon(pid int) float64 {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "RssAnon:"); ok {
			kib, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024
		}
	}
	return 0
}

// benchFolder is in memory where there is such a file system, so that the client's disk is not what is measured.
func benchFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "millrace-bench-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

func benchFile(t *testing.T, dir string) string {
	t.Helper()
	from := blobtest.File(t, 64<<20)
	b, err := os.ReadFile(from.Name())
	require.NoError(t, err)
	f, err := os.Create(filepath.Join(dir, "file"))
	require.NoError(t, err)
	for range benchSize / len(b) {
		_, err = f.Write(b)
		require.NoError(t, err)
	}
	require.NoError(t, f.Close())
	return f.Name()
}

func benchTool(name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		return filepath.Join("..", "..", ".tools", "bin", name)
	}
	return path
}

func benchMedian(all []moved, f func(moved) float64) float64 {
	var v []float64
	for _, c := range all {
		v = append(v, f(c))
	}
	slices.Sort(v)
	return v[len(v)/2]
}
