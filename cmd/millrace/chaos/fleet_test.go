//go:build linux

package chaos_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/cloud/sdk"
	"github.com/millrace/millrace/modules/servertest"
	"github.com/millrace/millrace/worker/historytest"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/queue/cosqueue"
)

// fleetJobs is the catalogue of a fleet. A chaotic job writes two files and has programs of its own to leave behind;
// what its state says decides how long it naps and how it ends. A gated job tells the receiver that it runs, and goes on
// when that answers. A greedy job takes 300 MB of memory.
var fleetJobs = map[string]string{
	"chaotic": `
name: chaotic
tasks:
  - {name: first, module: Shell, props: {command: sh, args: [-c, "env; mkdir -p outputs && head -c 30000 /dev/zero | tr '\\0' {{ letter }} > outputs/a.bin"]}}
  - {name: nap, module: Shell, props: {command: sleep, args: ["{{ nap }}"]}}
  - {name: second, module: Shell, props: {command: sh, args: [-c, "cp outputs/a.bin outputs/b.bin; test {{ fate }} = fine || test {{ fate }} = wavers -a {{ job.attempt }} -gt 1"]}}
`,
	"gated": `
name: gated
tasks:
  - {name: first, module: Shell, props: {command: sh, args: [-c, "env; mkdir -p outputs && echo {{ job.id }} > outputs/a.txt"]}}
  - {name: gate, module: Http, props: {url: "{{ ear }}/ear/{{ job.id }}"}}
`,
	"greedy": `
name: greedy
tasks:
  - {name: hoard, module: Shell, props: {command: sh, args: [-c, "x=$(head -c 300000000 /dev/zero | tr '\\0' x); sleep 60"]}}
`,
}

const canary = "canary-5f4dcc3b5aa765d61d83"

// A fleet is workers on one queue and one store, which lie behind wires of each worker's own.
type fleet struct {
	t         *testing.T
	h         *historytest.History
	receiver  *historytest.Receiver
	sqs       *sqs.Client
	s3        *s3.Client
	cos       queue.Broker // nil: the queue is on SQS
	server    string       // of the queue
	s3Server  string
	name      string // of queue and bucket
	url, dead string // of the queues on SQS
	dir       string
	args      []string // of every worker

	mu      sync.Mutex
	born    int            // guarded by mu: workers that were ever started
	workers []*fleetWorker // guarded by mu
	logs    map[string]*safeBuffer
}

// A safeBuffer is written to by a process while it is read.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// newFleet has no workers yet. Its queue is on SQS, and hides messages for visibility.
func newFleet(t *testing.T, sqsServer string, visibility time.Duration, args ...string) *fleet {
	t.Helper()
	f := newStore(t, visibility)
	f.server = sqsServer
	f.sqs = sqs.NewFromConfig(f.aws(), func(o *sqs.Options) { o.BaseEndpoint = aws.String(f.server) })
	f.dead = f.createQueue(f.name+"-dead", nil)
	f.create()
	f.args = append(append(f.args, "--queue=sqs:"+f.name), args...)
	return f
}

// newBucketFleet is one whose queue is in a bucket.
func newBucketFleet(t *testing.T, visibility time.Duration, args ...string) *fleet {
	t.Helper()
	f := newStore(t, visibility)
	f.server = f.s3Server
	bucket := f.name + "-queue"
	_, err := f.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket})
	require.NoError(t, err)
	f.cos, err = cosqueue.Open(t.Context(), cosqueue.Config{
		COS:    sdk.COS{Endpoint: f.server, AccessKeyID: servertest.AccessKey, SecretAccessKey: servertest.SecretKey},
		Bucket: bucket, Prefix: "q", Visibility: visibility,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.cos.Close()) })
	f.h.Sent = map[string][]string{}
	f.args = append(append(f.args, "--queue=cos://"+bucket+"/q"), args...)
	return f
}

func (f *fleet) aws() aws.Config {
	return aws.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider(servertest.AccessKey, servertest.SecretKey, "")}
}

// newStore is a fleet without a queue.
func newStore(t *testing.T, visibility time.Duration) *fleet {
	t.Helper()
	signing := base64.StdEncoding.EncodeToString([]byte(canary + canary))
	f := &fleet{
		t: t, s3Server: servertest.Versitygw(t), dir: t.TempDir(), logs: map[string]*safeBuffer{},
		name: "fleet-" + strconv.FormatInt(time.Now().UnixNano(), 36),
	}
	f.h = &historytest.History{
		Visibility: visibility, Store: f.name, Secrets: []string{canary, signing, servertest.SecretKey},
		Waiting: map[string]int{}, Dead: map[string]int{}, Objects: map[string]historytest.Object{}, Logs: map[string]string{},
	}
	f.receiver = historytest.NewReceiver(t, f.h, "whsec_"+signing)
	f.s3 = s3.NewFromConfig(f.aws(), func(o *s3.Options) { o.BaseEndpoint, o.UsePathStyle = aws.String(f.s3Server), true })
	_, err := f.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &f.name})
	require.NoError(t, err)
	for name, text := range fleetJobs {
		require.NoError(t, os.WriteFile(filepath.Join(f.dir, name+".yaml"), []byte(text), 0o600))
	}
	f.args = []string{
		"work", "--store=s3://" + f.name, "--pipelines=" + f.dir, "--visibility=" + visibility.String(), "--allow-hosts=127.0.0.1",
	}
	t.Cleanup(func() {
		for _, w := range f.workers {
			w.kill() // where the test has failed, else it is gone
		}
		if t.Failed() {
			f.explain()
		}
	})
	return f
}

func (f *fleet) createQueue(name string, attributes map[string]string) string {
	f.t.Helper()
	out, err := f.sqs.CreateQueue(f.t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	require.NoError(f.t, err)
	return *out.QueueUrl
}

// create makes the queue, which moves to the dead-letter queue what was received a thousand times.
func (f *fleet) create() {
	f.t.Helper()
	f.url = f.createQueue(f.name, map[string]string{
		"VisibilityTimeout": strconv.Itoa(int(f.h.Visibility.Seconds())),
		"RedrivePolicy":     fmt.Sprintf(`{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:%s-dead","maxReceiveCount":"1000"}`, f.name),
	})
}

// A fleetWorker is one process of the program.
type fleetWorker struct {
	name         string
	queue, store *historytest.Wire
	log          *safeBuffer
	fleet        *fleet
	cmd          *exec.Cmd
	ended        chan struct{} // closed when it has, and err is set
	err          error
}

// start starts a worker in the data folder of a slot, which the worker before it may have left in any state.
func (f *fleet) start(slot int, args ...string) *fleetWorker {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.born++
	w := &fleetWorker{name: fmt.Sprintf("w%d.%d", slot, f.born), fleet: f, log: &safeBuffer{}, ended: make(chan struct{})}
	w.queue = historytest.NewWire(f.t, f.h, w.name, f.server)
	w.store = historytest.NewWire(f.t, f.h, w.name, f.s3Server)
	data := filepath.Join(f.dir, fmt.Sprintf("data%d", slot))
	w.cmd = exec.Command(binary, append(append([]string(nil), f.args...), append([]string{"--data=" + data, "--name=" + w.name}, args...)...)...)
	w.cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + f.dir, "SOME_SECRET=" + canary,
		"AWS_ACCESS_KEY_ID=" + servertest.AccessKey, "AWS_SECRET_ACCESS_KEY=" + servertest.SecretKey,
		"MILLRACE_REGION=us-east-1", "MILLRACE_SQS_ENDPOINT=" + w.queue.Endpoint, "MILLRACE_COS_ENDPOINT=" + w.queue.Endpoint,
		"MILLRACE_COS_ACCESS_KEY_ID=" + servertest.AccessKey, "MILLRACE_COS_SECRET_ACCESS_KEY=" + servertest.SecretKey,
		"MILLRACE_S3_ENDPOINT=" + w.store.Endpoint,
		"MILLRACE_CALLBACK_SECRET=whsec_" + f.h.Secrets[1],
	}
	w.cmd.Stderr, w.cmd.Stdout = w.log, w.log
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	w.cmd.WaitDelay = time.Second
	require.NoError(f.t, w.cmd.Start())
	f.h.Act(w.name, historytest.Started)
	f.workers, f.logs[w.name] = append(f.workers, w), w.log
	go func() {
		w.err = w.cmd.Wait()
		f.h.Act(w.name, historytest.Exited)
		w.queue.Close()
		w.store.Close()
		close(w.ended)
	}()
	return w
}

// kill ends the worker and its group with SIGKILL, and waits for the end.
func (w *fleetWorker) kill() {
	w.strike()
	<-w.ended
}

// strike sends SIGKILL.
func (w *fleetWorker) strike() {
	w.fleet.h.Act(w.name, historytest.Killed)
	_ = syscall.Kill(-w.cmd.Process.Pid, syscall.SIGKILL) // it may be gone
}

func (w *fleetWorker) term() {
	_ = syscall.Kill(w.cmd.Process.Pid, syscall.SIGTERM) // it may be gone
	w.fleet.h.Act(w.name, historytest.Term)
}

// says waits until there is a text in the worker's log.
func (w *fleetWorker) says(text string) {
	w.fleet.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); <-tick.C {
		if strings.Contains(w.log.String(), text) || !w.runs() {
			return
		}
	}
	w.fleet.t.Fatalf("%s never says %q: %s", w.name, text, w.log)
}

// end waits for the worker, which must end well within d.
func (w *fleetWorker) end(d time.Duration) {
	w.fleet.t.Helper()
	select {
	case <-w.ended:
		require.NoError(w.fleet.t, w.err, "%s", w.log)
	case <-time.After(d):
		w.fleet.t.Fatalf("%s did not end within %s: %s", w.name, d, w.log)
	}
}

// depth is what lies in the queue, hidden or not.
func (f *fleet) depth(url string) (visible, hidden int) {
	f.t.Helper()
	if f.cos != nil {
		d, err := f.cos.Depth(f.t.Context())
		require.NoError(f.t, err)
		return d.Visible, d.InFlight + d.Delayed
	}
	out, err := f.sqs.GetQueueAttributes(f.t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	require.NoError(f.t, err)
	n := func(name string) int {
		v, _ := strconv.Atoi(out.Attributes["ApproximateNumberOfMessages"+name])
		return v
	}
	return n(""), n("NotVisible") + n("Delayed")
}

// drained waits until nothing is left in the queue.
func (f *fleet) drained(within time.Duration) {
	f.t.Helper()
	end := time.After(within)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		visible, hidden := f.depth(f.url)
		if visible+hidden == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			f.t.Fatalf("after %s %d messages wait and %d are hidden", within, visible, hidden)
		}
	}
}

// stop ends all workers that run, in peace.
func (f *fleet) stop() {
	f.t.Helper()
	for _, w := range f.workers {
		w.says("worker ready") // from there on it knows of signals
		if w.runs() {
			w.term()
		}
	}
	for _, w := range f.workers {
		select {
		case <-w.ended:
		case <-time.After(30 * time.Second):
			f.t.Fatalf("%s did not end after SIGTERM: %s", w.name, w.log)
		}
	}
}

// verify looks at what is there now that nothing runs, and holds the history against the invariants.
func (f *fleet) verify() {
	f.t.Helper()
	if f.cos == nil {
		f.gather(f.url, f.h.Waiting)
		f.gather(f.dead, f.h.Dead)
	} else {
		f.look()
	}
	pages := s3.NewListObjectsV2Paginator(f.s3, &s3.ListObjectsV2Input{Bucket: &f.name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(f.t.Context())
		require.NoError(f.t, err)
		for _, o := range page.Contents {
			f.h.Objects[*o.Key] = f.h.Describe(*o.Key, f.object(*o.Key))
		}
	}
	for name, log := range f.logs {
		f.h.Logs[name] = log.String()
	}
	f.h.Left = append(f.h.Left, survivors(f.dir)...)
	runs, err := filepath.Glob(filepath.Join(f.dir, "data*", "run", "*"))
	require.NoError(f.t, err)
	f.h.Left = append(f.h.Left, runs...)
	for _, v := range historytest.Check(f.h, historytest.Slack{Call: 500 * time.Millisecond, Term: 500 * time.Millisecond}) {
		f.t.Error(v)
	}
}

func (f *fleet) object(key string) []byte {
	f.t.Helper()
	out, err := f.s3.GetObject(f.t.Context(), &s3.GetObjectInput{Bucket: &f.name, Key: &key})
	require.NoError(f.t, err)
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	require.NoError(f.t, err)
	return b
}

// gather counts the jobs of all messages that a queue will hand out.
func (f *fleet) gather(url string, into map[string]int) {
	f.t.Helper()
	for seen := map[string]bool{}; ; {
		out, err := f.sqs.ReceiveMessage(f.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10, VisibilityTimeout: 60})
		require.NoError(f.t, err)
		if len(out.Messages) == 0 {
			return
		}
		for _, m := range out.Messages {
			if !seen[*m.MessageId] {
				tally(into, []byte(*m.Body))
			}
			seen[*m.MessageId] = true
		}
	}
}

// look counts the jobs of all messages that lie in a bucket.
func (f *fleet) look() {
	f.t.Helper()
	waiting, err := f.cos.Peek(f.t.Context(), 10_000)
	require.NoError(f.t, err)
	for _, m := range waiting {
		tally(f.h.Waiting, m.Body)
	}
	dead, err := f.cos.Dead(f.t.Context(), 10_000)
	require.NoError(f.t, err)
	for _, m := range dead {
		tally(f.h.Dead, m.Body)
	}
}

// reveal makes visible what a worker has: another may receive it too, as SQS may deliver twice.
func (f *fleet) reveal() {
	f.t.Helper()
	for _, c := range f.h.Calls() {
		for _, m := range c.Messages {
			_, err := f.sqs.ChangeMessageVisibility(f.t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: &f.url, ReceiptHandle: aws.String(m.Receipt), VisibilityTimeout: 0})
			require.NoError(f.t, err)
		}
	}
}

// explain shows the ends of the workers' logs after a failure.
func (f *fleet) explain() {
	for name, log := range f.logs {
		text := log.String()
		f.t.Logf("%s: …%s", name, text[max(0, len(text)-1500):])
	}
}

// calls counts the calls that are like this.
func (f *fleet) calls(like func(c historytest.Call) bool) int {
	n := 0
	for _, c := range f.h.Calls() {
		if like(c) {
			n++
		}
	}
	return n
}

// puts counts the objects that were created with this in their key.
func (f *fleet) puts(part string) int {
	return f.calls(func(c historytest.Call) bool { return c.Verb == "PUT" && c.Passed() && strings.Contains(c.Key, part) })
}

// key is the whole key of the one object that has this in its key.
func (f *fleet) key(part string) string {
	f.t.Helper()
	for key := range f.h.Objects {
		if strings.Contains(key, part) {
			return key
		}
	}
	f.t.Fatalf("no object has %s in its key", part)
	panic("unreachable")
}
