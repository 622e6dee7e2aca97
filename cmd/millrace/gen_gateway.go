package main

import (
	"maps"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const genGatewayLong = `Writes the gateway: its Deployment, Service, service account and budget of
disruptions. It runs under OpenShift's restricted-v2 as it is, and has no token of
Kubernetes. Queues are those of ` + "`millrace gateway`" + `, each with the class of its
workers: --queue light=sqs:jobs-light,gpu=cos://bucket/gpu.

The keys of those who ask are in keys.yaml of the Secret that --keys-secret names
(` + "`millrace gateway key`" + `), sources of webhooks in hooks.yaml of --hooks-secret, which is
empty where there are none. An Ingress or a Route is yours to make: it needs no more
than the Service's name, millrace-gateway, and its port, http.

Exit codes: 0 done · 2 the command line is wrong.`

// gatewayGrace is how long requests may go on when a pod must end: uploads, for what else there is takes no time.
const gatewayGrace = time.Minute

func newGenGatewayCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "gateway", Short: "The gateway: HTTP in, queue out", Long: genGatewayLong, Args: args(cobra.NoArgs),
		Example: "  millrace gen gateway --image registry/millrace-light:1.0 --queue light=sqs:jobs --set store=s3://bucket/millrace | kubectl apply -f -",
	}
	d := &deployment{}
	d.bindCommon(cmd, "queues, class=queue, comma-separated; empty is what the ConfigMap millrace-queues says")
	d.bindPods(cmd)
	flags := cmd.Flags()
	flags.IntVar(&d.replicas, "replicas", 2, "pods")
	flags.DurationVar(&d.grace, "grace", gatewayGrace, "how long requests may go on when a pod must end")
	flags.StringVar(&d.keysSecret, "keys-secret", "millrace-keys", "secret with keys.yaml: who may ask, and for what")
	flags.StringVar(&d.hooksSecret, "hooks-secret", "", "secret with hooks.yaml, and files that it names; empty is no webhooks")
	cmd.RunE = func(c *cobra.Command, _ []string) error { return d.write(c, d.gatewayVars, d.gatewayParts) }
	return cmd
}

func (d *deployment) gatewayVars() (map[string]any, error) {
	values, err := d.values(&gatewayConfig{}, &logConfig{})
	if err != nil {
		return nil, err
	}
	if err := d.checkPods(); err != nil {
		return nil, err
	}
	if d.replicas < 1 {
		return nil, usage("--replicas: must be at least 1, got %d", d.replicas)
	}
	if d.keysSecret == "" {
		return nil, usage("--keys-secret: without keys everybody who reaches the gateway may send jobs; name the secret with keys.yaml")
	}
	if err := d.checkScaled(values["MILLRACE_STORE"]); err != nil {
		return nil, err
	}
	settings := "millrace"
	if d.queue != "" {
		settings = "millrace-gateway"
		if _, ok := values["MILLRACE_PIPELINES"]; !ok {
			values["MILLRACE_PIPELINES"] = "/etc/millrace/pipelines"
		}
	}
	vars := d.podVars(settings, values)
	maps.Copy(vars, map[string]any{
		"replicas": d.replicas, "keys": d.keysSecret, "hooks": d.hooksSecret,
		"grace": short(d.grace), "termination": int((d.grace + slack) / time.Second),
	})
	return vars, nil
}

// checkScaled refuses queues without a class, and places that would go with the pod. Where no queue is named, all are another's
// to say.
func (d *deployment) checkScaled(store string) error {
	if d.queue == "" {
		return nil
	}
	queues, err := parseScaled(strings.Split(d.queue, ","))
	if err != nil {
		return usage("--queue: %w", err)
	}
	var refs []queueRef
	for _, q := range queues {
		refs = append(refs, q.ref)
	}
	return checkStore(refs, store)
}

func (d *deployment) gatewayParts() []string {
	if d.queue == "" {
		return []string{"gateway.yaml"}
	}
	return []string{"settings.yaml", "gateway.yaml"}
}
