package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
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
		"api-keys": "--keys-secret", "hooks": "--hooks-secret",
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
	if err := d.checkPlaces(values["MILLRACE_STORE"]); err != nil {
		return nil, err
	}
	nodes, err := nodeLabels(d.nodes)
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
	if d.queue != "" {
		if _, err := parseScaled(strings.Split(d.queue, ",")); err != nil {
			return nil, usage("--queue: %w", err)
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
	digest := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(values)) {
		listed = append(listed, map[string]any{"name": name, "value": values[name]})
		fmt.Fprintf(digest, "%q=%q\n", name, values[name])
	}
	mark := ""
	if d.queue != "" { // else the ConfigMap is another's to make, and to name anew
		mark = hex.EncodeToString(digest.Sum(nil)[:5])
	}
	return map[string]any{
		"settings_digest": mark,
		"namespace":       d.namespace, "image": d.image, "queue": d.queue, "settings": settings, "values": listed,
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
		if name == "class-queues" && d.queue != "" {
			isOwn = false // no ConfigMap names them
		}
		switch {
		case !ok || value == "":
			return nil, usage("--set: %q sets nothing; write it like region=eu-central-1", text)
		case !isKnown:
			return nil, usage("--set: there is no setting %q (see --help of `millrace work`, `scaler` or `gateway`)", name)
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
