package main

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
)

func (d *deployment) checkTrigger() error {
	if _, ok := pools()[d.class]; !ok {
		return usage("--class: %q is none of %s", d.class, strings.Join(slices.Sorted(maps.Keys(pools())), ", "))
	}
	if d.trigger != triggerOurs && d.trigger != triggerSQS {
		return usage("--trigger: %q is neither %s nor %s", d.trigger, triggerOurs, triggerSQS)
	}
	if !slices.Contains([]string{"keys", "workload", "keda"}, d.auth) {
		return usage("--auth: %q is none of keys, workload, keda", d.auth)
	}
	if d.auth == "keys" && d.trigger == triggerSQS && d.awsSecret == "" {
		return usage("--auth: keys come from the secret that --aws-secret names, and it is empty")
	}
	for flag, n := range map[string]int{"max": d.most, "polling": d.polling, "cooldown": d.cooldown} {
		if n < 1 {
			return usage("--%s: must be at least 1, got %d", flag, n)
		}
	}
	if d.slots < 0 || d.slots > maxSlots || d.target < 0 {
		return usage("--slots, --target: must be 0 to %d, got %d and %d", maxSlots, d.slots, d.target)
	}
	return d.checkNames()
}

func (d *deployment) checkPods() error {
	switch {
	case d.image == "":
		return usage("name the image of the pods: --image registry/millrace-light:1.0")
	case strings.ContainsFunc(d.image, func(r rune) bool { return r <= ' ' || r > '~' }):
		return usage("--image: %q is no image", d.image)
	case d.grace < 0 || d.gpuCount < 0:
		return usage("--grace, --gpus: can't be below 0")
	}
	fit := fitConfig{Labels: d.labels}
	if errs := fit.complete(func(flag string) string { return "--" + flag }); len(errs) > 0 {
		return usage("%w", errors.Join(errs...))
	}
	if _, ok := fit.labels["class"]; ok {
		return usage("--labels: the class is --class's to say")
	}
	return d.checkNames()
}

func (d *deployment) checkNames() error {
	for flag, name := range map[string]string{
		"service-account": d.account, "pull-secret": d.pullSecret, "aws-secret": d.awsSecret, "cos-secret": d.cosSecret,
		"gcp-secret": d.gcpSecret, "scaler-tls": d.scalerTLS, "runtime-class": d.runtimeClass,
		"keys-secret": d.keysSecret, "hooks-secret": d.hooksSecret,
	} {
		if name != "" && !isSubdomain(name) {
			return usage("--%s: %q is no name of Kubernetes: a-z, 0-9, and - and . between them, at most 253 characters", flag, name)
		}
	}
	if d.namespace != "" && !isObjectName(d.namespace) {
		return usage("--namespace: %q is no name of Kubernetes: a-z, 0-9 and - between them, at most 63 characters", d.namespace)
	}
	return nil
}

// checkPlaces refuses a queue and a store that would be the pod's own, and go with it. Where no queue is named, both are another's
// to say.
func (d *deployment) checkPlaces(store string) error {
	if d.queue == "" {
		return nil
	}
	if strings.Contains(d.queue, ",") {
		return usage("--queue: a class has one, which wakes it; %q names several", d.queue)
	}
	q, err := parseQueue(d.queue)
	switch {
	case err != nil:
		return usage("--queue: %w", err)
	case q.kind == kindLocal:
		return usage("--queue: the embedded queue would go with the pod; name sqs:NAME, an SQS URL or ARN, or cos://bucket/prefix")
	}
	return checkStore([]queueRef{q}, store)
}

// checkStore refuses a store that would go with the pod, or that queues lie in.
func checkStore(queues []queueRef, store string) error {
	if store == "" || store == kindLocal {
		return usage("records and outputs would go with the pod: name a store that stays, like --set store=s3://bucket/prefix")
	}
	s, err := parseStore(store)
	if err != nil {
		return usage("--set: store: %w", err)
	}
	if errs := apart(queues, s); len(errs) > 0 {
		return usage("--queue: %w", errs[0])
	}
	return nil
}

// nodeLabels reads name=value of --node-selector, which must be labels of Kubernetes.
func nodeLabels(texts []string) (map[string]any, error) {
	label := regexp.MustCompile(`^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)=[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)
	all := map[string]any{}
	for _, text := range texts {
		if !label.MatchString(text) {
			return nil, usage("--node-selector: %q is no label of a node; write it like nvidia.com/gpu.product=NVIDIA-L4", text)
		}
		name, value, _ := strings.Cut(text, "=")
		all[name] = value
	}
	return all, nil
}
