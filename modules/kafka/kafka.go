// Package kafka is the Kafka module, as a task and as a callback.
package kafka

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
)

// Module is the Kafka task and the Kafka callback. Its brokers are those of the state's __kafka, which no message can set,
// else the operator's.
var Module = modules.Define(modules.Spec{
	Name:    "Kafka",
	Summary: "Sends a message to a Kafka topic, and waits until all replicas in sync have it.",
	Example: "- module: Kafka\n  props:\n    topic: results\n    typeId: com.example.Result\n    message: {status: done}",
}, run)

// Props are what a task writes under props.
type Props struct {
	Topic   string            `json:"topic,omitzero" doc:"Topic, which must exist; without it the one in __kafka."`
	TypeID  string            `json:"typeId,omitzero" aliases:"type_id" doc:"Name of the message's class; it goes into the header __TypeId__, by which Spring chooses what to read the JSON into."`
	Key     string            `json:"key,omitzero" doc:"Key: messages of one key keep their order. Without it a random UUID."`
	Message map[string]any    `json:"message,omitzero" doc:"What to send, as JSON."`
	Error   string            `json:"error,omitzero" doc:"Path inside the message, such as payload.error, where a callback writes why the job failed; nothing is written where it did not."`
	Headers map[string]string `json:"headers,omitzero" doc:"Headers to send beside."`
	Timeout time.Duration     `json:"timeout" default:"30s" doc:"How long it may take until the message is stored."`
}

// Output is what register stores.
type Output struct {
	Topic     string `json:"topic" doc:"Topic that has the message."`
	Partition int    `json:"partition" doc:"Partition of the topic."`
	Offset    int64  `json:"offset" doc:"Place in the partition."`
	Key       string `json:"key" doc:"Key of the message."`
}

const (
	maxTopic   = 249 // characters (Kafka)
	maxTimeout = time.Hour
)

// Validate checks what the tags can't say.
func (p *Props) Validate() error {
	var problems []modules.Problem
	if p.Topic != "" && !isTopic(p.Topic) {
		problems = append(problems, modules.Problem{Path: "topic", Msg: fmt.Sprintf(
			`prop "topic" must be letters, digits, dots, - and _, at most %d, got %.64q`, maxTopic, p.Topic)})
	}
	if p.Timeout < time.Second || p.Timeout > maxTimeout {
		problems = append(problems, modules.Problem{Path: "timeout", Msg: fmt.Sprintf(`prop "timeout" must be 1s to %s, got %s`, maxTimeout, p.Timeout)})
	}
	if problems != nil {
		return &modules.PropError{Problems: problems}
	}
	return nil
}

// isTopic says whether Kafka takes s as the name of a topic (org.apache.kafka.common.internals.Topic).
func isTopic(s string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '-' && r != '_' {
			return false
		}
	}
	return s != "" && s != "." && s != ".." && len(s) <= maxTopic
}

func run(ctx context.Context, c *modules.Call, p Props) (Output, error) {
	to, err := find(ctx, c)
	if err != nil {
		return Output{}, err
	}
	record, err := compose(c, p, to.topic)
	if err != nil {
		return Output{}, fault.As(fault.Permanent, fmt.Errorf("compose the message: %w", err))
	}
	if err := c.MaySend("kafka://" + record.Topic); err != nil {
		return Output{}, err
	}
	return to.send(ctx, c, record, p.Timeout)
}
