package main

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What KEDA may ask.
const (
	triggerOurs = "external-push"
	triggerSQS  = "aws-sqs-queue"
)

// slack is how much longer than its jobs' grace a pod is given: to hand back what did not end, and to write why.
const slack = 30 * time.Second

// A pool is how the pods of a class share work.
type pool struct {
	slots, target int
	grace         time.Duration
}

// pools: target is never above slots, so that what runs alone keeps as many pods as run it.
func pools() map[string]pool {
	return map[string]pool{
		"light": {slots: 5, target: 5, grace: 2 * time.Minute},
		"heavy": {slots: 1, target: 1, grace: 10 * time.Minute},
		"gpu":   {slots: 1, target: 1, grace: 10 * time.Minute},
	}
}

// ownSettings are what the manifests say themselves, and the flag of ours that says it.
func ownSettings() map[string]string {
	return map[string]string{
		"queue": "--queue", "labels": "--labels", "slots": "--slots", "grace": "--grace", "status": "a port that is fixed",
		"class-queues": "the ConfigMap millrace-queues", "listen": "a port that is fixed", "pods": "the manifest: kubernetes",
		"namespace": "--namespace", "tls-cert": "--scaler-tls", "tls-key": "--scaler-tls",
	}
}

func (d *deployment) deployVars() (map[string]any, error) {
	vars, err := d.kedaVars()
	if err != nil {
		return nil, err
	}
	values, err := d.values(&workConfig{}, &logConfig{})
	if err != nil {
		return nil, err
	}
	if err := d.checkPods(); err != nil {
		return nil, err
	}
	if _, ok := values["MILLRACE_STORE"]; !ok && d.queue != "" {
		return nil, usage("records and outputs would go with the pod: name a store that stays, like --set store=s3://bucket/prefix")
	}
	if _, err := parseQueue(d.queue); err != nil && d.queue != "" {
		return nil, usage("--queue: %w", err)
	}
	nodes, err := pairs("node-selector", d.nodes)
	if err != nil {
		return nil, err
	}
	if d.class == "gpu" && len(nodes) == 0 {
		nodes = map[string]any{"nvidia.com/gpu.present": "true"}
	}
	c, p := classes()[d.class], pools()[d.class]
	grace := cmp.Or(d.grace, p.grace)
	settings := "millrace"
	if d.queue != "" {
		settings += "-" + d.class
		if _, ok := values["MILLRACE_PIPELINES"]; !ok {
			values["MILLRACE_PIPELINES"] = "/etc/millrace/pipelines"
		}
	}
	maps.Copy(vars, d.podVars(settings, values))
	maps.Copy(vars, map[string]any{
		"cpu": c.cpu, "memory": c.memory, "cpu_limit": c.cpuLimit, "memory_limit": c.memoryLimit, "workspace": c.workspace,
		"gpus": cmp.Or(d.gpuCount, c.gpus), "node_selector": nodes, "runtime_class": d.runtimeClass,
		"service_account": d.account, "gcp_secret": d.gcpSecret,
		"labels": strings.Join(append([]string{"class=" + d.class}, d.labels...), ","),
		"grace":  short(grace), "termination": int((grace + slack) / time.Second),
	})
	return vars, nil
}

// short writes a duration as people do: 2m, not 2m0s.
func short(d time.Duration) string {
	text := d.String()
	text = strings.TrimSuffix(text, "0s")
	if text == "" || !strings.HasSuffix(text, "m") {
		return d.String()
	}
	if strings.HasSuffix(text, "h0m") {
		return strings.TrimSuffix(text, "0m")
	}
	return text
}

func (d *deployment) scalerVars() (map[string]any, error) {
	values, err := d.values(&scalerConfig{}, &logConfig{})
	if err != nil {
		return nil, err
	}
	if err := d.checkPods(); err != nil {
		return nil, err
	}
	for text := range strings.SplitSeq(d.queue, ",") {
		name, ref, ok := strings.Cut(text, "=")
		if _, err := parseQueue(ref); d.queue != "" && (!ok || name == "" || err != nil) {
			return nil, usage("--queue: %q is not name=queue; write it like light=sqs:jobs-light", text)
		}
	}
	settings := "millrace"
	if d.queue != "" {
		settings = "millrace-scaler"
	}
	vars := d.podVars(settings, values)
	vars["scaler_tls"] = d.scalerTLS
	return vars, nil
}

// podVars are what workers and the scaler have in common.
func (d *deployment) podVars(settings string, values map[string]string) map[string]any {
	var listed []any
	for _, name := range slices.Sorted(maps.Keys(values)) {
		listed = append(listed, map[string]any{"name": name, "value": values[name]})
	}
	return map[string]any{
		"namespace": d.namespace, "image": d.image, "queue": d.queue, "settings": settings, "values": listed,
		"pull_secret": d.pullSecret, "aws_secret": d.awsSecret, "cos_secret": d.cosSecret,
	}
}

// values are the variables that --set makes, each a setting of one of the configs and no secret.
func (d *deployment) values(configs ...any) (map[string]string, error) {
	known := map[string]setting{}
	for _, cfg := range configs {
		for _, s := range settings(cfg) {
			known[s.Flag] = s
		}
	}
	values := map[string]string{}
	for _, text := range d.set {
		name, value, ok := strings.Cut(text, "=")
		s, isKnown := known[name]
		own, isOwn := ownSettings()[name]
		switch {
		case !ok || value == "":
			return nil, usage("--set: %q sets nothing; write it like region=eu-central-1", text)
		case !isKnown:
			return nil, usage("--set: there is no setting %q (see `millrace work --help`, or for the scaler `millrace scaler --help`)", name)
		case s.Secret:
			return nil, usage("--set: %s is a secret, and all may read manifests; put %s into the Secret millrace", name, s.Env)
		case isOwn:
			return nil, usage("--set: %s is given by %s", name, own)
		}
		if err := set(reflect.New(s.value.Type()).Elem(), value); err != nil {
			return nil, usage("--set: %s: %w", name, err)
		}
		values[s.Env] = value
	}
	return values, nil
}

func (d *deployment) kedaVars() (map[string]any, error) {
	if err := d.checkTrigger(); err != nil {
		return nil, err
	}
	p := pools()[d.class]
	slots, target := cmp.Or(d.slots, p.slots), cmp.Or(d.target, p.target)
	if d.target == 0 {
		target = min(target, slots)
	}
	if target > slots {
		return nil, usage("--target: %d messages for a pod of %d slots: once they run, there are more pods than the target asks for, and busy ones are ended", target, slots)
	}
	queueURL, region, err := d.sqs()
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"class": d.class, "namespace": d.namespace, "most": d.most, "polling": d.polling, "cooldown": d.cooldown,
		"slots": strconv.Itoa(slots), "target": strconv.Itoa(target), "trigger": d.trigger, "scaler_tls": d.scalerTLS,
		"scaler":       cmp.Or(d.scaler, "millrace-scaler."+cmp.Or(d.namespace, "millrace")+".svc:9090"),
		"scaler_queue": cmp.Or(d.scalerQueue, d.class), "queue_url": queueURL, "region": region,
		"auth": d.auth, "aws_secret": d.awsSecret,
	}, nil
}

// sqs is the URL and the region of the queue, as KEDA's own trigger wants them.
func (d *deployment) sqs() (address, region string, err error) {
	if d.trigger != triggerSQS {
		return "", "", nil
	}
	if part := strings.Split(d.queue, ":"); part[0] == "arn" && len(part) == 6 && part[2] == kindSQS {
		domain := "amazonaws.com"
		if part[1] == "aws-cn" {
			domain += ".cn"
		}
		return fmt.Sprintf("https://sqs.%s.%s/%s/%s", part[3], domain, part[4], part[5]), cmp.Or(d.region, part[3]), nil
	}
	u, err := url.Parse(d.queue)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", "", usage("--queue: KEDA's own trigger asks SQS by URL; give the queue's URL or ARN, not %q", d.queue)
	}
	if label := strings.Split(u.Hostname(), "."); label[0] == kindSQS && len(label) > 2 {
		region = label[1]
	}
	if region = cmp.Or(d.region, region); region == "" {
		return "", "", usage("--region: which region the queue is in can't be told from %s; name it", d.queue)
	}
	return d.queue, region, nil
}

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
	return d.checkNames()
}

func (d *deployment) checkNames() error {
	for flag, name := range map[string]string{
		"service-account": d.account, "pull-secret": d.pullSecret, "aws-secret": d.awsSecret, "cos-secret": d.cosSecret,
		"gcp-secret": d.gcpSecret, "scaler-tls": d.scalerTLS, "runtime-class": d.runtimeClass,
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

// pairs reads name=value of a flag.
func pairs(flag string, texts []string) (map[string]any, error) {
	all := map[string]any{}
	for _, text := range texts {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" || value == "" {
			return nil, usage("--%s: %q is not name=value", flag, text)
		}
		all[name] = value
	}
	return all, nil
}
