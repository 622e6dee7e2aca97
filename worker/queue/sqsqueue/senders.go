package sqsqueue

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Senders are the services of AWS that the queue's policy lets send: "s3.amazonaws.com". It is what a policy says in so many words,
// and no judgement of its conditions.
func (d *Driver) Senders(ctx context.Context) ([]string, error) {
	own, err := d.attributes(ctx, d.url, types.QueueAttributeNamePolicy)
	if err != nil {
		return nil, err
	}
	return services(own[string(types.QueueAttributeNamePolicy)]), nil
}

// services are the principals of a policy that are services; none where it can't be read.
func services(policy string) []string {
	var p struct {
		Statement oneOrMore[struct {
			Effect    string
			Principal json.RawMessage
		}]
	}
	if json.Unmarshal([]byte(policy), &p) != nil {
		return nil
	}
	var all []string
	for _, s := range p.Statement {
		var principal struct{ Service oneOrMore[string] }
		if s.Effect == "Allow" && json.Unmarshal(s.Principal, &principal) == nil { // else it is "*", which says nothing
			all = append(all, principal.Service...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// oneOrMore is a list that may be written as its only element.
type oneOrMore[T any] []T

func (l *oneOrMore[T]) UnmarshalJSON(b []byte) error {
	var many []T
	if err := json.Unmarshal(b, &many); err == nil {
		*l = many
		return nil
	}
	var one T
	if err := json.Unmarshal(b, &one); err != nil {
		return err
	}
	*l = []T{one}
	return nil
}
