// Package sqs is the SQS module, as a task and as a callback.
package sqs

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/millrace/millrace/modules"
)

// Module is the SQS task and the SQS callback. In a callback, its message carries the callback's id, which is the same
// each time that the callback is made: as deduplication ID of a FIFO queue, as attribute Idempotency-Key of another.
var Module = modules.Define(modules.Spec{
	Name:    "SQS",
	Summary: "Sends a message to an Amazon SQS queue.",
	Example: "- module: SQS\n  props:\n    queueUrl: https://sqs.eu-west-1.amazonaws.com/123456789012/results\n    message: {status: done, key: outputs/gear.glb}",
}, run)

// Props are what a task writes under props.
type Props struct {
	QueueURL        string         `json:"queueUrl" aliases:"queue_url" doc:"URL of the queue."`
	Message         any            `json:"message" aliases:"body" doc:"What to send: text as it is, anything else as JSON; at most 1 MiB together with the attributes."`
	Region          string         `json:"region,omitzero" doc:"Region of the queue, where its URL names none; without it the operator's, else us-east-1."`
	AccessKeyID     string         `json:"accessKeyId,omitzero" filled:"true" secret:"true" doc:"Access key; without it the operator's, which goes to AWS and the operator's own endpoint alone."`
	SecretAccessKey string         `json:"secretAccessKey,omitzero" filled:"true" secret:"true" doc:"Secret of the access key."`
	SessionToken    string         `json:"sessionToken,omitzero" filled:"true" secret:"true" doc:"Token of a temporary access key."`
	Endpoint        string         `json:"endpoint,omitzero" filled:"true" doc:"Address of a server that speaks as SQS does, where it is not in the queue's URL."`
	Group           string         `json:"messageGroupId,omitzero" doc:"Group of the message; in a FIFO queue messages of one group keep their order. Without it a FIFO queue's is the job."`
	Deduplication   string         `json:"messageDeduplicationId,omitzero" doc:"For a FIFO queue: it takes no second message of this ID for five minutes. Without it one of the callback, or a random one."`
	Attributes      map[string]any `json:"attributes,omitzero" doc:"Message attributes by name, text or numbers; ten at most."`
	DelaySeconds    int            `json:"delaySeconds" default:"0" doc:"How long the message stays hidden at first, 0 to 900; a FIFO queue has no such delay."`
}

// Output is what register stores.
type Output struct {
	MessageID string `json:"messageId" doc:"ID that SQS gave the message."`
	Sequence  string `json:"sequenceNumber,omitzero" doc:"Place of the message in its group, of a FIFO queue."`
}

const (
	maxDelay = 15 * time.Minute // SQS quota
	maxToken = 128              // characters of a group or deduplication ID (SQS quota)
)

// Validate checks what the tags can't say.
func (p *Props) Validate() error {
	var problems []modules.Problem
	report := func(path, format string, args ...any) {
		problems = append(problems, modules.Problem{Path: path, Msg: fmt.Sprintf(format, args...)})
	}
	if u, err := url.Parse(p.QueueURL); err != nil || !isServer(u) || strings.Trim(u.Path, "/") == "" {
		report("queueUrl", `prop "queueUrl" must be the URL of a queue, such as https://sqs.eu-west-1.amazonaws.com/123456789012/results`)
	}
	if u, err := url.Parse(p.Endpoint); p.Endpoint != "" && (err != nil || !isServer(u)) {
		report("endpoint", `prop "endpoint" must be an address such as https://sqs.example.com`)
	}
	if (p.AccessKeyID == "") != (p.SecretAccessKey == "") || p.SessionToken != "" && p.AccessKeyID == "" {
		report("accessKeyId", `props "accessKeyId" and "secretAccessKey" go together; give both, or neither for the operator's`)
	}
	if p.DelaySeconds < 0 || p.DelaySeconds > int(maxDelay.Seconds()) {
		report("delaySeconds", `prop "delaySeconds" must be 0 to 900, got %d`, p.DelaySeconds)
	}
	if isFIFO(p.QueueURL) && p.DelaySeconds > 0 {
		report("delaySeconds", `prop "delaySeconds" can't be given for a FIFO queue; leave it out, or set the delay of the queue`)
	}
	if p.Deduplication != "" && !isFIFO(p.QueueURL) {
		report("messageDeduplicationId", `prop "messageDeduplicationId" is for FIFO queues, whose name ends in .fifo; leave it out`)
	}
	for name, id := range map[string]string{"messageGroupId": p.Group, "messageDeduplicationId": p.Deduplication} {
		if !isToken(id) {
			report(name, "prop %q must be letters, digits and punctuation marks, %d at most", name, maxToken)
		}
	}
	problems = append(problems, attributeProblems(p.Attributes)...)
	if problems != nil {
		return &modules.PropError{Problems: problems}
	}
	return nil
}

func isServer(u *url.URL) bool {
	return (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil
}

func isFIFO(queueURL string) bool { return strings.HasSuffix(queueURL, ".fifo") }

// isToken says whether SQS takes s as a group or deduplication ID.
func isToken(s string) bool {
	return len(s) <= maxToken && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

func run(ctx context.Context, c *modules.Call, p Props) (Output, error) {
	in, err := compose(c, p)
	if err != nil {
		return Output{}, fmt.Errorf("send to %s: %w", p.QueueURL, err)
	}
	if err := may(c, p); err != nil {
		return Output{}, err
	}
	s, err := dial(ctx, c, p)
	if err != nil {
		return Output{}, fmt.Errorf("send to %s: %w", p.QueueURL, err)
	}
	defer s.release()
	return s.send(ctx, c, in)
}
