//go:build e2e && linux

package e2e_test

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/servertest"
)

// kustomization lays over an overlay what this machine needs and the plan asks for. The manifests themselves are those
// that ship.
func (m *mill) kustomization(dir string) object {
	m.t.Helper()
	resources := []string{m.below(dir, "../overlays/"+m.plan.overlay)}
	for i := range m.plan.resources {
		resources = append(resources, fmt.Sprintf("more-%d.yaml", i))
	}
	var files []string
	for name := range m.plan.pipelines {
		files = append(files, name+".yaml")
	}
	generators := []object{
		{"name": "millrace", "behavior": "merge", "literals": append([]string{
			"MILLRACE_SQS_ENDPOINT=" + m.sqs.url(), "MILLRACE_S3_ENDPOINT=" + m.s3.url(), "MILLRACE_COS_ENDPOINT=" + m.s3.url(),
			"MILLRACE_STORE=s3://" + m.name + "/store", "MILLRACE_REGION=us-east-1",
		}, m.plan.settings...)},
		{"name": "millrace-queues", "behavior": "merge", "literals": m.literals()},
	}
	if len(files) > 0 {
		generators = append(generators, object{"name": "millrace-pipelines", "behavior": "merge", "files": files})
	}
	var components []string
	for _, c := range m.plan.components {
		components = append(components, m.below(dir, "../components/"+c))
	}
	return object{
		"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "namespace": m.name,
		"resources": resources, "components": components,
		"images":             m.images(),
		"configMapGenerator": generators,
		"secretGenerator": []object{
			secret("aws-credentials", "access-key-id", "secret-access-key"),
			secret("cos-credentials", "access_key_id", "secret_access_key"),
		},
		"patches": append(m.patches(), m.plan.patches...),
	}
}

// below is the way from dir to a folder of ours: kustomize takes no other.
func (m *mill) below(dir, folder string) string {
	m.t.Helper()
	folder, err := filepath.Abs(folder)
	require.NoError(m.t, err)
	folder, err = filepath.Rel(dir, folder)
	require.NoError(m.t, err)
	return folder
}

// secret is one with the keys of the emulators, under the names that the manifests know.
func secret(name, id, key string) object {
	return object{
		"name": name, "literals": []string{id + "=" + servertest.AccessKey, key + "=" + servertest.SecretKey},
		"options": object{"disableNameSuffixHash": true},
	}
}

// literals are the queues by class, and all of them.
func (m *mill) literals() []string {
	var each, all []string
	for _, class := range m.classes() {
		each = append(each, class+"="+m.refs[class])
	}
	all = append(all, each...)
	return append(each, "all="+strings.Join(all, ","))
}

// images names the image under test for every class, under the names that the overlays give them.
func (m *mill) images() []object {
	name, tag, _ := strings.Cut(image(), ":")
	var images []object
	for _, class := range []string{"light", "heavy", "gpu"} {
		for _, prefix := range []string{"", "localhost/", "registry.example.com/"} {
			images = append(images, object{"name": prefix + "millrace-" + class, "newName": name, "newTag": tag})
		}
	}
	return images
}

// patches are what this machine takes: no registry, two processors, no DNS, two replicas of the scaler, and OpenShift's random
// user. Classes that a story has no use for go.
func (m *mill) patches() []object {
	patches := []object{
		gone("millrace/class=heavy"),
		deployments("app.kubernetes.io/component=scaler", `{op: add, path: /spec/replicas, value: 2}`),
		deployments("",
			`{op: add, path: /spec/template/spec/containers/0/imagePullPolicy, value: IfNotPresent}`,
			`{op: replace, path: /spec/template/spec/containers/0/resources/requests, value: {cpu: 10m, memory: 64Mi}}`,
			`{op: add, path: /spec/template/spec/securityContext/runAsUser, value: 1000680000}`,
			`{op: add, path: /spec/template/spec/securityContext/runAsGroup, value: 0}`),
		{
			"target": object{"kind": "ScaledObject", "labelSelector": "millrace/trigger=external-push"},
			"patch":  operations(`{op: replace, path: /spec/triggers/0/metadata/scalerAddress, value: "` + m.scaler.address + `"}`),
		},
	}
	if !m.plan.gpu && m.plan.overlay != "dev" {
		patches = append(patches, gone("millrace/class=gpu"))
	}
	return patches
}

// operations are a JSON patch.
func operations(each ...string) string { return "- " + strings.Join(each, "\n- ") + "\n" }

func deployments(labels string, patch ...string) object {
	target := object{"kind": "Deployment"}
	if labels != "" {
		target["labelSelector"] = labels
	}
	return object{"target": target, "patch": operations(patch...)}
}

// scaledObjects patches those of class light.
func scaledObjects(patch ...string) object {
	return object{"target": object{"kind": "ScaledObject", "labelSelector": "millrace/class=light"}, "patch": operations(patch...)}
}

// gone removes everything with a label.
func gone(labels string) object {
	return object{"target": object{"labelSelector": labels}, "patch": "$patch: delete\nkind: any\nmetadata: {name: any}\n"}
}
