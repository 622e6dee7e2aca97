// Package servertest starts the servers that tests talk to, as `make tools` installed them. A server is started once for
// all tests of a package and ends with their process, however that ends; tests keep apart by the names of their queues
// and buckets.
package servertest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// AccessKey and SecretKey are taken by every server here.
	AccessKey = "millrace-test"
	SecretKey = "millrace-test-secret"
)

var (
	fauxqs    = sync.OnceValues(startFauxqs)
	elasticMQ = sync.OnceValues(startElasticMQ)
	versitygw = sync.OnceValues(func() (string, error) { return startVersitygw() })
	gcs       = sync.OnceValues(startGCS)
)

// Fauxqs returns the endpoint of a fast SQS in memory. It takes unknown receipts on a delete, as SQS does not.
func Fauxqs(t testing.TB) (endpoint string) { return started(t, fauxqs) }

// ElasticMQ returns the endpoint of an SQS that is strict about receipts; a second delete by one is an error there.
func ElasticMQ(t testing.TB) (endpoint string) { return started(t, elasticMQ) }

// Versitygw returns the endpoint of an S3 with atomic conditional writes, on a folder.
func Versitygw(t testing.TB) (endpoint string) { return started(t, versitygw) }

// VersitygwTelling returns the endpoint of another one, which posts what happens in its buckets to a webhook. The receiver must
// be there already.
func VersitygwTelling(t testing.TB, webhook string) (endpoint string) {
	return started(t, func() (string, error) { return startVersitygw("--event-webhook-url", webhook) })
}

// GCS returns the endpoint of a Google Cloud Storage in this process. It asks for no credentials, and keeps objects in memory.
func GCS(t testing.TB) (endpoint string) { return started(t, gcs) }

func started(t testing.TB, server func() (string, error)) string {
	t.Helper()
	endpoint, err := server()
	require.NoError(t, err)
	return endpoint
}

func startFauxqs() (string, error) {
	return start(func(port int, _ string) ([]string, string) {
		const script = `import(process.argv[1]).then(async ({buildApp}) => {
			const app = buildApp({logger: false, host: "127.0.0.1"})
			await app.listen({port: Number(process.argv[2]), host: "127.0.0.1"})
		})`
		return []string{"node", "-e", script, tool("fauxqs/node_modules/fauxqs/dist/app.js"), strconv.Itoa(port)}, "/"
	})
}

func startElasticMQ() (string, error) {
	return start(func(port int, dir string) ([]string, string) {
		conf := fmt.Sprintf(`include classpath("application.conf")
			node-address { protocol = http, host = "127.0.0.1", port = %d }
			rest-sqs { enabled = true, bind-port = %d, bind-hostname = "127.0.0.1", sqs-limits = strict }
			rest-stats { enabled = false }`, port, port)
		file := filepath.Join(dir, "elasticmq.conf")
		if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
			return nil, err.Error()
		}
		return []string{"java", "-Xmx512m", "-XX:+UseSerialGC", "-Dconfig.file=" + file, "-cp", tool("elasticmq") + "/*", "org.elasticmq.server.Main"}, "/"
	})
}

func startVersitygw(more ...string) (string, error) {
	return start(func(port int, dir string) ([]string, string) {
		argv := []string{
			tool("bin/versitygw"), "--access", AccessKey, "--secret", SecretKey,
			"--port", "127.0.0.1:" + strconv.Itoa(port), "--quiet",
		}
		return append(append(argv, more...), "posix", dir), "/"
	})
}

// tool is the path of something that `make tools` installs.
func tool(name string) string {
	dir, err := os.Getwd()
	for err == nil && dir != "/" {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, ".tools", filepath.FromSlash(name))
		}
		dir = filepath.Dir(dir)
	}
	return name
}

// lifelines are the servers' stdins, and what holds their ports. A file that nobody refers to is closed by the garbage collector.
var lifelines struct {
	sync.Mutex
	open []io.Closer
}

// start runs a server on a free port and in a folder of its own until this process is gone, and waits for it to answer.
// A server whose stdin ends is killed: that end comes whatever becomes of us.
func start(make func(port int, dir string) (argv []string, ready string)) (string, error) {
	dir, err := os.MkdirTemp("", "millrace-server-")
	if err != nil {
		return "", err
	}
	port, hold, err := Reserve()
	if err != nil {
		return "", err
	}
	argv, ready := make(port, dir)
	if _, err := exec.LookPath(firstOf(argv, ready)); err != nil {
		return "", fmt.Errorf("%w: `make tools` installs it", err)
	}
	const watch = `dir=$1; shift; "$@" </dev/null & server=$!
		(while read -r _; do :; done; kill -9 $server; rm -rf "$dir") <&3 & wait $server`
	cmd := exec.Command("sh", append([]string{"-c", "exec 3<&0; " + watch, "sh", dir}, argv...)...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		return "", err
	}
	lifelines.Lock()
	lifelines.open = append(lifelines.open, lifeline, hold)
	lifelines.Unlock()
	if err := cmd.Start(); err != nil {
		return "", err
	}
	endpoint := "http://127.0.0.1:" + strconv.Itoa(port)
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err := answers(endpoint, ready); err == nil {
			return endpoint, nil
		}
	}
	_ = lifeline.Close() // the server's end, and with it that of what it says
	_ = cmd.Wait()
	return "", fmt.Errorf("%s does not answer: %s", argv[0], &said)
}

// answers asks a server for a page; one that has none (ready is empty) need only take a connection.
func answers(endpoint, ready string) error {
	if ready == "" {
		conn, err := net.Dial("tcp", strings.TrimPrefix(endpoint, "http://"))
		if err != nil {
			return err
		}
		return conn.Close()
	}
	resp, err := http.Get(endpoint + ready)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func firstOf(argv []string, instead string) string {
	if len(argv) == 0 {
		return instead
	}
	return argv[0]
}

// Reserve returns a port that no other test is given, of this process or another, until hold is closed: what listens there
// may stop and start again. It is below those that Linux gives to outgoing connections. We hold it by listening on the one
// above it.
func Reserve() (port int, hold io.Closer, err error) {
	for range 100 {
		port = 15_000 + 2*rand.IntN(8_500)
		lock, taken := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port+1))
		if taken != nil {
			err = taken
			continue
		}
		l, taken := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if taken == nil {
			return port, lock, l.Close()
		}
		err = errors.Join(taken, lock.Close())
	}
	return 0, nil, err
}
