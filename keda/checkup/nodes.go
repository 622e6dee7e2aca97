package checkup

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// gpuName is what NVIDIA's device plugin calls a GPU.
const gpuName = "nvidia.com/gpu"

// gatherNodes lists the nodes, where pods of any Deployment ask for GPUs.
func (s *survey) gatherNodes(ctx context.Context) {
	if slices.ContainsFunc(s.deployments, func(d deployment) bool { return gpusOf(&d) > 0 }) {
		s.nodes = list[node](ctx, s, "Nodes", "/api/v1/nodes", "")
	}
}

// gpusOf is how many GPUs a pod of the Deployment asks for.
func gpusOf(d *deployment) int {
	n := 0
	for _, c := range d.Spec.Template.Spec.Containers {
		n += number(c.Resources.Limits[gpuName])
	}
	return n
}

func number(v any) int {
	n, _ := strconv.Atoi(fmt.Sprint(v))
	return n
}

// lookAtNodes looks for nodes that pods of a Deployment which ask for GPUs can go to.
func (s *survey) lookAtNodes(d *deployment) {
	if gpusOf(d) == 0 || s.unseen["Nodes"] {
		return
	}
	of, spec := "Deployment "+d.Metadata.Name, &d.Spec.Template.Spec
	each, most := gpusOf(d), s.most(d)
	labels := selectorText(spec.NodeSelector)
	chosen, with, pods := 0, 0, 0
	refused := map[string]bool{}
	for _, n := range s.nodes {
		if !hasAll(n.Metadata.Labels, spec.NodeSelector) {
			continue
		}
		chosen++
		gpus := number(n.Status.Allocatable[gpuName])
		if gpus == 0 {
			continue
		}
		with++
		if t := untolerated(&n, spec.Tolerations); t != "" {
			refused[t] = true
			continue
		}
		pods += gpus / each
	}
	s.check(of, "GPUs", fmt.Sprintf("there is room for %d of its pods at once, and %d may be asked for", pods, most), func(v *verdict) {
		switch {
		case chosen == 0:
			v.warn("Label the nodes, correct the nodeSelector, or see that the cluster's autoscaler makes such nodes.", "no node has %s: pods wait until one comes", labels)
		case with == 0:
			v.bad("Install NVIDIA's GPU operator or its device plugin, and look at its pods there.",
				"%d nodes have %s, and none of them offers %s: the device plugin does not run there, or finds no GPU that works", chosen, labels, gpuName)
		case pods == 0 && len(refused) > 0:
			v.bad("Add a toleration to the Deployment.", "all nodes with GPUs have a taint that its pods do not tolerate: %s", strings.Join(slices.Sorted(maps.Keys(refused)), ", "))
		case pods == 0:
			v.bad("Ask for fewer, or choose larger nodes.", "a pod asks for %d GPUs, and no node has as many", each)
		case pods < most:
			v.warn("Set maxReplicaCount to that, unless the cluster's autoscaler makes more nodes.", "maxReplicaCount is %d, and there is room for %d pods: the others wait", most, pods)
		}
	})
}

// most is how many pods a Deployment may get.
func (s *survey) most(d *deployment) int {
	for _, so := range s.scaled {
		if so.Spec.Target.Name == d.Metadata.Name {
			return value(so.Spec.Max, 100)
		}
	}
	return 1
}

func hasAll(labels, selector map[string]string) bool {
	for name, want := range selector {
		if labels[name] != want {
			return false
		}
	}
	return true
}

func selectorText(selector map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(selector)) {
		parts = append(parts, name+"="+selector[name])
	}
	return cmp.Or(strings.Join(parts, ","), "any label")
}

// untolerated is a taint that keeps the pods off the node; empty where none does.
func untolerated(n *node, tolerations []toleration) string {
	if n.Spec.Unschedulable {
		return "cordoned"
	}
	for _, t := range n.Spec.Taints {
		if t.Effect == "PreferNoSchedule" {
			continue
		}
		if !slices.ContainsFunc(tolerations, func(by toleration) bool { return tolerates(by, t) }) {
			return strings.TrimSuffix(t.Key+"="+t.Value, "=") + ":" + t.Effect
		}
	}
	return ""
}

func tolerates(by toleration, t taint) bool {
	if by.Effect != "" && by.Effect != t.Effect {
		return false
	}
	if by.Operator == "Exists" {
		return by.Key == "" || by.Key == t.Key
	}
	return by.Key == t.Key && by.Value == t.Value
}
