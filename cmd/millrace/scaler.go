package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/keda"
	"github.com/millrace/millrace/keda/kubernetes"
	"github.com/millrace/millrace/keda/pods"
	"github.com/millrace/millrace/worker/queue/cosqueue"
	"github.com/millrace/millrace/worker/queue/sqsqueue"
)

// scalerConfig is all that `millrace scaler` can be told.
type scalerConfig struct {
	cloudConfig
	Queue         []string      `flag:"queue" default:"" doc:"queues, comma-separated, each with the name that ScaledObjects call it and that is the class of its workers: light=sqs:NAME,gpu=cos://bucket/prefix"`
	Listen        string        `flag:"listen" default:":9090" doc:"address to answer KEDA on, by gRPC; :9090 is this machine's own, 0.0.0.0:9090 everybody's"`
	TLSCert       string        `flag:"tls-cert" default:"" doc:"file of the certificate that KEDA is shown (PEM); read again when it changes; empty is no TLS"`
	TLSKey        string        `flag:"tls-key" default:"" doc:"file of the certificate's key (PEM)"`
	TLSCA         string        `flag:"tls-ca" default:"" doc:"file of the authorities that KEDA's own certificate must be from (PEM); empty asks for none"`
	Status        string        `flag:"status" default:":8082" doc:"address to answer /metrics-api, /metrics, /healthz and /readyz on"`
	Every         time.Duration `flag:"every" default:"1s" doc:"from one request to a queue's broker to the next, while somebody asks for the queue; 1s or more"`
	Visibility    time.Duration `flag:"visibility" default:"30s" doc:"length of a lease, as the workers have it; for queues in COS"`
	Pods          string        `flag:"pods" default:"auto" doc:"who knows how busy workers are: kubernetes (they are found there, asked, and those that have jobs are marked), none; auto is kubernetes in a pod"`
	Namespace     string        `flag:"namespace" default:"" doc:"namespace of the workers' pods; empty is this pod's own"`
	PodSelector   string        `flag:"pod-selector" default:"app.kubernetes.io/name=millrace,app.kubernetes.io/component=worker" doc:"labels of the workers' pods"`
	Callbacks     string        `flag:"callbacks" default:"" doc:"class of workers that is woken when callbacks are due in the store's outbox, looked at once a minute; empty is none"`
	Store         string        `flag:"store" default:"" doc:"store of the workers, with --callbacks: s3://bucket/prefix, cos://bucket/prefix"`
	KubernetesAPI string        `flag:"kubernetes-api" default:"" doc:"URL of the Kubernetes API server, as kubectl proxy has one; empty is that of the pod's cluster"`

	queues []scaledQueue // of Queue, by complete
	store  storeRef      // of Store, by complete, with Callbacks
}

// A scaledQueue is a queue and what it is called.
type scaledQueue struct {
	name string
	ref  queueRef
}

func newScalerCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "scaler",
		Short: "Tell KEDA how many workers there should be",
		Long: `Answers KEDA, as an external scaler that is asked (external) and pushes
(external-push): how many messages of a queue there are for workers. Messages that
are only hidden for back-off do not count, and pods that have a job do. A queue is
looked at while somebody asks for it.

In Kubernetes it asks the workers' pods how busy they are, and marks those that
have a job, so that idle ones are stopped first. Several may run side by side.`,
		Example: "  millrace scaler --queue light=sqs:jobs,gpu=sqs:jobs-gpu --listen 0.0.0.0:9090 --status 0.0.0.0:8082\n" +
			"  curl 'http://localhost:8082/metrics-api?queue=light'",
		Args: args(cobra.NoArgs),
	}
	var cfg scalerConfig
	load, logs := bind(cmd, &cfg), bindLog(cmd)
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		log, _, err := logs(os.Stderr)
		if err := errors.Join(load(), err); err != nil {
			return err
		}
		soft, _, stop := signals(c.Context())
		defer stop()
		return scale(soft, cfg, log)
	}
	return cmd
}

const inCluster = "/var/run/secrets/kubernetes.io/serviceaccount/"

func (c *scalerConfig) complete(from func(string) string) []error {
	var errs []error
	wrong := func(flag string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", from(flag), err))
		}
	}
	var err error
	c.queues, err = parseScaled(c.Queue)
	wrong("queue", err)
	c.Listen, err = checkAddress(cmp.Or(c.Listen, ":9090"))
	wrong("listen", err)
	c.Status, err = checkAddress(cmp.Or(c.Status, ":8082"))
	wrong("status", err)
	if c.Every < time.Second {
		wrong("every", fmt.Errorf("must be 1s or more, got %s", c.Every))
	}
	if (c.TLSCert == "") != (c.TLSKey == "") || c.TLSCA != "" && c.TLSCert == "" {
		wrong("tls-cert", fmt.Errorf("a certificate needs its key (%s), and %s a certificate", from("tls-key"), from("tls-ca")))
	}
	if kinds := []string{"auto", "kubernetes", "none"}; !slices.Contains(kinds, c.Pods) {
		wrong("pods", fmt.Errorf("%q is none of %s", c.Pods, strings.Join(kinds, ", ")))
	}
	errs = append(errs, c.completeCallbacks(from)...)
	errs = append(errs, c.checkEndpoints(from)...)
	if c.store.kind == kindCOS || slices.ContainsFunc(c.queues, func(q scaledQueue) bool { return q.ref.kind == kindCOS }) {
		errs = append(errs, c.checkCOS(from)...)
	}
	return append(errs, c.completePods(from)...)
}

// completePods says where pods are known, from what Kubernetes tells every pod.
func (c *scalerConfig) completePods(from func(string) string) []error {
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	if c.Pods == "auto" {
		if c.Pods = "none"; host != "" || c.KubernetesAPI != "" {
			c.Pods = "kubernetes"
		}
	}
	if c.Pods != "kubernetes" {
		return nil
	}
	if c.Namespace == "" {
		own, _ := os.ReadFile(inCluster + "namespace")
		c.Namespace = strings.TrimSpace(string(own))
	}
	switch {
	case c.KubernetesAPI == "" && host == "":
		return []error{fmt.Errorf("%s: this is no pod of Kubernetes; name its API server (%s), or ask no pods (none)", from("pods"), from("kubernetes-api"))}
	case c.Namespace == "":
		return []error{fmt.Errorf("%s: is empty, and this is no pod of Kubernetes, which would have one", from("namespace"))}
	case c.KubernetesAPI != "" && !isServer(c.KubernetesAPI):
		return []error{fmt.Errorf("%s: %q is not the URL of a server", from("kubernetes-api"), c.KubernetesAPI)}
	case c.KubernetesAPI == "":
		c.KubernetesAPI = "https://" + net.JoinHostPort(host, cmp.Or(port, "443"))
	}
	return nil
}

// parseScaled reads a list of NAME=QUEUE.
func parseScaled(texts []string) (all []scaledQueue, err error) {
	var errs []error
	label := regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`) // of Kubernetes
	seen := map[string]bool{}
	for _, text := range texts {
		name, rest, ok := strings.Cut(text, "=")
		if !ok || !label.MatchString(name) {
			errs = append(errs, fmt.Errorf("%q is not NAME=QUEUE, like light=sqs:jobs, with a name that can be a label of Kubernetes", text))
			continue
		}
		ref, err := parseQueue(rest)
		switch {
		case err != nil:
			errs = append(errs, err)
		case ref.kind == kindLocal:
			errs = append(errs, fmt.Errorf("%s: the embedded queue is this machine's alone; KEDA scales by sqs:NAME, an SQS URL or ARN, or cos://bucket/prefix", text))
		case seen[name]:
			errs = append(errs, fmt.Errorf("%s is named twice", name))
		}
		seen[name] = true
		all = append(all, scaledQueue{name, ref})
	}
	if len(texts) == 0 {
		errs = append(errs, errors.New("no queue is named; name one like light=sqs:jobs"))
	}
	return all, errors.Join(errs...)
}

// counter is how a queue is counted, and what ends that. No request is made.
func (c *scalerConfig) counter(ctx context.Context, q scaledQueue) (keda.Queue, func() error, error) {
	if q.ref.kind == kindSQS {
		n, err := sqsqueue.NewCounter(ctx, sqsqueue.Config{Queue: q.ref.name, AWS: c.aws(c.SQSEndpoint)})
		if err != nil {
			return keda.Queue{}, nil, err
		}
		return keda.Queue{Name: q.name, Count: n.Count}, n.Close, nil
	}
	n, err := cosqueue.NewCounter(ctx, cosqueue.Config{COS: c.cos(), Bucket: q.ref.bucket, Prefix: q.ref.prefix, Visibility: c.Visibility})
	if err != nil {
		return keda.Queue{}, nil, err
	}
	return keda.Queue{Name: q.name, Count: n.Count}, n.Close, nil
}

// watchPods is what knows pods; nil for none.
func (c *scalerConfig) watchPods(log *slog.Logger) (*pods.Watch, error) {
	if c.Pods != "kubernetes" {
		return nil, nil
	}
	api := kubernetes.API{URL: c.KubernetesAPI}
	if _, err := os.Stat(inCluster + "token"); err == nil && strings.HasPrefix(api.URL, "https:") {
		api.TokenFile, api.CAFile = inCluster+"token", inCluster+"ca.crt"
	}
	return pods.New(pods.Config{API: api, Namespace: c.Namespace, Selector: c.PodSelector, Log: log})
}

// scale wires a scaler together and runs it; cfg is complete.
func scale(ctx context.Context, cfg scalerConfig, log *slog.Logger) (err error) {
	debug.SetGCPercent(50) // what it holds is small, and it is always there: a little CPU for memory
	kc := keda.Config{Every: cfg.Every, Log: log}
	for _, q := range cfg.queues {
		counted, end, err := cfg.counter(ctx, q)
		if err != nil {
			return fmt.Errorf("queue %s: %w", q.name, err)
		}
		defer func() { _ = end() }() // idle connections alone
		if q.name == cfg.Callbacks {
			counted.Due = cfg.due()
		}
		kc.Queues = append(kc.Queues, counted)
	}
	if kc.Pods, err = cfg.watchPods(log); err != nil {
		return err
	}
	if kc.TLS, err = cfg.tls(log); err != nil {
		return err
	}
	s, err := keda.New(kc)
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen for KEDA on %s (MILLRACE_LISTEN): %w", cfg.Listen, err)
	}
	stop, err := serveStatus(ctx, cfg.Status, s.Handler(), log)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer stop()
	log.InfoContext(ctx, "scaler ready", "queue", strings.Join(cfg.Queue, ","), "pods", cfg.Pods, "tls", kc.TLS != nil, "duration", sinceStart())
	return s.Serve(ctx, l)
}
