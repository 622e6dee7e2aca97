package checkup

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// lag is for how long SQS's own counts may be behind, as AWS says.
const lag = time.Minute

// lookAtScaling looks at one ScaledObject of ours.
func (s *survey) lookAtScaling(ctx context.Context, so *scaledObject) {
	of := "ScaledObject " + so.Metadata.Name
	s.check(of, "ready", "KEDA scales by it", func(v *verdict) { s.lookAtConditions(v, so) })
	at := slices.IndexFunc(s.deployments, func(d deployment) bool { return d.Metadata.Name == so.Spec.Target.Name })
	if at < 0 {
		if !s.unseen["Deployments"] {
			s.check(of, "target", "", func(v *verdict) {
				v.bad("Apply the Deployment, or delete the ScaledObject.", "there is no Deployment %s of ours to scale", so.Spec.Target.Name)
			})
		}
		return
	}
	d := &s.deployments[at]
	most := value(so.Spec.Max, 100)
	s.check(of, "scaling", fmt.Sprintf("%d to %d pods", so.Spec.Min, most), func(v *verdict) { s.lookAtBounds(v, so, d) })
	slots := s.slots(d)
	for i := range so.Spec.Triggers {
		t := &so.Spec.Triggers[i]
		s.check(of, "trigger", s.sum(t, slots), func(v *verdict) { s.lookAtTrigger(ctx, v, so, t, slots) })
	}
}

// isOurs says whether a ScaledObject is for workers of ours.
func (s *survey) isOurs(so *scaledObject) bool {
	return so.Metadata.Labels["app.kubernetes.io/name"] == "millrace" ||
		slices.ContainsFunc(s.deployments, func(d deployment) bool { return d.Metadata.Name == so.Spec.Target.Name })
}

func (s *survey) lookAtConditions(v *verdict, so *scaledObject) {
	ready := conditionOf(so.Status.Conditions, "Ready")
	switch {
	case ready == nil:
		v.warn("Look at the log of KEDA's operator, if this stays so.", "KEDA has not looked at it yet")
	case ready.Status != "True":
		v.bad("Mend that; `kubectl describe` and the log of KEDA's operator say more. Pods stay as many as they are.", "it is not ready: %s (%s)", ready.Message, ready.Reason)
	}
	for _, c := range so.Status.Conditions {
		if c.Type == "Fallback" && c.Status == "True" {
			v.warn("See why the trigger does not answer.", "KEDA scales by the fallback, for it gets no answer")
		}
	}
	for key := range so.Metadata.Annotations {
		if strings.HasPrefix(key, "autoscaling.keda.sh/paused") {
			v.warn("Take the annotation away when that is no longer meant.", "somebody has paused it (%s)", key)
		}
	}
}

func conditionOf(all []condition, kind string) *condition {
	if i := slices.IndexFunc(all, func(c condition) bool { return c.Type == kind }); i >= 0 {
		return &all[i]
	}
	return nil
}

func value(v *int, otherwise int) int {
	if v == nil {
		return otherwise
	}
	return *v
}

// lookAtBounds looks at what holds for all triggers.
func (s *survey) lookAtBounds(v *verdict, so *scaledObject, d *deployment) {
	polling, cooldown := value(so.Spec.Polling, 30), value(so.Spec.Cooldown, 300)
	if most := value(so.Spec.Max, 100); most < max(so.Spec.Min, 1) {
		v.bad("Set maxReplicaCount to how many pods there may be.", "maxReplicaCount is %d: no pod is started", most)
	}
	if cooldown <= polling {
		v.warn("Set cooldownPeriod to several times pollingInterval.", "cooldownPeriod (%ds) is not above pollingInterval (%ds): one look that finds nothing ends all pods at once", cooldown, polling)
	}
	own := slices.ContainsFunc(so.Spec.Triggers, func(t trigger) bool { return t.Type == "aws-sqs-queue" })
	if own && time.Duration(cooldown)*time.Second < lag {
		v.warn("Set cooldownPeriod to 60 at least.", "cooldownPeriod is %ds, and SQS's counts may be a minute behind: pods go that still work", cooldown)
	}
	if so.Spec.Fallback != nil {
		v.warn("Take fallback out, and alert on Ready=False.", "fallback can't lift pods from zero, and hides that KEDA gets no answer")
	}
	for _, other := range s.scaled {
		if other.Metadata.Name != so.Metadata.Name && other.Spec.Target.Name == d.Metadata.Name && cmp.Or(other.Spec.Target.Kind, "Deployment") == "Deployment" {
			v.bad("Delete one of them.", "ScaledObject %s scales %s too", other.Metadata.Name, d.Metadata.Name)
		}
	}
	v.unsure("HorizontalPodAutoscalers")
	for _, h := range s.hpas {
		if h.Spec.Target.Kind == "Deployment" && h.Spec.Target.Name == d.Metadata.Name && h.Metadata.Labels["scaledobject.keda.sh/name"] == "" &&
			!strings.HasPrefix(h.Metadata.Name, "keda-hpa-") {
			v.bad("Delete it: KEDA makes its own.", "HorizontalPodAutoscaler %s scales %s too, and they undo what the other does", h.Metadata.Name, d.Metadata.Name)
		}
	}
}

// slots is how many jobs a pod of the Deployment runs at once; 0 is not known.
func (s *survey) slots(d *deployment) int {
	n, _ := strconv.Atoi(s.vars[d.Metadata.Name]["MILLRACE_SLOTS"].value)
	return n
}

// target is how many messages a trigger has a pod for; 0 is not one that is known.
func target(t *trigger) int {
	switch {
	case t.Type == "aws-sqs-queue":
		n, _ := strconv.Atoi(cmp.Or(t.Metadata["queueLength"], "5"))
		return n
	case t.isOurs() && t.Metadata["target"] == "" && t.Metadata["queue"] == "gpu":
		return 1
	case t.isOurs():
		n, _ := strconv.Atoi(cmp.Or(t.Metadata["target"], "5"))
		return n
	}
	return 0
}

// sum is the arithmetic of a trigger in words.
func (s *survey) sum(t *trigger, slots int) string {
	if target(t) == 0 {
		return t.Type + ": it is not known here, and was not looked at"
	}
	each := "every message"
	if n := target(t); n > 1 {
		each = fmt.Sprintf("every %d messages", n)
	}
	if slots == 0 {
		return fmt.Sprintf("%s: one pod for %s", t.Type, each)
	}
	return fmt.Sprintf("%s: one pod for %s, and it runs %d at once", t.Type, each, slots)
}

func (s *survey) lookAtTrigger(ctx context.Context, v *verdict, so *scaledObject, t *trigger, slots int) {
	if n := target(t); n > slots && slots > 0 {
		name := "target"
		if !t.isOurs() {
			name = "queueLength"
		}
		v.bad("Set "+name+" to the slots of a pod, or lower.",
			"%s is %d and a pod has %d slots: jobs that run in several pods ask for fewer, and busy ones are ended", name, n, slots)
	}
	switch {
	case t.Type == "aws-sqs-queue":
		lookAtSQS(v, t)
		v.elsewhere("ScaledObject "+so.Metadata.Name, t)
		if t.Auth != nil && cmp.Or(t.Auth.Kind, kindAuth) == kindAuth {
			s.lookAtAuth(ctx, v, "ScaledObject "+so.Metadata.Name, t.Auth.Name, new(way))
		}
	case t.isOurs():
		if n, _ := strconv.Atoi(t.Metadata["slots"]); n != slots && n > 0 && slots > 0 {
			v.warn("Say the same in both.", "slots of the trigger is %d, and MILLRACE_SLOTS of the pods %d: a pod that does not answer is taken for more or less busy than it can be", n, slots)
		}
	}
	v.unsure("TriggerAuthentications")
	if t.Metadata["activationQueueLength"] > "0" && t.Type == "aws-sqs-queue" {
		v.warn(`Set activationQueueLength to "0".`, "%s messages wait until there are more of them", t.Metadata["activationQueueLength"])
	}
}

// lookAtSQS looks at what KEDA's own trigger counts.
func lookAtSQS(v *verdict, t *trigger) {
	if t.Metadata["scaleOnInFlight"] == "false" {
		v.bad(`Set scaleOnInFlight to "true", or take it out.`, "messages that are being worked on do not count: pods are ended while they work")
	}
	if t.Metadata["scaleOnDelayed"] != "true" {
		v.warn(`Set scaleOnDelayed to "true".`, "messages that were sent with a delay do not count: they wake nobody before they are due")
	}
}
