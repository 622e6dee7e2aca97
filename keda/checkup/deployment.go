package checkup

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// spare is how much longer than its jobs a pod must be let live: to hand back what did not end.
const spare = 10 * time.Second

// lookAtDeployment looks at the workers of one class, or at the scaler.
func (s *survey) lookAtDeployment(d *deployment) {
	of := "Deployment " + d.Metadata.Name
	spec := &d.Spec.Template.Spec
	s.check(of, "pods", "", func(v *verdict) {
		if c := conditionOf(d.Status.Conditions, "ReplicaFailure"); c != nil && c.Status == "True" {
			v.bad("Mend what the text says: a quota, or a rule of the namespace.", "its pods can't be made: %s", c.Message)
		}
	})
	s.check(of, "security", "its pods are what restricted asks for", func(v *verdict) { s.lookAtSecurity(v, spec) })
	if d.isScaler() {
		return
	}
	s.lookAtGrace(of, d)
	s.check(of, "replicas", "nobody but KEDA sets them", func(v *verdict) {
		if who := whoSetsReplicas(&d.Metadata); who != "" {
			v.bad("Take spec.replicas out of the manifest.", "%s sets the number of pods at every apply, whatever KEDA wants", who)
		}
	})
	if !s.unseen["ScaledObjects"] && !slices.ContainsFunc(s.scaled, func(so scaledObject) bool { return so.Spec.Target.Name == d.Metadata.Name }) {
		s.check(of, "scaling", "", func(v *verdict) {
			v.warn("Apply one: `millrace gen keda --class "+d.class()+"`.", "no ScaledObject is for it: nobody starts or ends its pods")
		})
	}
	s.lookAtNodes(d)
	s.check(of, "disruptions", "", func(v *verdict) {
		for _, b := range s.budgets {
			if b.Spec.Selector.Labels[classLabel] == d.class() && (fmt.Sprint(b.Spec.Most) == "0" || fmt.Sprint(b.Spec.Most) == "0%" || fmt.Sprint(b.Spec.Least) == "100%") {
				v.warn("Set maxUnavailable to 1.", "PodDisruptionBudget %s lets no pod go: a node that is drained waits for ever", b.Metadata.Name)
			}
		}
	})
}

// lookAtGrace holds the pod's grace against that of its jobs.
func (s *survey) lookAtGrace(of string, d *deployment) {
	grace := s.Grace
	told, known := s.vars[d.Metadata.Name]["MILLRACE_GRACE"]
	if told.secret || !known && s.unseen["ConfigMaps"] {
		return // what can't be seen may say it
	}
	if told.value != "" {
		if set, err := time.ParseDuration(told.value); err == nil {
			grace = set
		}
	}
	whole := time.Duration(value(d.Spec.Template.Spec.Grace, 30)) * time.Second
	s.check(of, "grace", fmt.Sprintf("jobs may go on for %s, and the pod for %s", grace, whole), func(v *verdict) {
		if whole < grace+spare {
			v.bad(fmt.Sprintf("Set terminationGracePeriodSeconds to %d.", int((grace+3*spare).Seconds())),
				"the pod is killed after %s, and its jobs may go on for %s (MILLRACE_GRACE): what runs is lost, and comes again when its lease ends", whole, grace)
		}
	})
}

// whoSetsReplicas is who says at every apply how many pods there are; empty is nobody, as far as can be seen.
func whoSetsReplicas(m *meta) string {
	var applied struct {
		Spec struct {
			Replicas *int `json:"replicas"`
		} `json:"spec"`
	}
	const last = "kubectl.kubernetes.io/last-applied-configuration"
	if json.Unmarshal([]byte(m.Annotations[last]), &applied) == nil && applied.Spec.Replicas != nil {
		return fmt.Sprintf("what was applied last (%d replicas)", *applied.Spec.Replicas)
	}
	for _, f := range m.ManagedFields {
		if f.Operation == "Apply" && f.Subresource == "" && f.Fields.has("spec", "replicas") {
			return f.Manager
		}
	}
	return ""
}

// lookAtSecurity holds a pod against the level restricted of Kubernetes, and OpenShift's SCC of that name.
func (s *survey) lookAtSecurity(v *verdict, spec *podSpec) {
	const remedy = "Take the security context of deploy/base over, or look who patches it."
	p := &spec.Security
	if spec.HostNetwork || spec.HostPID || spec.HostIPC {
		v.warn(remedy, "its pods use the node's network, processes or memory")
	}
	for _, volume := range spec.Volumes {
		if volume.HostPath != nil {
			v.warn(remedy, "volume %s is a folder of the node", volume.Name)
		}
	}
	for _, c := range spec.all() {
		for _, what := range unrestricted(p, &c.Security) {
			v.warn(remedy, "container %s %s", c.Name, what)
		}
		if s.openshift && (p.User != nil || p.FSGroup != nil || c.Security.User != nil) {
			v.bad("Take runAsUser and fsGroup out: restricted-v2 gives those of the namespace.", "container %s asks for a user or group of its own, which OpenShift refuses", c.Name)
		}
	}
}

// unrestricted is what a container may do that restricted forbids.
func unrestricted(p, c *security) (all []string) {
	user := cmp.Or(c.User, p.User)
	if nonRoot := cmp.Or(c.NonRoot, p.NonRoot); nonRoot == nil || !*nonRoot || user != nil && *user == 0 {
		all = append(all, "may run as root")
	}
	if c.Privileged || c.Escalation == nil || *c.Escalation {
		all = append(all, "may gain privileges")
	}
	if c.Capabilities == nil || !slices.Contains(c.Capabilities.Drop, "ALL") ||
		slices.ContainsFunc(c.Capabilities.Add, func(name string) bool { return name != "NET_BIND_SERVICE" }) {
		all = append(all, "keeps capabilities")
	}
	if seccomp := cmp.Or(c.Seccomp, p.Seccomp); seccomp == nil || seccomp.Type == "Unconfined" {
		all = append(all, "has no seccomp profile")
	}
	return all
}

// lookAtTold looks at what the containers of a Deployment are told, and keeps it.
func (s *survey) lookAtTold(ctx context.Context, d *deployment) {
	for i := range d.Spec.Template.Spec.Containers {
		c := &d.Spec.Template.Spec.Containers[i]
		if c.Name == "worker" || c.Name == "scaler" || len(d.Spec.Template.Spec.Containers) == 1 {
			s.vars[d.Metadata.Name] = s.lookAtSettings(ctx, "Deployment "+d.Metadata.Name, d, c)
		}
	}
}
