package main

import (
	"cmp"
	"context"
	"net"
	"os"
	"strings"
	"time"

	"github.com/millrace/millrace/keda/checkup"
	"github.com/millrace/millrace/keda/kubernetes"
)

// A clusterPlace says which cluster is looked at, and whether it is at all.
type clusterPlace struct {
	namespace, context string
}

// alone says that only a cluster is looked at: who names one from a laptop has no worker's settings there.
func (p *clusterPlace) alone() bool { return p.namespace != "" || p.context != "" }

// inPod says whether this is a pod that may ask the API server.
func inPod() bool {
	_, err := os.Stat(inCluster + "token")
	return err == nil && os.Getenv("KUBERNETES_SERVICE_HOST") != ""
}

// config is what to look at, and as whom.
func (p *clusterPlace) config() (checkup.Config, error) {
	c := checkup.Config{Namespace: p.namespace, Version: version, IsSetting: isSetting(), Grace: defaultGrace()}
	if p.context == "" && inPod() {
		c.Inside = true
		own, err := os.ReadFile(inCluster + "namespace")
		if err != nil {
			return c, err
		}
		c.Namespace = cmp.Or(c.Namespace, strings.TrimSpace(string(own)))
		c.Client, err = kubernetes.New(kubernetes.API{
			URL:       "https://" + net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), cmp.Or(os.Getenv("KUBERNETES_SERVICE_PORT"), "443")),
			TokenFile: inCluster + "token", CAFile: inCluster + "ca.crt",
		})
		return c, err
	}
	k, err := readKubeconfig()
	if err != nil {
		return c, err
	}
	api, namespace, err := k.api(p.context)
	if err != nil {
		return c, err
	}
	c.Namespace = cmp.Or(c.Namespace, namespace, "default")
	c.Client, err = kubernetes.New(api)
	return c, err
}

// examine looks at the cluster.
func (p *clusterPlace) examine(ctx context.Context) ([]diagnosis, error) {
	c, err := p.config()
	if err != nil {
		return nil, usage("%w", err)
	}
	defer c.Client.Close()
	var all []diagnosis
	for _, f := range checkup.Look(ctx, c) {
		all = append(all, diagnosis{f.Of, f.Check, f.Level, f.Text, f.Remedy})
	}
	return all, nil
}

// isSetting says whether a variable MILLRACE_… is one of a worker's, of the gateway's or of the scaler's.
func isSetting() func(name string) bool {
	known := map[string]bool{}
	for _, cfg := range []any{&workConfig{}, &gatewayConfig{}, &scalerConfig{}, &logConfig{}} {
		for _, s := range settings(cfg) {
			known[s.Env] = true
		}
	}
	return func(name string) bool { return known[name] || strings.HasPrefix(name, toolVar("")) }
}

// defaultGrace is the grace of a worker that is not told.
func defaultGrace() time.Duration {
	for _, s := range settings(&workConfig{}) {
		if s.Flag == "grace" {
			if d, err := time.ParseDuration(s.Default); err == nil {
				return d
			}
		}
	}
	panic("doctor: work has no default grace")
}
