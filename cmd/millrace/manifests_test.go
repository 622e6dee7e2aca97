//go:build linux

package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// A worker or scaler that is told what its pod is told finds fault with nothing: of all that is wrong it says the one thing that we
// made wrong.
func TestWorkersAndScalerTakeWhatTheManifestsTellThem(t *testing.T) {
	t.Parallel()
	for _, overlay := range []string{"kubernetes", "openshift", "dev"} {
		folder := repository + "deploy/overlays/" + overlay
		queues, settings := envFile(t, folder+"/queues.env"), envFile(t, folder+"/settings.env")
		for _, class := range []string{"light", "heavy", "gpu"} {
			p := newPlace(t)
			env := podEnv(t, class, queues)
			for name, value := range settings {
				env[name] = value
			}
			require.NotEmpty(t, env["MILLRACE_PIPELINES"])
			env["MILLRACE_PIPELINES"], env["MILLRACE_MIN_FREE"] = p.dir, "much"
			for name, value := range env {
				p.env = append(p.env, name+"="+value)
			}
			r := p.millrace("work")
			require.Equal(t, 2, r.code, r.stderr)
			require.Equal(t, "millrace: MILLRACE_MIN_FREE: \"much\" is no size; write it like 512Mi or 2Gi\n", r.stderr, "%s, %s", overlay, class)
		}
		p := newPlace(t)
		p.env = []string{"KUBERNETES_SERVICE_HOST=127.0.0.1", "MILLRACE_NAMESPACE=millrace", "MILLRACE_EVERY=0s"}
		for name, value := range podEnv(t, "scaler", queues) {
			p.env = append(p.env, name+"="+value)
		}
		r := p.millrace("scaler")
		require.Equal(t, 2, r.code, r.stderr)
		require.Equal(t, "millrace: MILLRACE_EVERY: must be 1s or more, got 0s\n", r.stderr, overlay)
		catalogue, err := filepath.Abs(folder + "/pipelines")
		require.NoError(t, err)
		newPlace(t).succeeds("lint", catalogue)
	}
}

// The routing tables that ship are ones, and their pipelines take what the routes say.
func TestTheRoutingTablesOfTheManifestsAreOnes(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"components/routes/routes.yaml", "overlays/openshift-gpu/routes.yaml"} {
		table, err := filepath.Abs(repository + "deploy/" + file)
		require.NoError(t, err)
		newPlace(t).succeeds("route", "check", "--routes", table)
	}
	event := `{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"s3SchemaVersion":"1.0","bucket":{"name":"CHANGE-ME-MODELS"},"object":{"key":"models/chair.GLB","size":5,"eTag":"e","sequencer":"01"}}}]}`
	p := newPlace(t)
	p.write("event.json", event)
	table, err := filepath.Abs(repository + "deploy/overlays/openshift-gpu/routes.yaml")
	require.NoError(t, err)
	said := p.succeeds("route", "test", "event.json", "--routes", table)
	for _, want := range []string{"render", "gpu_rendering", "models/chair.GLB"} {
		require.Contains(t, said, want)
	}
}

// envFile reads name=value of each line.
func envFile(t *testing.T, file string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	values := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
			values[name] = value
		}
	}
	return values
}

// podEnv is the variables that the base gives to the pods of a file: the workers of a class, or the scaler.
func podEnv(t *testing.T, file string, queues map[string]string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(repository + "deploy/base/" + file + ".yaml")
	require.NoError(t, err)
	var d struct {
		Spec struct {
			Template struct {
				Spec struct {
					Containers []struct {
						Env []struct {
							Name, Value string
							ValueFrom   struct {
								ConfigMapKeyRef struct{ Name, Key string } `yaml:"configMapKeyRef"`
							} `yaml:"valueFrom"`
						}
					}
				}
			}
		}
	}
	for part := range strings.SplitSeq(string(text), "\n---\n") {
		if strings.HasPrefix(part, "apiVersion: apps/v1") {
			require.NoError(t, yaml.Unmarshal([]byte(part), &d))
		}
	}
	env := map[string]string{}
	for _, e := range d.Spec.Template.Spec.Containers[0].Env {
		switch from := e.ValueFrom.ConfigMapKeyRef; {
		case e.Value != "":
			env[e.Name] = e.Value
		case from.Name == "millrace-queues" && queues[from.Key] != "":
			env[e.Name] = queues[from.Key]
		}
	}
	require.GreaterOrEqual(t, len(env), 4)
	return env
}
