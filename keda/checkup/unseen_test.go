package checkup_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/queue"
)

// Each of these is a right that whoever asks may lack: the rest is looked at all the same, and nothing is an error.
func TestWhatMayNotBeSeenIsSaid(t *testing.T) {
	t.Parallel()
	for what, path := range map[string]string{
		"Nodes": "/api/v1/nodes", "Secrets": "/api/v1/namespaces/millrace/secrets", "ConfigMaps": "/api/v1/namespaces/millrace/configmaps",
		"Deployments": "/apis/apps/v1/namespaces/millrace/deployments", "Pods": "/api/v1/namespaces/millrace/pods",
		"ScaledObjects": "/apis/keda.sh/v1alpha1/namespaces/millrace/scaledobjects", "Services": "/api/v1/namespaces/millrace/services",
		"the scaler's permissions": "/apis/authorization.k8s.io/v1/namespaces/millrace/localsubjectaccessreviews",
	} {
		c := healthy(t)
		c.refuse[path] = http.StatusForbidden
		found := c.look()
		require.NotEmpty(t, found, what)
		require.Contains(t, found[0].Text, what+": refused: "+path, what)
		require.Contains(t, found[0].Remedy, map[bool]string{true: "from a laptop", false: "deploy/components/doctor"}[what == "Secrets"])
		for _, f := range found {
			require.Equal(t, queue.Warning, f.Level, "%s: %s", what, f.Text)
		}
	}
}

// Nothing is called good that was not looked at.
func TestWhatMayNotBeSeenIsNotCalledGood(t *testing.T) {
	t.Parallel()
	const in = "/namespaces/millrace/"
	for _, tt := range []struct {
		path, of, check string
		change          func(c *cluster)
	}{
		{"/api/v1" + in + "pods", "Pods", "state", nil},
		{"/apis/autoscaling/v2" + in + "horizontalpodautoscalers", "ScaledObject millrace-gpu", "scaling", nil},
		{"/apis/external.metrics.k8s.io", "KEDA", "metrics", nil},
		{"/api/v1" + in + "services", "Scaler", "address", nil},
		{"/apis/keda.sh/v1alpha1" + in + "triggerauthentications", "ScaledObject millrace-light", "trigger", func(c *cluster) {
			onSQS(c, "light", nil)
			triggerOf(c, "light")["authenticationRef"] = object{"name": "a"}
			c.add("TriggerAuthentication", "a", object{})
		}},
		{"/api/v1" + in + "secrets", "ScaledObject millrace-light", "trigger", func(c *cluster) {
			onSQS(c, "light", nil)
			triggerOf(c, "light")["authenticationRef"] = object{"name": "a"}
			c.add("TriggerAuthentication", "a", object{"spec": object{"secretTargetRef": []any{object{"parameter": "awsAccessKeyID", "name": "s", "key": "k"}}}})
			c.add("Secret", "s", object{"data": object{"k": ""}})
		}},
		{"/api/v1" + in + "configmaps", "Deployment millrace-heavy", "grace", func(c *cluster) {
			env := worker(c, "heavy")
			env["env"] = slices.DeleteFunc(env["env"].([]any), func(v any) bool { return v.(object)["name"] == "MILLRACE_GRACE" })
		}},
	} {
		c := healthy(t)
		if tt.change != nil {
			tt.change(c)
		}
		goods := func() (n int) {
			for _, f := range c.all() {
				if f.Of == tt.of && f.Check == tt.check && f.Level == queue.Good {
					n++
				}
			}
			return n
		}
		before := goods()
		require.NotZero(t, before, tt.path)
		c.refuse[tt.path] = http.StatusForbidden
		require.Zero(t, goods(), tt.path)
		for _, f := range c.look() {
			require.Equal(t, queue.Warning, f.Level, "%s: %s", tt.path, f.Text)
		}
	}
}
