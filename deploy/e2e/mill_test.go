//go:build e2e && linux

package e2e_test

// How to add a story: a test in a file of its own, story_NOUN_test.go, with the build line above.
//
//	func TestMessagesAreRun(t *testing.T) {
//		m := newMill(t, "greets", plan{overlay: "dev", queue: "sqs"})    // its own namespace, queues and bucket
//		m.apply()                                                        // the overlay; returns when the scaler answers
//		m.idle(time.Minute)                                              // nothing of class light runs
//		ids := m.send(3, "hello", nil)
//		took := m.await(time.Minute, "three final records", func() bool { return len(m.finals(ids)) == 3 })
//		mustHold(t, "three messages are run", took < 30*time.Second, "%s", took)
//	}
//
// Every wait is an await with a limit. What a story promises it prints by mustHold. One that fails shows a picture of its
// namespace. The namespace goes when the test ends. A story that waits more than it computes, and measures no moment, begins
// with t.Parallel: those run side by side when the others are over.

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/s3blob"
	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/cloud/sdk"
	"github.com/millrace/millrace/modules/servertest"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/queue/cosqueue"
	"github.com/millrace/millrace/worker/queue/sqsqueue"
	"github.com/millrace/millrace/worker/record"
)

// A plan is how a mill differs from its overlay.
type plan struct {
	overlay    string            // below deploy/overlays
	queue      string            // where the messages of class light are: sqs or cos
	elastic    bool              // SQS is ElasticMQ: fauxqs goes on to count as in flight what is due again, until somebody receives
	gpu        bool              // class gpu is there too, run by the image of class light; its queue is of the same kind
	components []string          // below deploy/components
	pipelines  map[string]string // by name; hello is there always
	settings   []string          // MILLRACE_…=… of workers and scaler
	patches    []object          // more patches of kustomize: {"target": …, "patch": …}
	resources  []string          // more manifests, as text
}

// hasScaler says that ours is there: the component of KEDA's own trigger takes it away.
func (p plan) hasScaler() bool { return !slices.Contains(p.components, "sqs-trigger") }

// A mill is one deployment of ours in a namespace, with the brokers that it speaks to.
type mill struct {
	t         *testing.T
	plan      plan
	name      string                  // of the namespace, the bucket, and in those of the queues
	sqs, s3   *door                   // the brokers, as pods reach them
	scaler    *door                   // gRPC of the scaler's Service, as KEDA reaches it
	refs      map[string]string       // of the queues, by class, as --queue has them
	urls      map[string]string       // of the queues in SQS, by class
	queues    map[string]queue.Broker // by class
	store     blob.Store
	book      *record.Book
	sent      map[string]time.Time      // when, by job
	over      map[string]*record.Record // final ones that were read, by job: they stay as they are
	client    *s3.Client
	sqsClient *sqs.Client
}

// newMill makes the queues and the bucket, and nothing in the cluster yet.
func newMill(t *testing.T, name string, p plan) *mill {
	t.Helper()
	sqsServer, s3Server := servertest.Fauxqs(t), servertest.Versitygw(t)
	if p.elastic {
		sqsServer = servertest.ElasticMQ(t)
	}
	name = "e2e-" + name
	m := &mill{
		t: t, plan: p, name: name, sqs: doorTo(t, sqsServer), s3: doorTo(t, s3Server),
		refs: map[string]string{}, urls: map[string]string{}, queues: map[string]queue.Broker{}, sent: map[string]time.Time{}, over: map[string]*record.Record{},
	}
	m.scaler = serviceDoor(t, name, "millrace-scaler", 9090)
	keys := aws.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider(servertest.AccessKey, servertest.SecretKey, "")}
	m.client = s3.NewFromConfig(keys, func(o *s3.Options) { o.BaseEndpoint, o.UsePathStyle = &s3Server, true })
	m.sqsClient = sqs.NewFromConfig(keys, func(o *sqs.Options) { o.BaseEndpoint = &sqsServer })
	_, err := m.client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name})
	require.NoError(t, err)
	store, err := s3blob.Open(t.Context(), s3blob.Config{AWS: access(s3Server), Bucket: name, Prefix: "store"})
	require.NoError(t, err)
	m.store, m.book = store, record.New(store, time.Now)
	for _, class := range m.classes() {
		m.createQueue(class, sqsServer, s3Server)
	}
	return m
}

func (m *mill) classes() []string {
	if m.plan.gpu {
		return []string{"light", "gpu"}
	}
	return []string{"light"}
}

// access is to a server on this machine.
func access(endpoint string) sdk.AWS {
	return sdk.AWS{Region: "us-east-1", Endpoint: endpoint, Keys: func(context.Context) (cloud.Keys, error) {
		return cloud.Keys{ID: servertest.AccessKey, Secret: servertest.SecretKey}, nil
	}}
}

func (m *mill) createQueue(class, sqsServer, s3Server string) {
	m.t.Helper()
	var err error
	if m.plan.queue == "cos" {
		m.refs[class] = "cos://" + m.name + "/queue-" + class
		m.queues[class], err = cosqueue.Open(m.t.Context(), cosqueue.Config{
			COS:    sdk.COS{Endpoint: s3Server, AccessKeyID: servertest.AccessKey, SecretAccessKey: servertest.SecretKey},
			Bucket: m.name, Prefix: "queue-" + class,
		})
	} else {
		dead, name := m.name+"-"+class+"-dead", m.name+"-"+class
		_, err = m.sqsClient.CreateQueue(m.t.Context(), &sqs.CreateQueueInput{QueueName: &dead})
		require.NoError(m.t, err)
		out, created := m.sqsClient.CreateQueue(m.t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: map[string]string{
			"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:%s","maxReceiveCount":"100"}`, dead),
		}})
		require.NoError(m.t, created)
		m.refs[class], m.urls[class] = "sqs:"+name, *out.QueueUrl
		m.queues[class], err = sqsqueue.Open(m.t.Context(), sqsqueue.Config{Queue: name, AWS: access(sqsServer)})
	}
	require.NoError(m.t, err)
	m.t.Cleanup(func() { require.NoError(m.t, m.queues[class].Close()) })
}

// apply creates the namespace with all of the overlay, and waits until the scaler's replicas are ready.
func (m *mill) apply() {
	m.t.Helper()
	m.t.Cleanup(m.remove)
	mustKubectl(m.t, []byte(m.manifests()), "apply", "--server-side", "-f", "-")
	if m.plan.hasScaler() {
		_, err := kubectl(m.t, nil, "-n", m.name, "rollout", "status", "deployment/millrace-scaler", "--timeout=80s")
		if err != nil {
			m.t.Fatalf("the scaler is not ready: %v", err)
		}
	}
}

// manifests is what kustomize makes of the overlay and the plan.
func (m *mill) manifests() string {
	m.t.Helper()
	dir := m.t.TempDir()
	write := func(name, text string) {
		require.NoError(m.t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	kustomization := m.kustomization(dir)
	for name, text := range m.plan.pipelines {
		write(name+".yaml", text)
	}
	for i, text := range m.plan.resources {
		write("more-"+strconv.Itoa(i)+".yaml", text)
	}
	text, err := json.Marshal(kustomization)
	require.NoError(m.t, err)
	write("kustomization.yaml", string(text))
	return mustKubectl(m.t, nil, "kustomize", dir)
}

// remove takes the namespace away, and gives its pods no time: what they had to do the story has looked at.
func (m *mill) remove() {
	if m.t.Failed() {
		m.t.Log(m.picture())
	}
	for _, args := range [][]string{
		{"delete", "scaledobjects,scaledjobs", "--all", "-n", m.name, "--timeout=20s"},
		{"delete", "deployments,pods", "--all", "-n", m.name, "--grace-period=1", "--timeout=30s"},
		{"delete", "namespace", m.name, "--timeout=40s"},
	} {
		if _, err := afterwards(m.t, args...); err != nil {
			m.t.Errorf("remove %s: %v", m.name, err)
		}
	}
}
