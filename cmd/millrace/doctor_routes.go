package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
)

// lookedAt is how many messages of a queue are looked at for uploads.
const lookedAt = 100

// examineRoutes looks whether messages tell of uploads that no routing table makes jobs of.
func (c *workConfig) examineRoutes(ctx context.Context) []queue.Finding {
	const check = "routes"
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if c.Routes != "" {
		rules, err := c.openRoutes(ctx, &c.cloudConfig, newCatalogue(""), slog.New(slog.DiscardHandler))
		if err != nil {
			return []queue.Finding{unopened(check, err)}
		}
		return []queue.Finding{{
			Check: check, Level: queue.Good,
			Text: fmt.Sprintf("%s has %s; `millrace route check` holds it against the pipelines", c.Routes, count(len(rules().List), "route")),
		}}
	}
	for _, ref := range c.queues {
		if why := c.tellsOfUploads(ctx, ref); why != "" {
			return []queue.Finding{{
				Check: check, Level: queue.Warning, Text: why + ", and no routing table says what jobs they make: they are given up",
				Remedy: "Name a table by --routes (MILLRACE_ROUTES); docs/routes.md describes it, and `millrace route test` tries it on a message.",
			}}
		}
	}
	return []queue.Finding{{Check: check, Level: queue.Good, Text: "there is no routing table, and no sign that messages tell of uploads"}}
}

// tellsOfUploads says how it is known that messages of a queue tell of uploads; empty where it is not. A queue that can't be
// opened is told of elsewhere.
func (c *workConfig) tellsOfUploads(ctx context.Context, ref queueRef) string {
	q, err := c.openBroker(ctx, ref, c.Visibility)
	if err != nil {
		return ""
	}
	defer q.Close() // nothing was written that could be lost
	if aws, ok := q.(interface {
		Senders(ctx context.Context) ([]string, error)
	}); ok { // a look at its messages would count as a delivery
		senders, err := aws.Senders(ctx)
		if err == nil && slices.Contains(senders, "s3.amazonaws.com") {
			return "the policy of " + ref.text + " lets S3 send of uploads"
		}
		return ""
	}
	waiting, err := q.Peek(ctx, lookedAt)
	if err != nil {
		return ""
	}
	n := 0
	for _, m := range waiting {
		d, err := job.Decode(queue.Message{ID: m.ID, Body: m.Body, Attributes: m.Attributes})
		if err == nil && len(d.Uploads) > 0 {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %s in %s tell of uploads", n, count(len(waiting), "message"), ref.text)
}
