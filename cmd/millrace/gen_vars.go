package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/pipelines"
)

// maxConfigMap is what Kubernetes lets a ConfigMap hold, in bytes.
const maxConfigMap = 1 << 20

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

// vars are what a manifest may name. Those that were not given and have no default are not known, so that a template
// that needs them says so.
func (m *manifest) vars(p *pipelines.Pipeline, doc []byte) (map[string]any, error) {
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
		"namespace": m.namespace, "key": m.keyOf(p, id),
	}
	if !isKey(vars["key"].(string)) {
		return nil, usage("--key: %q can't be a key of a ConfigMap; use letters, digits, dot, dash and _, at most 253", vars["key"])
	}
	if m.namespace != "" && !isObjectName(m.namespace) {
		return nil, usage("--namespace: %q is no name of Kubernetes: a-z, 0-9 and - between them, at most 63 characters", m.namespace)
	}
	if m.kind == "configmap" {
		return vars, nil
	}
	return vars, m.podVars(vars, p)
}

func (m *manifest) podVars(vars map[string]any, p *pipelines.Pipeline) error {
	if m.image == "" && m.template == "" {
		return usage("name the image that has millrace and the tools: --image registry/millrace:1.0")
	}
	for flag, name := range map[string]string{"service-account": m.account, "pull-secret": m.pullSecret, "aws-secret": m.awsSecret} {
		if name != "" && !isSubdomain(name) {
			return usage("--%s: %q is no name of Kubernetes: a-z, 0-9, and - and . between them, at most 253 characters", flag, name)
		}
	}
	for flag, key := range map[string]string{"aws-access-key-id": m.awsID, "aws-secret-access-key": m.awsKey} {
		if !isKey(key) {
			return usage("--%s: %q can't be a key of a Secret; use letters, digits, dot, dash and _, at most 253", flag, key)
		}
	}
	if strings.ContainsFunc(m.image, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return usage("--image: %q is no image", m.image)
	}
	name := m.class
	if name == "" {
		name = "heavy"
		if slices.ContainsFunc(p.Tasks, func(t pipelines.Task) bool { return t.WantsGPU() }) {
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
		"aws_secret": m.awsSecret, "aws_access_key_id": m.awsID, "aws_secret_access_key": m.awsKey,
		"args": m.args(),
	})
	if m.image != "" {
		vars["image"] = m.image
	}
	return nil
}

// args are millrace's in the pod: values can't be taken for options, and Kubernetes puts no variables into them:
// $(AWS_SECRET_ACCESS_KEY) is text.
func (m *manifest) args() []string {
	all := []string{"run", "-f", "/workspace/pipeline.yaml"}
	if m.entry != "" {
		all = append(all, "--entry="+m.entry)
	}
	if len(m.state) > 0 {
		all = append(append(all, "--"), m.state...)
	}
	for i := range all {
		all[i] = strings.ReplaceAll(all[i], "$", "$$")
	}
	return all
}

// gpus is the largest number of GPUs that a task asks for, where the class has any.
func gpus(p *pipelines.Pipeline, least int) int {
	n := least
	for _, t := range p.Tasks {
		if t.WantsGPU() && least > 0 {
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

// isSubdomain says whether name can be that of an object whose name is a DNS subdomain, as most are.
func isSubdomain(name string) bool {
	if len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if !isObjectName(label) {
			return false
		}
	}
	return true
}

// isKey says whether name can be a key of a ConfigMap or a Secret.
func isKey(name string) bool {
	valid := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r)
	}
	return name != "" && name != "." && !strings.HasPrefix(name, "..") && len(name) <= 253 &&
		!strings.ContainsFunc(name, func(r rune) bool { return !valid(r) })
}

// keyOf is the pipeline's key in the ConfigMap: where that is a folder of pipelines, its name.
func (m *manifest) keyOf(p *pipelines.Pipeline, id string) string {
	switch base := filepath.Base(p.Source); {
	case m.key != "":
		return m.key
	case m.kind == "job":
		return "pipeline.yaml"
	case pipelines.IsDocument(base):
		return base
	}
	return id + ".yaml"
}
