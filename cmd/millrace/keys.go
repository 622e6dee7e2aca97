package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/launch"
	"github.com/millrace/millrace/worker/queue"
)

// lends says whether tasks may do anything with the operator's keys of a service; catalogue says that they are of his catalogue.
func (g *gate) lends(s cloud.Service, catalogue bool) bool {
	if to := map[cloud.Service]string{cloud.ServiceAWS: "sqs://", cloud.ServiceKafka: "kafka://"}[s]; to != "" {
		listed := func(text string) bool { return strings.HasPrefix(text, to) }
		if len(g.access.SendTo) == 0 && catalogue || slices.ContainsFunc(g.access.SendTo, listed) {
			return true
		}
	}
	switch {
	case s.Scheme() == "": // it has no buckets
		return false
	case len(g.access.Buckets) == 0:
		return g.unlisted
	}
	return slices.ContainsFunc(g.access.Buckets, func(text string) bool {
		a, err := parseAllowed(text)
		return err == nil && (a.service == "" || a.service == s)
	})
}

// keysFor has a worker's jobs get the operator's keys that their tasks may use, and no others: a job's own process, which
// asks, may be in the hands of what it reads.
func keysFor(access cloud.Access, anyBucket bool) func(context.Context, *launch.Request, cloud.Service) (cloud.Keys, error) {
	return func(ctx context.Context, req *launch.Request, s cloud.Service) (cloud.Keys, error) {
		g := &gate{access: access, unlisted: req.Trusted || anyBucket}
		if !g.lends(s, req.Trusted) {
			return cloud.Keys{}, fault.As(fault.Permanent, fmt.Errorf(
				"%s: this job may do nothing with the operator's keys; he can list buckets, queues and topics with MILLRACE_BUCKETS and MILLRACE_SEND_TO", s))
		}
		return access.Keys(ctx, s)
	}
}

// lent are the worker's own keys, those of its queues and its store, that jobs get too.
func (c *workConfig) lent() []queue.Finding {
	uses := map[string]bool{c.store.kind: true}
	for _, ref := range c.queues {
		uses[ref.kind] = true
	}
	for _, ref := range c.classes {
		uses[ref.kind] = true
	}
	if ref, err := parseStore(c.Pipelines); isBucket(c.Pipelines) && err == nil {
		uses[ref.kind] = true
	}
	if ref, err := parseStore(c.Models); isBucket(c.Models) && err == nil {
		uses[ref.kind] = true
	}
	g := &gate{access: cloud.Access{Buckets: c.Buckets, SendTo: c.SendTo}, unlisted: true}
	var found []queue.Finding
	warn := func(service, settings string) {
		found = append(found, queue.Finding{
			Check: "keys of " + service, Level: queue.Warning,
			Text:   "jobs get those that the worker's queue and records are reached with, so a job that breaks out of its task could forge them",
			Remedy: "Give jobs keys that reach their data alone: " + settings + " (docs/buckets.md).",
		})
	}
	if (uses[kindSQS] || uses[kindS3]) && c.DataKeyID == "" && c.DataProfile == "" && g.lends(cloud.ServiceAWS, true) {
		warn("AWS", "MILLRACE_DATA_PROFILE, or MILLRACE_DATA_ACCESS_KEY_ID and MILLRACE_DATA_SECRET_ACCESS_KEY")
	}
	if uses[kindCOS] && c.DataCOSKeyID == "" && g.lends(cloud.ServiceCOS, true) {
		warn("COS", "MILLRACE_DATA_COS_ACCESS_KEY_ID and MILLRACE_DATA_COS_SECRET_ACCESS_KEY")
	}
	return found
}
