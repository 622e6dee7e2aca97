//go:build bench && linux

package main_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// benchGateway is jobs posted by 32 connections, each answered when it is durable. Client, gateway and broker share the machine.
func benchGateway(t *testing.T) {
	t.Run("embedded", func(t *testing.T) {
		benchPosts(t, "embedded", exec.Command(binary, "gateway", "--data", t.TempDir(), "--listen", "127.0.0.1:0"), 10_000)
	})
	t.Run("SQS", func(t *testing.T) {
		p := withServers(t).onSQS()
		cmd := exec.Command(binary, "gateway", "--listen", "127.0.0.1:0")
		cmd.Dir, cmd.Env = p.dir, append(os.Environ(), p.env...)
		benchPosts(t, "SQS (fauxqs)", cmd, 10_000)
	})
}

func benchPosts(t *testing.T, where string, cmd *exec.Cmd, jobs int) {
	t.Helper()
	log, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewReader(log)
	ready, err := lines.ReadString('\n')
	require.NoError(t, err)
	at := regexp.MustCompile(`listen=(\S+)`).FindStringSubmatch(ready)
	require.NotNil(t, at, ready)
	go func() { _, _ = io.Copy(io.Discard, lines) }() // ends with the gateway
	url := "http://" + at[1] + "/v1/jobs"
	postAll(t, url, 1000, 32)
	began, used := time.Now(), cpuTime(t, cmd.Process.Pid)
	took := postAll(t, url, jobs, 32)
	whole := time.Since(began)
	used = cpuTime(t, cmd.Process.Pid) - used
	figure(t, "gateway: "+where+", jobs posted by 32 connections", float64(jobs)/whole.Seconds(), "/s", "≥", 1000)
	figure(t, "gateway: the same, answered, p99", ms(took[len(took)*99/100]), "ms", "≤", 100)
	plain("gateway: the same, answered, p50", ms(median(took)), "ms")
	plain("gateway: the same, CPU of the gateway", float64(used.Microseconds())/float64(jobs), "µs a job")
	plain("gateway: the same, RssAnon", rssAnon(t, cmd.Process.Pid), "MiB")
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait())
}

// postAll posts jobs and returns how long each answer took, the shortest first.
func postAll(t *testing.T, url string, jobs, conns int) []time.Duration {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: conns, MaxConnsPerHost: conns}}
	defer client.CloseIdleConnections()
	all := make([][]time.Duration, conns)
	var wg sync.WaitGroup
	for c := range conns {
		wg.Go(func() {
			for i := range jobs / conns {
				begin := time.Now()
				res, err := client.Post(url, "application/json", strings.NewReader(fmt.Sprintf(`{"pipeline":"hello_world","state":{"name":"%d"}}`, c*jobs+i)))
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				if res.StatusCode != http.StatusAccepted {
					t.Error(res.Status)
				}
				all[c] = append(all[c], time.Since(begin))
			}
		})
	}
	wg.Wait()
	took := slices.Concat(all...)
	slices.Sort(took)
	return took
}
