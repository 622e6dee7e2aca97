package main

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/modules/document"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/worker/job"
)

//go:embed gen
var manifests embed.FS

// maxConfigMap is what Kubernetes lets a ConfigMap hold, in bytes.
const maxConfigMap = 1 << 20

const genLong = `Writes a pipeline as a Kubernetes Job with its ConfigMap, ready for
kubectl apply -f -. Values are quoted as YAML needs it: none can break out.

  millrace gen job stl_to_glb.yaml --image registry/millrace:1.0 src=chair.stl
  millrace gen configmap stl_to_glb.yaml -o configmap.yaml

--template takes a manifest of your own. It may name pipeline-id, pipeline-name,
document, configmap, image, namespace, class, cpu, memory, cpu_limit,
memory_limit, gpus, node_selector, workspace, service_account, pull_secret, args
and digest; a name that is not known is an error.`

func newGenCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "gen", Short: "Write Kubernetes manifests of a pipeline", Long: genLong}
	for _, kind := range []struct{ name, short string }{
		{"job", "A Job and its ConfigMap"}, {"configmap", "The ConfigMap alone"},
	} {
		var m manifest
		sub := &cobra.Command{Use: kind.name + " FILE|NAME|- [key=value…]", Short: kind.short, Long: genLong, Args: args(cobra.MinimumNArgs(1))}
		flags := sub.Flags()
		flags.StringVar(&m.name, "name", "", "name of the objects, after modelops-pipeline-; empty is the pipeline's")
		flags.StringVar(&m.namespace, "namespace", "", "namespace; empty is kubectl's")
		flags.StringVar(&m.template, "template", "", "a manifest of your own")
		flags.StringVarP(&m.out, "output", "o", "", "write to this file")
		if kind.name == "job" {
			flags.StringVar(&m.image, "image", "", "image that has millrace and the tools")
			flags.StringVar(&m.class, "class", "", "light, heavy or gpu; found out by itself")
			flags.StringVar(&m.account, "service-account", "default", "service account of the pod")
			flags.StringVar(&m.pullSecret, "pull-secret", "", "secret to pull the image with")
			flags.StringVar(&m.entry, "entry", "", "which of the document's entries to run (its own tasks)")
			flags.StringArrayVar(&m.state, "state", nil, "key=value of the pipeline's state; may be given again")
		}
		sub.RunE = func(c *cobra.Command, a []string) error {
			m.state = append(m.state, a[1:]...)
			return m.generate(c.Context(), kind.name, a[0], c.InOrStdin(), c.OutOrStdout())
		}
		cmd.AddCommand(sub)
	}
	return group(cmd)
}

// A manifest is what `millrace gen` was told.
type manifest struct {
	name, namespace, template, out           string
	image, class, account, pullSecret, entry string
	state                                    []string
}

// A class is what a pod asks for and may use at most.
type class struct {
	cpu, memory, cpuLimit, memoryLimit, workspace string
	gpus                                          int
}

// classes are the sizes of pods that pipelines are known to need.
func classes() map[string]class {
	return map[string]class{
		"light": {cpu: "250m", memory: "512Mi", cpuLimit: "1", memoryLimit: "2Gi", workspace: "5Gi"},
		"heavy": {cpu: "2", memory: "4Gi", cpuLimit: "8", memoryLimit: "16Gi", workspace: "10Gi"},
		"gpu":   {cpu: "4", memory: "8Gi", cpuLimit: "16", memoryLimit: "32Gi", workspace: "20Gi", gpus: 1},
	}
}

func (m *manifest) generate(ctx context.Context, kind, source string, stdin io.Reader, out io.Writer) error {
	doc, name, err := readSource(stdin, source, newCatalogue(""))
	if err != nil {
		return err
	}
	state, order, err := job.ParseState(m.state)
	if err != nil {
		return usage("--state: %w", err)
	}
	p, err := pipelines.ParseGiven(ctx, name, doc, pipelines.Given{State: state, StateOrder: order, Entry: m.entry})
	if err != nil {
		return err
	}
	vars, err := m.vars(kind, p, doc)
	if err != nil {
		return err
	}
	parts, err := m.parts(kind)
	if err != nil {
		return err
	}
	var text strings.Builder
	for i, t := range parts {
		part, err := t.Execute(ctx, vars)
		if err != nil {
			return err
		}
		if i > 0 {
			text.WriteString("---\n")
		}
		text.WriteString(part)
	}
	if m.out != "" {
		return os.WriteFile(m.out, []byte(text.String()), 0o644)
	}
	_, err = io.WriteString(out, text.String())
	return err
}

// parts are the templates of what is generated.
func (m *manifest) parts(kind string) ([]*document.Template, error) {
	names := map[string][]string{"job": {"configmap.yaml", "job.yaml"}, "configmap": {"configmap.yaml"}}[kind]
	read := func(name string) ([]byte, error) { return manifests.ReadFile(path.Join("gen", name)) }
	if m.template != "" {
		names, read = []string{m.template}, os.ReadFile
	}
	var parts []*document.Template
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
		parts = append(parts, t)
	}
	return parts, nil
}

// vars are what a manifest may name. Those that were not given and have no default are not known, so that a template
// that needs them says so.
func (m *manifest) vars(kind string, p *pipelines.Pipeline, doc []byte) (map[string]any, error) {
	if !utf8.Valid(doc) {
		return nil, fmt.Errorf("%s is no UTF-8: a ConfigMap can't hold it", p.Source)
	}
	if len(doc) > maxConfigMap {
		return nil, fmt.Errorf("%s has %d KiB, and a ConfigMap holds at most %d", p.Source, len(doc)>>10, maxConfigMap>>10)
	}
	id := objectName(m.name)
	if m.name == "" {
		id = objectName(p.Name)
	}
	if id == "" {
		return nil, usage("there is no letter or digit of a-z, 0-9 in %q to name the objects by; give one with --name", p.Name)
	}
	vars := map[string]any{
		"pipeline-id": id, "pipeline-name": p.Name, "configmap": "modelops-pipeline-" + id, "document": string(doc), "digest": p.Digest,
		"namespace": m.namespace,
	}
	if m.namespace != "" && !isObjectName(m.namespace) {
		return nil, usage("--namespace: %q is no name of Kubernetes: a-z, 0-9 and - between them, at most 63 characters", m.namespace)
	}
	if kind == "configmap" {
		return vars, nil
	}
	return vars, m.podVars(vars, p)
}

func (m *manifest) podVars(vars map[string]any, p *pipelines.Pipeline) error {
	if m.image == "" && m.template == "" {
		return usage("name the image that has millrace and the tools: --image registry/millrace:1.0")
	}
	for flag, name := range map[string]string{"service-account": m.account, "pull-secret": m.pullSecret} {
		if name != "" && !isObjectName(name) {
			return usage("--%s: %q is no name of Kubernetes: a-z, 0-9 and - between them, at most 63 characters", flag, name)
		}
	}
	if strings.ContainsFunc(m.image, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return usage("--image: %q is no image", m.image)
	}
	name := m.class
	if name == "" {
		name = "heavy"
		if needsGPU(p) {
			name = "gpu"
		}
	}
	c, ok := classes()[name]
	if !ok {
		return usage("--class: %q is none of %s", name, strings.Join(slices.Sorted(maps.Keys(classes())), ", "))
	}
	maps.Copy(vars, map[string]any{
		"class": name, "cpu": c.cpu, "memory": c.memory, "cpu_limit": c.cpuLimit, "memory_limit": c.memoryLimit, "gpus": max(c.gpus, gpus(p, c.gpus)),
		"workspace": c.workspace, "node_selector": map[string]any{"nvidia.com/gpu.present": "true"},
		"service_account": m.account, "pull_secret": m.pullSecret,
		"args": m.args(),
	})
	if m.image != "" {
		vars["image"] = m.image
	}
	return nil
}

// args are millrace's in the pod, written so that Kubernetes puts no variables into them: $(AWS_SECRET_ACCESS_KEY) is text.
func (m *manifest) args() []string {
	all := []string{"run", "-f", "/workspace/pipeline.yaml"}
	if m.entry != "" {
		all = append(all, "--entry="+m.entry)
	}
	all = append(all, m.state...)
	for i := range all {
		all[i] = strings.ReplaceAll(all[i], "$", "$$")
	}
	return all
}

// needsGPU says whether a task asks for a GPU, by its own key or by the option of renderers.
func needsGPU(p *pipelines.Pipeline) bool {
	return slices.ContainsFunc(p.Tasks, func(t pipelines.Task) bool {
		config, _ := t.Props["config"].(map[string]any)
		return t.GPU != nil || config["use_gpu"] == true || t.Props["use_gpu"] == true
	})
}

// gpus is the largest number of GPUs that a task asks for, where the class has any.
func gpus(p *pipelines.Pipeline, least int) int {
	n := least
	for _, t := range p.Tasks {
		if t.GPU != nil && least > 0 {
			n = max(n, t.GPU.Count)
		}
	}
	return n
}

// longestName leaves room for "modelops-pipeline-" and for the suffix of a Job's pods, within 63 characters.
const longestName = 39

// objectName makes a name of Kubernetes of any text: a-z, 0-9 and single - in between. One that is cut gets a hash, so
// that it stays apart from others that begin alike.
func objectName(text string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, text)
	name = strings.Join(strings.FieldsFunc(name, func(r rune) bool { return r == '-' }), "-")
	if len(name) <= longestName {
		return name
	}
	sum := sha256.Sum256([]byte(text))
	return strings.TrimRight(name[:longestName-9], "-") + "-" + hex.EncodeToString(sum[:4])
}

// isObjectName says whether name can be one of Kubernetes' as it is.
func isObjectName(name string) bool {
	valid := func(r rune) bool { return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' }
	return name != "" && len(name) <= 63 && name == strings.Trim(name, "-") && !strings.ContainsFunc(name, func(r rune) bool { return !valid(r) })
}
