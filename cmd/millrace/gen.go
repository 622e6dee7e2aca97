package main

import (
	"context"
	"embed"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/modules/document"
	"github.com/millrace/millrace/modules/redact"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/lint"
	"github.com/millrace/millrace/pipelines/preview"
	"github.com/millrace/millrace/worker/launch"
)

//go:embed gen
var manifests embed.FS

const genJobLong = `Writes a pipeline as a Kubernetes Job with its ConfigMap, ready for
kubectl apply -f -, once it is certain that the pipeline may run with the values
given: params are checked, and what lint calls an error is one. Values are quoted as
YAML needs it: none can break out, and none becomes an option of the program.

The keys of S3 come from a Secret that must be there, as --aws-secret names it;
--aws-secret "" leaves them out.

--template takes a manifest of your own. It may name pipeline-id, pipeline-name,
document, key, configmap, image, namespace, class, cpu, memory, cpu_limit,
memory_limit, gpus, node_selector, workspace, service_account, pull_secret,
aws_secret, aws_access_key_id, aws_secret_access_key, args and digest; a name that is
not known is an error.

Exit codes: 0 done · 1 the document is unreadable or invalid, or a param is wrong or
missing · 2 the command line is wrong.`

const genConfigMapLong = `Writes a pipeline as the ConfigMap that holds it, byte for byte. Mounted as the
folder of pipelines (--pipelines), it is in the catalogue under the name of its key.

--template takes a manifest of your own. It may name pipeline-id, pipeline-name,
document, key, configmap, namespace and digest; a name that is not known is an error.

Exit codes: 0 done · 1 the document is unreadable or invalid · 2 the command line is
wrong.`

func newGenCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "gen", Short: "Write manifests for Kubernetes and KEDA, and rules for buckets",
		Long: `Writes manifests for Kubernetes: of a pipeline, a Job that runs it or the ConfigMap
that holds it; of workers, a class of them, the ScaledObject that wakes it, and the
scaler; the gateway that takes jobs by HTTP. And the rules by which a bucket removes
what is old.`,
	}
	cmd.AddCommand(newGenJobCmd(), newGenConfigMapCmd(), newGenDeployCmd(), newGenKEDACmd(), newGenScalerCmd(), newGenGatewayCmd(), newGenLifecycleCmd())
	return group(cmd)
}

func newGenJobCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "job FILE|NAME|- [key=value…]", Short: "A Job and its ConfigMap", Long: genJobLong, Args: args(cobra.MinimumNArgs(1)),
		Example: "  millrace gen job stl_to_glb --image registry/millrace:1.0 src=chair.stl | kubectl apply -f -",
	}
	m := manifest{kind: "job"}
	run := m.bind(cmd, "key of the pipeline in the ConfigMap (pipeline.yaml)")
	flags := cmd.Flags()
	flags.StringVar(&m.image, "image", "", "image that has millrace and the tools")
	flags.StringVar(&m.class, "class", "", "light, heavy or gpu; found out by itself")
	flags.StringVar(&m.account, "service-account", "default", "service account of the pod")
	flags.StringVar(&m.pullSecret, "pull-secret", "", "secret to pull the image with")
	flags.StringVar(&m.awsSecret, "aws-secret", "aws-credentials", "secret that holds the keys of S3; empty is none")
	flags.StringVar(&m.awsID, "aws-access-key-id", "access-key-id", "key in it of AWS_ACCESS_KEY_ID")
	flags.StringVar(&m.awsKey, "aws-secret-access-key", "secret-access-key", "key in it of AWS_SECRET_ACCESS_KEY")
	flags.StringVar(&m.entry, "entry", "", "which of the document's entries to run (its own tasks)")
	flags.StringArrayVar(&m.state, "state", nil, "key=value of the pipeline's state; may be given again")
	cmd.RunE = func(c *cobra.Command, a []string) error {
		m.state = append(m.state, a[1:]...)
		return run(c, a[0])
	}
	return cmd
}

func newGenConfigMapCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "configmap FILE|NAME|-", Short: "The ConfigMap alone", Long: genConfigMapLong, Args: args(cobra.ExactArgs(1)),
		Example: "  millrace gen configmap stl_to_glb.yaml -o configmap.yaml",
	}
	m := manifest{kind: "configmap"}
	run := m.bind(cmd, "key of the pipeline in the ConfigMap (NAME.yaml)")
	cmd.RunE = func(c *cobra.Command, a []string) error { return run(c, a[0]) }
	return cmd
}

// A manifest is what `millrace gen` was told.
type manifest struct {
	kind                                     string // job or configmap
	name, key, namespace, template, out      string
	image, class, account, pullSecret, entry string
	awsSecret, awsID, awsKey                 string
	state                                    []string
}

// bind gives cmd the flags that both kinds have, and returns what generates of a source.
func (m *manifest) bind(cmd *cobra.Command, key string) (run func(c *cobra.Command, source string) error) {
	var cfg catalogueConfig
	load := bind(cmd, &cfg)
	flags := cmd.Flags()
	flags.StringVar(&m.name, "name", "", "name of the objects, after modelops-pipeline-; empty is the pipeline's")
	flags.StringVar(&m.key, "key", "", key)
	flags.StringVar(&m.namespace, "namespace", "", "namespace; empty is kubectl's")
	flags.StringVar(&m.template, "template", "", "a manifest of your own")
	flags.StringVarP(&m.out, "output", "o", "", "write to this file")
	return func(c *cobra.Command, source string) error {
		if err := load(); err != nil {
			return err
		}
		req, err := readRequest(c.InOrStdin(), source, m.state, newCatalogue(cfg.Pipelines))
		if err != nil {
			return err
		}
		return m.generate(c.Context(), req, c.OutOrStdout(), newScreen(c.ErrOrStderr()))
	}
}

func (m *manifest) generate(ctx context.Context, req *launch.Request, out io.Writer, told *screen) error {
	p, err := m.parse(ctx, req, told)
	if err != nil {
		return err
	}
	vars, err := m.vars(p, req.Document)
	if err != nil {
		return err
	}
	parts, err := m.parts()
	if err != nil {
		return err
	}
	text, err := together(ctx, parts, vars)
	if err != nil {
		return err
	}
	m.warn(told, req.Job.State)
	return writeOut(m.out, out, text)
}

// writeOut writes what was generated to the file, or to out where none is named.
func writeOut(file string, out io.Writer, text string) error {
	if file != "" {
		return os.WriteFile(file, []byte(text), 0o644)
	}
	_, err := io.WriteString(out, text)
	return err
}

// parse returns the pipeline, of which it is certain that it can run, with the need of GPUs that the values make.
func (m *manifest) parse(ctx context.Context, req *launch.Request, told *screen) (*pipelines.Pipeline, error) {
	o, err := lintOptions()
	if err != nil {
		return nil, err
	}
	if m.kind == "configmap" {
		if err := tellWrong(told, req, lint.Document(req.Source, req.Document, o)); err != nil {
			return nil, err
		}
		return pipelines.Parse(req.Source, req.Document)
	}
	req.Job.Entry = m.entry
	p, err := pipelines.ParseGiven(ctx, req.Source, req.Document, pipelines.Given{State: req.Job.State, StateOrder: req.Job.StateOrder, Entry: m.entry})
	var data map[string]any
	if err == nil {
		data, err = p.Bind(req.Job.State)
	}
	if err != nil {
		return nil, tellError(told, req, err)
	}
	if err := tellWrong(told, req, lint.Pipeline(withData(p, data), o)); err != nil {
		return nil, err
	}
	return preview.WithGPUs(ctx, p, data), nil
}

// warn names the values that should not stand in a manifest.
func (m *manifest) warn(told *screen, state map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(state)) {
		if tellsSecret(name, state[name]) {
			told.printf("warning: %s looks like a secret, and stands in the manifest as plain text, for all who may read Jobs and Pods; "+
				"keep it in a Secret, hand it to the pod as a variable JOB_… (--template), and write {{ env.JOB_… }} in the pipeline\n", plain(name))
		}
	}
}

// tellsSecret says that a value has what looks like a secret by its name, or by that of a key in it.
func tellsSecret(name string, v any) bool {
	switch x := v.(type) {
	case map[string]any:
		for k, e := range x {
			if redact.NameIsSecret(name) && len(x) > 0 || tellsSecret(k, e) {
				return true
			}
		}
		return false
	case []any:
		return slices.ContainsFunc(x, func(e any) bool { return tellsSecret(name, e) })
	case string:
		return x != "" && redact.NameIsSecret(name) || len(redact.InURLs(x)) > 0
	}
	return v != nil && v != true && v != false && redact.NameIsSecret(name)
}

// parts are the templates of what is generated.
func (m *manifest) parts() ([]*document.Template, error) {
	if m.template != "" {
		return templates([]string{m.template}, readFile)
	}
	return templates(map[string][]string{"job": {"configmap.yaml", "job.yaml"}, "configmap": {"configmap.yaml"}}[m.kind], shipped)
}

// shipped reads a template that we ship.
func shipped(name string) ([]byte, error) { return manifests.ReadFile(path.Join("gen", name)) }

// templates are those of the names; a name that one uses and nobody gives is an error.
func templates(names []string, read func(name string) ([]byte, error)) ([]*document.Template, error) {
	var all []*document.Template
	for _, name := range names {
		text, err := read(name)
		if err != nil {
			return nil, err
		}
		t, err := document.Parse(name, document.YAML, string(text))
		if err != nil {
			return nil, err
		}
		t.Strict = true
		all = append(all, t)
	}
	return all, nil
}

// together is one manifest of all parts.
func together(ctx context.Context, parts []*document.Template, vars map[string]any) (string, error) {
	var text strings.Builder
	for i, t := range parts {
		part, err := t.Execute(ctx, vars)
		if err != nil {
			return "", err
		}
		if i > 0 {
			text.WriteString("---\n")
		}
		text.WriteString(part)
	}
	return text.String(), nil
}
