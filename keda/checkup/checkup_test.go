package checkup_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/millrace/millrace/keda/checkup"
	"github.com/millrace/millrace/keda/kubernetes"
	"github.com/millrace/millrace/worker/queue"
)

const (
	namespace = "millrace"
	scaler    = "system:serviceaccount:millrace:millrace-scaler"
)

type object = map[string]any

// A cluster answers as an API server that has the manifests of deploy/base, and all that they need.
type cluster struct {
	t       *testing.T
	url     string
	objects map[string]object // by path
	refuse  map[string]int    // statuses by a path's beginning
	me      string
	rights  map[string]bool // of whoever is asked about: "list pods"
	writes  []string        // requests that would change something
}

// paths are where objects of a kind lie; %s is the namespace.
var paths = map[string]string{
	"Deployment": "/apis/apps/v1/namespaces/%s/deployments/", "ScaledObject": "/apis/keda.sh/v1alpha1/namespaces/%s/scaledobjects/",
	"PodDisruptionBudget": "/apis/policy/v1/namespaces/%s/poddisruptionbudgets/", "Service": "/api/v1/namespaces/%s/services/",
	"ConfigMap": "/api/v1/namespaces/%s/configmaps/", "Secret": "/api/v1/namespaces/%s/secrets/", "Pod": "/api/v1/namespaces/%s/pods/",
	"ServiceAccount": "/api/v1/namespaces/%s/serviceaccounts/", "Node": "/api/v1/nodes/",
	"HorizontalPodAutoscaler": "/apis/autoscaling/v2/namespaces/%s/horizontalpodautoscalers/",
	"TriggerAuthentication":   "/apis/keda.sh/v1alpha1/namespaces/%s/triggerauthentications/",
	"ScaledJob":               "/apis/keda.sh/v1alpha1/namespaces/%s/scaledjobs/",
}

// healthy is a cluster that nothing is wrong with.
func healthy(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, objects: map[string]object{}, refuse: map[string]int{}, me: "admin", rights: map[string]bool{"list pods": true, "watch pods": true, "patch pods": true}}
	for _, file := range []string{"account", "light", "heavy", "gpu", "scaler"} {
		c.apply(filepath.Join("../../deploy/base", file+".yaml"))
	}
	for path, o := range c.objects {
		switch {
		case strings.Contains(path, "/scaledobjects/"):
			o["status"] = object{"conditions": []any{object{"type": "Ready", "status": "True"}}}
		case strings.Contains(path, "/deployments/"):
			o["status"] = object{"readyReplicas": 1}
			at(o, "spec", "template", "spec", "containers", 0)["image"] = "registry/millrace:1.2.0"
		}
	}
	c.add("ConfigMap", "millrace", object{"data": object{"MILLRACE_STORE": "s3://outputs/millrace", "MILLRACE_REGION": "eu-central-1"}})
	c.add("ConfigMap", "millrace-queues", object{"data": object{
		"light": "sqs:light", "heavy": "sqs:heavy", "gpu": "cos://jobs/gpu", "all": "light=sqs:light,heavy=sqs:heavy,gpu=cos://jobs/gpu",
	}})
	c.add("Secret", "aws-credentials", object{"data": object{"access-key-id": "aWQ=", "secret-access-key": "c2VjcmV0"}})
	c.add("Secret", "cos-credentials", object{"data": object{"access_key_id": "aWQ=", "secret_access_key": "c2VjcmV0"}})
	for n := range 10 {
		c.add("Node", fmt.Sprintf("gpu-%d", n), object{
			"metadata": object{"labels": object{"nvidia.com/gpu.present": "true"}},
			"spec":     object{"taints": []any{object{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}}},
			"status":   object{"allocatable": object{"nvidia.com/gpu": "1"}},
		})
	}
	c.objects["/version"] = object{"gitVersion": "v1.35.4"}
	c.objects["/apis/keda.sh/v1alpha1"] = object{}
	c.objects["/apis/external.metrics.k8s.io/v1beta1"] = object{}
	c.objects["/apis/apps/v1/namespaces/keda/deployments/keda-operator"] = object{"metadata": object{"labels": object{"app.kubernetes.io/version": "2.21.0"}}}
	s := httptest.NewServer(http.HandlerFunc(c.serve))
	t.Cleanup(s.Close)
	c.url = s.URL
	return c
}

// apply takes over the objects of a manifest.
func (c *cluster) apply(file string) {
	f, err := os.Open(file)
	require.NoError(c.t, err)
	defer f.Close()
	for d := yaml.NewDecoder(f); ; {
		var o object
		if d.Decode(&o) != nil {
			return
		}
		if kind := o["kind"].(string); paths[kind] != "" {
			c.add(kind, at(o, "metadata")["name"].(string), o)
		}
	}
}

func (c *cluster) path(kind, name string) string {
	if kind == "Node" {
		return paths[kind] + name
	}
	return fmt.Sprintf(paths[kind], namespace) + name
}

func (c *cluster) add(kind, name string, o object) {
	if o["metadata"] == nil {
		o["metadata"] = object{}
	}
	at(o, "metadata")["name"] = name
	c.objects[c.path(kind, name)] = o
}

// of is an object to change.
func (c *cluster) of(kind, name string) object { return c.objects[c.path(kind, name)] }

func (c *cluster) without(kind, name string) { delete(c.objects, c.path(kind, name)) }

// at goes down into an object.
func at(o object, path ...any) object {
	var v any = o
	for _, p := range path {
		switch p := p.(type) {
		case string:
			v = v.(object)[p]
		case int:
			v = v.([]any)[p]
		}
	}
	return v.(object)
}

func (c *cluster) serve(w http.ResponseWriter, r *http.Request) {
	for path, status := range c.refuse {
		if strings.HasPrefix(r.URL.Path, path) {
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(object{"kind": "Status", "message": "refused: " + r.URL.Path})
			return
		}
	}
	if r.Method == http.MethodPost {
		c.review(w, r)
		return
	}
	if r.Method != http.MethodGet {
		c.writes = append(c.writes, r.Method+" "+r.URL.Path)
	}
	if o, ok := c.objects[r.URL.Path]; ok {
		_ = json.NewEncoder(w).Encode(o)
		return
	}
	items := []any{}
	for _, path := range slices.Sorted(maps.Keys(c.objects)) { // by name, as an API server lists them
		if folder, name := filepath.Split(path); folder == r.URL.Path+"/" && name != "" {
			items = append(items, c.objects[path])
		}
	}
	for _, pattern := range paths {
		if strings.TrimSuffix(strings.ReplaceAll(pattern, "%s", namespace), "/") == r.URL.Path {
			_ = json.NewEncoder(w).Encode(object{"items": items})
			return
		}
	}
	w.WriteHeader(http.StatusNotFound)
}

// review answers questions about permissions, and notes what is none.
func (c *cluster) review(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Spec struct {
			User       string
			Attributes struct{ Namespace, Verb, Resource, Subresource string } `json:"resourceAttributes"`
		}
	}
	require.NoError(c.t, json.NewDecoder(r.Body).Decode(&q))
	a := q.Spec.Attributes
	switch kind := filepath.Base(r.URL.Path); {
	case kind == "selfsubjectreviews":
		_ = json.NewEncoder(w).Encode(object{"status": object{"userInfo": object{"username": c.me}}})
	case kind == "selfsubjectaccessreviews" && c.me == scaler, kind == "localsubjectaccessreviews" && q.Spec.User == scaler && a.Namespace == namespace:
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(object{"status": object{"allowed": c.rights[strings.TrimSuffix(a.Verb+" "+a.Resource+"/"+a.Subresource, "/")]}})
	default:
		c.writes = append(c.writes, r.Method+" "+r.URL.Path)
	}
}

// look is what is found, without what is good.
func (c *cluster) look(change ...func(*checkup.Config)) (wrong []checkup.Finding) {
	c.t.Helper()
	return slices.DeleteFunc(c.all(change...), func(f checkup.Finding) bool { return f.Level == queue.Good })
}

// all is what is found.
func (c *cluster) all(change ...func(*checkup.Config)) (all []checkup.Finding) {
	c.t.Helper()
	client, err := kubernetes.New(kubernetes.API{URL: c.url})
	require.NoError(c.t, err)
	defer client.Close()
	cfg := checkup.Config{
		Client: client, Namespace: namespace, Version: "v1.2.0", Grace: 20 * time.Second,
		IsSetting: func(name string) bool { return name != "MILLRACE_STROE" },
	}
	for _, f := range change {
		f(&cfg)
	}
	for _, f := range checkup.Look(c.t.Context(), cfg) {
		require.NotEmpty(c.t, f.Of)
		require.NotEmpty(c.t, f.Text)
		if f.Level != queue.Good {
			require.NotEmpty(c.t, f.Remedy, f.Text)
		}
		all = append(all, f)
	}
	require.Empty(c.t, c.writes, "it only looks")
	return all
}

func TestNothingIsWrongWithTheManifestsAsTheyAre(t *testing.T) {
	t.Parallel()
	require.Empty(t, healthy(t).look())
	asScaler := healthy(t)
	asScaler.me = scaler
	require.Empty(t, asScaler.look())
}
