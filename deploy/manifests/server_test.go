//go:build e2e

package manifests

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

// Whose kinds the API server is taught, besides KEDA's: they come from the module proxy, checked against these sums.
var definitions = []struct{ module, sum, folder string }{
	{"github.com/openshift/api@v0.0.0-20250725072657-92b1455121e1", "h1:/UIhE+5bDxh0staABxvgapyMfoTqpQyXjAZMrkkVUgM=", "route/v1/zz_generated.crd-manifests"},
	{"github.com/prometheus-operator/prometheus-operator@v0.85.0", "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=", "example/prometheus-operator-crd"},
}

// anyUID is one of a namespace's range, as restricted-v2 gives it.
const anyUID = 1000680000

// A server is the API server that KUBECONFIG names. What it is sent is a dry run, but for what the rest needs to be there.
type server struct {
	objects dynamic.Interface
	kinds   *restmapper.DeferredDiscoveryRESTMapper

	mu       sync.Mutex
	warnings []string // guarded by mu
}

// HandleWarningHeader keeps what the server says beside its answer: that a pod would violate the namespace's level, say.
func (s *server) HandleWarningHeader(_ int, _, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.warnings = append(s.warnings, text)
}

func (s *server) warned() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	said := s.warnings
	s.warnings = nil
	return said
}

func connect(t *testing.T) *server {
	t.Helper()
	file := os.Getenv("KUBECONFIG")
	require.NotEmpty(t, file, "no cluster is named: `make e2e` runs this test in one")
	config, err := clientcmd.BuildConfigFromFlags("", file)
	require.NoError(t, err)
	s := &server{}
	config.QPS, config.Burst, config.WarningHandler = 200, 200, s
	s.objects, err = dynamic.NewForConfig(config)
	require.NoError(t, err)
	s.kinds = mapper(t, config)
	return s
}

func mapper(t *testing.T, config *rest.Config) *restmapper.DeferredDiscoveryRESTMapper {
	t.Helper()
	d, err := discovery.NewDiscoveryClientForConfig(config)
	require.NoError(t, err)
	return restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(d))
}

// send has the server look at an object by its strictest rules. It keeps it where keep is set.
func (s *server) send(ctx context.Context, o *object, keep bool) error {
	kind := o.GroupVersionKind()
	mapping, err := s.kinds.RESTMapping(schema.GroupKind{Group: kind.Group, Kind: kind.Kind}, kind.Version)
	if err != nil {
		return err
	}
	text, err := json.Marshal(o.Object)
	if err != nil {
		return err
	}
	options := meta1.PatchOptions{FieldManager: "e2e", FieldValidation: meta1.FieldValidationStrict, DryRun: []string{meta1.DryRunAll}, Force: new(true)}
	if keep {
		options.DryRun = nil
	}
	_, err = s.objects.Resource(mapping.Resource).Namespace(o.GetNamespace()).Patch(ctx, o.GetName(), types.ApplyPatchType, text, options)
	return err
}

// define teaches the server the kinds of others.
func (s *server) define(t *testing.T) {
	t.Helper()
	for _, d := range definitions {
		cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", d.module)
		cmd.Dir = t.TempDir() // outside of our module, which needs none of theirs
		out, err := cmd.Output()
		require.NoError(t, err, d.module)
		var got struct{ Dir, Sum string }
		require.NoError(t, json.Unmarshal(out, &got))
		require.Equal(t, d.sum, got.Sum, d.module)
		files, err := filepath.Glob(filepath.Join(got.Dir, d.folder, "*.yaml"))
		require.NoError(t, err)
		require.NotEmpty(t, files, d.folder)
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			o := &object{}
			require.NoError(t, yaml.Unmarshal(text, &o.Object))
			require.NoError(t, s.send(t.Context(), o, true), file)
			s.await(t, o)
		}
	}
}

// await waits until the server serves the kind that was defined.
func (s *server) await(t *testing.T, definition *object) {
	t.Helper()
	spec := definition.Object["spec"].(map[string]any)
	kind := schema.GroupKind{Group: spec["group"].(string), Kind: spec["names"].(map[string]any)["kind"].(string)}
	require.Eventually(t, func() bool {
		s.kinds.Reset()
		_, err := s.kinds.RESTMapping(kind)
		return err == nil
	}, time.Minute, 100*time.Millisecond, "%v", kind)
}

// charts are values that together have all of the chart's templates make something.
var charts = map[string]map[string]any{
	"its own values": nil,
	"on OpenShift":   {"openshift": true, "gateway": map[string]any{"enabled": true, "route": map[string]any{"enabled": true}}},
	"with KEDA's own trigger": {"keda": map[string]any{"trigger": "aws-sqs-queue", "region": "eu-central-1"}, "classes": map[string]any{
		"light": map[string]any{"queue": "https://sqs.eu-central-1.amazonaws.com/1/light"},
		"heavy": map[string]any{"queue": "https://sqs.eu-central-1.amazonaws.com/1/heavy"},
		"gpu":   map[string]any{"queue": "https://sqs.eu-central-1.amazonaws.com/1/gpu"},
	}},
	"with all that is optional": {
		"image": map[string]any{"pullSecret": "registry-credentials"}, "secrets": map[string]any{"gcp": "gcp-credentials"},
		"callbacks": map[string]any{"enabled": true}, "classes": classes("runtimeClassName", "nvidia"), "gateway": gateway(true), "routes": "routes: [{name: a, pipeline: hello}]\n",
		"serviceAccounts": map[string]any{"worker": map[string]any{"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/w"}},
	},
}

// generated are command lines of `millrace gen`, which MILLRACE names.
var generated = [][]string{
	{"deploy", "--image=r/millrace-light:1", "--namespace=millrace"},
	{"deploy", "--class=heavy", "--image=r/millrace-heavy:1", "--namespace=millrace", "--queue=sqs:jobs", "--set=store=s3://bucket/millrace"},
	{"deploy", "--class=gpu", "--image=r/millrace-gpu:1", "--namespace=millrace", "--queue=cos://bucket/gpu", "--set=store=cos://bucket/records", "--set=cos-endpoint=https://s3.eu-de.cloud-object-storage.appdomain.cloud", "--gcp-secret=key", "--pull-secret=pull", "--labels=region=eu", "--gpus=2", "--node-selector=role=gpu"},
	{"deploy", "--image=r/millrace-light:1", "--namespace=millrace", "--trigger=aws-sqs-queue", "--queue=arn:aws:sqs:eu-central-1:111122223333:jobs", "--set=store=s3://bucket/millrace"},
	{"keda", "--namespace=millrace"},
	{"keda", "--class=gpu", "--namespace=millrace", "--trigger=aws-sqs-queue", "--queue=arn:aws:sqs:eu-central-1:111122223333:jobs-gpu"},
	{"keda", "--class=gpu", "--namespace=millrace", "--trigger=aws-sqs-queue", "--auth=keda", "--queue=https://sqs.eu-central-1.amazonaws.com/111122223333/jobs-gpu"},
	{"keda", "--class=heavy", "--namespace=millrace", "--scaler-tls=millrace-scaler", "--target=1"},
	{"scaler", "--image=r/millrace-light:1", "--namespace=millrace", "--queue=light=sqs:jobs-light,gpu=cos://bucket/gpu"},
	{"scaler", "--image=r/millrace-light:1", "--namespace=millrace", "--scaler-tls=tls", "--pull-secret=pull"},
	{"gateway", "--image=r/millrace-light:1", "--namespace=millrace", "--hooks-secret=millrace-hooks", "--pull-secret=pull"},
	{"gateway", "--image=r/millrace-light:1", "--namespace=millrace", "--queue=light=sqs:jobs-light,gpu=cos://bucket/gpu", "--set=store=s3://bucket/millrace"},
	{"configmap", "gear", "--namespace=millrace"},
	{"job", "gear", "--image=r/millrace-light:1", "--namespace=millrace"},
}

// all is what ships: every overlay and component, each pair of components over each overlay, the chart's output, and
// what `millrace gen` writes.
func all(t *testing.T) map[string][]*object {
	t.Helper()
	made := every(t)
	for _, overlay := range []string{"kubernetes", "openshift"} {
		for _, pair := range pairs(t) {
			objects, err := withComponents(overlay, pair...)
			require.NoError(t, err, pair)
			made[strings.Join(pair, " and ")+" over "+overlay] = objects
		}
	}
	for name, values := range charts {
		objects := helm(t, values)
		for _, o := range objects {
			if o.GetNamespace() == "" {
				o.SetNamespace("millrace") // Helm says it beside the manifest
			}
		}
		made["the chart "+name] = objects
	}
	for _, argv := range generated {
		out, err := exec.CommandContext(t.Context(), os.Getenv("MILLRACE"), append([]string{"gen"}, argv...)...).Output()
		require.NoError(t, err, "%v", argv)
		objects, err := read(out)
		require.NoError(t, err)
		require.NotEmpty(t, objects)
		made["gen "+strings.Join(argv, " ")] = objects
	}
	return made
}

// pairs are components two by two.
func pairs(t *testing.T) [][]string {
	t.Helper()
	entries, err := os.ReadDir("../components")
	require.NoError(t, err)
	names := []string{"../observability"}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	var found [][]string
	for i, a := range names {
		for _, b := range names[i+1:] {
			if b != "sqs-trigger-role" || a == "sqs-trigger" { // that is for what sqs-trigger brings
				found = append(found, []string{a, b})
			}
		}
	}
	return found
}

// podOf is the pod that a workload would make, as OpenShift would let it in: as any user, of group 0.
func podOf(o *object) *object {
	path := map[string][]string{
		"Deployment": {"spec", "template"}, "Job": {"spec", "template"}, "ScaledJob": {"spec", "jobTargetRef", "template"},
		"CronJob": {"spec", "jobTemplate", "spec", "template"},
	}[o.GetKind()]
	if path == nil {
		return nil
	}
	template, ok, err := nestedMap(o, path...)
	if err != nil || !ok {
		return nil
	}
	p := &object{Object: template}
	p.SetAPIVersion("v1")
	p.SetKind("Pod")
	p.SetName(o.GetName() + "-pod")
	p.SetNamespace(o.GetNamespace())
	spec := template["spec"].(map[string]any)
	security, _ := spec["securityContext"].(map[string]any)
	if security == nil {
		security = map[string]any{}
		spec["securityContext"] = security
	}
	security["runAsUser"], security["runAsGroup"] = int64(anyUID), int64(0)
	return p
}

func nestedMap(o *object, path ...string) (map[string]any, bool, error) {
	at := o.DeepCopy().Object
	for _, key := range path {
		next, ok := at[key].(map[string]any)
		if !ok {
			return nil, false, nil
		}
		at = next
	}
	return at, true, nil
}

func TestTheAPIServerRefusesNothing(t *testing.T) {
	s := connect(t)
	s.define(t)
	made := all(t)
	s.prepare(t, made)

	began, sent, pods, seen := time.Now(), 0, 0, map[string]bool{}
	for where, objects := range made {
		for _, o := range objects {
			for i, each := range []*object{o, podOf(o)} {
				if each == nil {
					continue
				}
				text, err := json.Marshal(each.Object)
				require.NoError(t, err)
				if seen[string(text)] {
					continue
				}
				seen[string(text)] = true
				require.NoError(t, s.send(t.Context(), each, false), "%s: %s", where, name(each))
				require.Empty(t, s.warned(), "%s: %s", where, name(each))
				sent++
				pods += i
			}
		}
	}
	require.Greater(t, pods, 20)
	t.Logf("MUST HOLD: the API server and KEDA's webhooks refuse nothing, and warn of nothing: holds: measured %d manifests, %d distinct objects, of which %d are pods as UID %d under `restricted`, in %v",
		len(made), sent, pods, anyUID, time.Since(began).Round(100*time.Millisecond))
}

// prepare makes the namespaces as the overlays have them, and what pods name and are refused without: the accounts, and the
// runtime class that NVIDIA's operator brings.
func (s *server) prepare(t *testing.T, made map[string][]*object) {
	t.Helper()
	done := map[string]bool{}
	create := func(objects []*object) {
		for _, o := range objects {
			if key := o.GetKind() + " " + o.GetNamespace() + "/" + o.GetName(); !done[key] {
				done[key] = true
				require.NoError(t, s.send(t.Context(), o, true), key)
			}
		}
	}
	for _, where := range []string{"overlays/kubernetes", "overlays/dev"} {
		create(of(made[where], "Namespace"))
	}
	require.NotEmpty(t, done)
	for _, objects := range made {
		create(of(objects, "ServiceAccount"))
	}
	nvidia := &object{Object: map[string]any{"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "handler": "nvidia"}}
	nvidia.SetName("nvidia")
	require.NoError(t, s.send(t.Context(), nvidia, true))
}

// What a server lets through shows nothing, unless it stops what is wrong.
func TestTheAPIServerRefusesWhatIsWrong(t *testing.T) {
	s := connect(t)
	s.prepare(t, every(t))
	deployment := of(every(t)["overlays/openshift"], "Deployment")[0]
	scaled := of(every(t)["overlays/openshift"], "ScaledObject")[0]
	change := func(o *object, edit func(*object)) *object {
		o = o.DeepCopy()
		edit(o)
		return o
	}
	spec := func(o *object) map[string]any { return o.Object["spec"].(map[string]any) }
	for _, tt := range []struct {
		want   string
		object *object
	}{
		{"field not declared in schema", change(deployment, func(o *object) { spec(o)["replica"] = int64(1) })},
		{"field not declared in schema", change(scaled, func(o *object) { spec(o)["cooldown"] = int64(1) })},
		{"violates PodSecurity", podOf(change(deployment, func(o *object) {
			template, _, _ := nestedMap(o, "spec", "template", "spec")
			template["hostNetwork"] = true
			spec(o)["template"].(map[string]any)["spec"] = template
		}))},
		{"formula is given but target is empty", change(scaled, func(o *object) { // as KEDA's webhook alone says
			spec(o)["advanced"] = map[string]any{"scalingModifiers": map[string]any{"formula": "1"}}
		})},
	} {
		err := s.send(t.Context(), tt.object, false)
		require.ErrorContains(t, err, tt.want)
		require.False(t, apierrors.IsNotFound(err), "%v", err)
	}
}

// It is what a user types. The namespace must be there: what is only tried makes none.
func TestKubectlAppliesTheOverlaysDry(t *testing.T) {
	s := connect(t)
	s.prepare(t, every(t))
	for _, overlay := range overlays {
		cmd := exec.CommandContext(t.Context(), "kubectl", "apply", "--dry-run=server", "--validate=strict", "-k", "../overlays/"+overlay)
		var warned strings.Builder // that it was not kubectl that made the namespace
		cmd.Stderr = &warned
		out, err := cmd.Output()
		require.NoError(t, err, warned.String())
		require.NotContains(t, warned.String(), "would violate")
		lines := slices.Collect(bytes.Lines(out))
		require.Len(t, lines, len(every(t)["overlays/"+overlay]))
		t.Logf("figure: kubectl apply -k deploy/overlays/%s --dry-run=server: %d objects", overlay, len(lines))
	}
}
