package main

import (
	"time"

	"github.com/spf13/cobra"
)

const genDeployLong = `Writes the workers of one class as Kubernetes and KEDA want them, ready for
kubectl apply -f -: a Deployment that KEDA wakes from zero and puts back, with the
figures of its class, its settings, a budget of disruptions and the ScaledObject.
It runs under OpenShift's restricted-v2 as it is.

Settings of ` + "`millrace work`" + ` are given by --set, under the names of its flags. Secrets
are not: variables MILLRACE_… of a Secret called millrace are read where it exists,
and the keys of AWS and COS from those that --aws-secret and --cos-secret name.

Without --queue it writes what deploy/base holds: the queue is named by the ConfigMap
millrace-queues, and the settings stand in the ConfigMap millrace.

Exit codes: 0 done · 2 the command line is wrong.`

const genKEDALong = `Writes the ScaledObject of one class: which queue wakes its workers, and how many.

--trigger external-push asks Millrace's own scaler (` + "`millrace gen scaler`" + `), which knows
what runs and what hides only for a back-off. --trigger aws-sqs-queue is KEDA's own:
it needs the URL or ARN of an SQS queue, and gets a TriggerAuthentication: --auth keys
(those in --aws-secret), workload (the workers' role) or keda (the operator's).

Exit codes: 0 done · 2 the command line is wrong.`

const genScalerLong = `Writes the scaler that KEDA asks, with its Service and the one Role there is: it lists
the workers' pods, and marks the busy ones. Queues have the names that ScaledObjects
know them by: --queue light=sqs:jobs-light,gpu=cos://bucket/gpu.

Exit codes: 0 done · 2 the command line is wrong.`

// A deployment is what `millrace gen deploy`, `keda`, `scaler` and `gateway` were told.
type deployment struct {
	class, image, queue, namespace, out              string
	account, pullSecret                              string
	awsSecret, cosSecret, gcpSecret                  string
	keysSecret, hooksSecret                          string
	runtimeClass                                     string
	labels, nodes, set                               []string
	trigger, scaler, scalerTLS, scalerQueue, auth    string
	region                                           string
	slots, target, most, polling, cooldown, gpuCount int
	replicas                                         int
	grace                                            time.Duration
}

func newGenDeployCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "deploy", Short: "Workers of one class, and what scales them", Long: genDeployLong, Args: args(cobra.NoArgs),
		Example: "  millrace gen deploy --class gpu --image registry/millrace-gpu:1.0 --queue sqs:jobs-gpu --set store=s3://bucket/millrace | kubectl apply -f -",
	}
	d := &deployment{}
	d.bindCommon(cmd, "queue of the workers, as --queue of `millrace work`; empty is what the ConfigMap millrace-queues says")
	d.bindPods(cmd)
	d.bindTrigger(cmd)
	flags := cmd.Flags()
	flags.StringVar(&d.account, "service-account", "millrace-worker", "service account of the pods; made where --queue is given")
	flags.StringVar(&d.gcpSecret, "gcp-secret", "", "secret with Google's key.json")
	flags.StringVar(&d.runtimeClass, "runtime-class", "", "runtime class of the pods, like nvidia")
	flags.StringSliceVar(&d.labels, "labels", nil, "what the workers have besides their class, name=value")
	flags.StringSliceVar(&d.nodes, "node-selector", nil, "labels of the nodes, name=value; empty is nvidia.com/gpu.present=true for gpu")
	flags.IntVar(&d.gpuCount, "gpus", 0, "GPUs of a pod; 0 is the class's")
	flags.DurationVar(&d.grace, "grace", 0, "how long jobs may go on when a pod must end; 0 is the class's")
	cmd.RunE = func(c *cobra.Command, _ []string) error { return d.write(c, d.deployVars, d.deployParts) }
	return cmd
}

func newGenKEDACmd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "keda", Short: "The ScaledObject of one class", Long: genKEDALong, Args: args(cobra.NoArgs),
		Example: "  millrace gen keda --class gpu --trigger aws-sqs-queue --queue arn:aws:sqs:eu-central-1:111122223333:jobs-gpu | kubectl apply -f -",
	}
	d := &deployment{}
	d.bindCommon(cmd, "queue of the workers: its URL or ARN for KEDA's own trigger; the scaler is told of it by itself")
	d.bindTrigger(cmd)
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		return d.write(c, d.kedaVars, func() []string { return d.kedaParts(nil) })
	}
	return cmd
}

func newGenScalerCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "scaler", Short: "The scaler that KEDA asks", Long: genScalerLong, Args: args(cobra.NoArgs),
		Example: "  millrace gen scaler --image registry/millrace-light:1.0 --queue light=sqs:jobs-light,gpu=cos://bucket/gpu | kubectl apply -f -",
	}
	d := &deployment{}
	d.bindCommon(cmd, "queues, name=queue, comma-separated; empty is what the ConfigMap millrace-queues says")
	d.bindPods(cmd)
	cmd.Flags().StringVar(&d.scalerTLS, "scaler-tls", "", "secret with tls.crt and tls.key to answer KEDA by; empty is no TLS")
	cmd.RunE = func(c *cobra.Command, _ []string) error { return d.write(c, d.scalerVars, d.scalerParts) }
	return cmd
}

func (d *deployment) bindCommon(cmd *cobra.Command, queue string) {
	flags := cmd.Flags()
	flags.StringVar(&d.queue, "queue", "", queue)
	flags.StringVar(&d.namespace, "namespace", "", "namespace; empty is kubectl's")
	flags.StringVar(&d.awsSecret, "aws-secret", "aws-credentials", "secret with access-key-id and secret-access-key of AWS; empty is none")
	flags.StringVarP(&d.out, "output", "o", "", "write to this file")
}

func (d *deployment) bindPods(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&d.image, "image", "", "image of the pods")
	flags.StringVar(&d.pullSecret, "pull-secret", "", "secret to pull the image with")
	flags.StringVar(&d.cosSecret, "cos-secret", "cos-credentials", "secret with access_key_id and secret_access_key of COS; empty is none")
	flags.StringArrayVar(&d.set, "set", nil, "a setting, like region=eu-central-1; may be given again")
}

func (d *deployment) bindTrigger(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&d.class, "class", "light", "light, heavy or gpu")
	flags.StringVar(&d.trigger, "trigger", triggerOurs, "what KEDA asks: external-push (our scaler) or aws-sqs-queue (SQS)")
	flags.StringVar(&d.scaler, "scaler", "", "address of our scaler; empty is millrace-scaler.NAMESPACE.svc:9090")
	flags.StringVar(&d.scalerQueue, "scaler-queue", "", "name that our scaler knows the queue by; empty is the class")
	flags.StringVar(&d.scalerTLS, "scaler-tls", "", "TriggerAuthentication with the caCert of our scaler; empty is no TLS")
	flags.StringVar(&d.auth, "auth", "keys", "who asks SQS: keys, workload or keda")
	flags.StringVar(&d.region, "region", "", "AWS region of the queue; empty is that of its URL or ARN")
	flags.IntVar(&d.slots, "slots", 0, "jobs at once in a pod; 0 is the class's")
	flags.IntVar(&d.target, "target", 0, "messages for each pod; 0 is the class's")
	flags.IntVar(&d.most, "max", 10, "most pods")
	flags.IntVar(&d.polling, "polling", 30, "seconds between KEDA's questions")
	flags.IntVar(&d.cooldown, "cooldown", 300, "seconds without work until there is no pod")
}

// write makes the parts of what vars says.
func (d *deployment) write(c *cobra.Command, vars func() (map[string]any, error), parts func() []string) error {
	values, err := vars()
	if err != nil {
		return err
	}
	all, err := templates(parts(), shipped)
	if err != nil {
		return err
	}
	text, err := together(c.Context(), all, values)
	if err != nil {
		return err
	}
	if _, scales := values["trigger"]; scales && d.trigger == triggerOurs && d.scaler == "" && d.namespace == "" {
		newScreen(c.ErrOrStderr()).printf("note: KEDA will look for the scaler in the namespace millrace; --namespace names another\n")
	}
	return writeOut(d.out, c.OutOrStdout(), text)
}

// deployParts are the manifests of a class. What every class of the kustomize base shares stands there once.
func (d *deployment) deployParts() []string {
	if d.queue == "" {
		return d.kedaParts([]string{"worker.yaml"})
	}
	return d.kedaParts([]string{"settings.yaml", "account.yaml", "worker.yaml"})
}

func (d *deployment) kedaParts(before []string) []string {
	if d.trigger == triggerSQS {
		before = append(before, "auth.yaml")
	}
	return append(before, "scaledobject.yaml")
}

func (d *deployment) scalerParts() []string {
	if d.queue == "" {
		return []string{"scaler.yaml"}
	}
	return []string{"settings.yaml", "scaler.yaml"}
}
