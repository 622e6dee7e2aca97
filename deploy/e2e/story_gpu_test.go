//go:build e2e && linux

package e2e_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	node       = "localhost"
	gpuTaint   = "nvidia.com/gpu=present:NoSchedule"
	hasGPU     = "nvidia.com/gpu.present=true"
	gpuProduct = "nvidia.com/gpu.product"

	// noGPU has a worker of class gpu stay where there is no device behind what the node claims.
	noGPU = "MILLRACE_GPU_LOST=stay"
)

// nodeLabels sets labels of the node, name=value, or takes them away, name-.
func nodeLabels(t *testing.T, labels ...string) {
	t.Helper()
	mustKubectl(t, nil, append([]string{"label", "node", node, "--overwrite"}, labels...)...)
}

// gpus has the node claim n of them; there is no device.
func gpus(t *testing.T, n string) {
	t.Helper()
	_, err := command(t.Context(), podTime, "./cluster", "gpus", n)
	require.NoError(t, err)
}

// bareNode is how the node is between the stories.
func bareNode(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		config, err := command(ctx, time.Minute, "./cluster", "kubeconfig")
		require.NoError(t, err)
		for _, argv := range [][]string{
			{"label", "node", node, "nvidia.com/gpu.present-", gpuProduct + "-", "role-", "accelerator-"},
			{"taint", "node", node, "nvidia.com/gpu-"},
		} {
			_, _ = command(ctx, podTime, append([]string{"kubectl", "--kubeconfig", strings.TrimSpace(config)}, argv...)...) // it may have none
		}
	})
}

// A placed is a Deployment whose pods the scheduler is to place. KEDA has no part in it.
type placed struct{ *mill }

func newPlaced(t *testing.T, name string, p plan) placed {
	t.Helper()
	p.queue, p.gpu, p.settings = "sqs", true, []string{noGPU}
	p.patches = append(p.patches, gone("app.kubernetes.io/component=scaler"), object{
		"target": object{"kind": "ScaledObject"}, "patch": "$patch: delete\nkind: any\nmetadata: {name: any}\n",
	})
	m := newMill(t, name, p)
	m.create()
	return placed{m}
}

// pends waits until the scheduler says of the class's pod why it can't be placed.
func (p placed) pends(class, why string) {
	p.t.Helper()
	said := ""
	p.await(30*time.Second, "a pod of class "+class+" to wait: "+why, func() bool {
		pods := p.pods(class)
		for _, c := range scheduling(pods) {
			said = c.Message
		}
		return len(pods) == 1 && strings.Contains(said, why)
	})
	figure("class "+class+" ("+p.name+") stays Pending", "%s", said)
}

func scheduling(pods []kubePod) []condition {
	var found []condition
	for _, p := range pods {
		for _, c := range p.Status.Conditions {
			if c.Type == "PodScheduled" && c.Status == "False" {
				found = append(found, c)
			}
		}
	}
	return found
}

// lands waits until a class's pod runs.
func (p placed) lands(class string) time.Duration {
	p.t.Helper()
	return p.await(time.Minute, "a pod of class "+class+" to run", func() bool {
		pods := p.pods(class)
		return len(pods) == 1 && pods[0].Status.Phase == "Running"
	})
}

// A GPU's pod goes where its overlay sends it, and nowhere else. What is on such a node already stays.
func TestGPUPodsGoToGPUNodes(t *testing.T) {
	for _, tt := range []struct {
		name, wrong, right string // labels of the node
		plan               plan
	}{
		{"gpu-kubernetes", "role=gpu", hasGPU, plan{overlay: "kubernetes"}},
		{"gpu-openshift", hasGPU, "role=gpu", plan{overlay: "openshift"}},
		{"gpu-product", gpuProduct + "=Tesla-T4", gpuProduct + "=NVIDIA-L4", plan{overlay: "openshift", components: []string{"gpu-product"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bareNode(t)
			gpus(t, "2")
			nodeLabels(t, tt.wrong)
			if tt.name == "gpu-product" {
				nodeLabels(t, "role=gpu")
			}
			p := newPlaced(t, tt.name, tt.plan)
			p.pends("gpu", "didn't match Pod's node affinity/selector")
			light := p.lands("light")

			gpus(t, "0")
			nodeLabels(t, tt.right)
			mustKubectl(t, nil, "taint", "node", node, gpuTaint)
			p.pends("gpu", "Insufficient nvidia.com/gpu")
			gpus(t, "2")
			gpu := p.lands("gpu")

			mustKubectl(t, nil, "-n", p.name, "delete", "pod", "-l", "millrace/class=light", "--grace-period=1")
			p.pends("light", "untolerated taint")
			mustHold(t, "class gpu runs on the node with "+tt.right+", the taint and a GPU, and on no other; class light not there", true,
				"light ran after %.1f s without the taint, gpu after %.1f s once there was a GPU", light.Seconds(), gpu.Seconds())
		})
	}
}
