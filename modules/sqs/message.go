package sqs

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
)

const (
	maxSize       = 1 << 20 // bytes of body and attributes together (SQS quota)
	maxAttributes = 10      // of one message (SQS quota)
	maxName       = 256     // characters of an attribute's name (SQS quota)
)

// idempotencyKey is the attribute by which a receiver knows a callback that it has seen: the name that Http gives it.
const idempotencyKey = "Idempotency-Key"

func attributeProblems(attributes map[string]any) []modules.Problem {
	var problems []modules.Problem
	if len(attributes) > maxAttributes {
		problems = append(problems, modules.Problem{Path: "attributes", Msg: fmt.Sprintf(`prop "attributes" has %d entries; SQS takes %d`, len(attributes), maxAttributes)})
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		at := "attributes." + name
		if !isAttribute(name) {
			problems = append(problems, modules.Problem{Path: at, Msg: fmt.Sprintf(
				`prop "attributes" has %.64q; a name is letters, digits, -, _ and single dots inside, and does not begin with aws. or amazon.`, name)})
		}
		if _, ok := attribute(attributes[name]); !ok {
			problems = append(problems, modules.Problem{Path: at, Msg: fmt.Sprintf("prop %q must be a number, or text that is not empty", at)})
		}
	}
	return problems
}

// isAttribute says whether SQS takes name as that of an attribute (SQS Developer Guide, message attribute components).
func isAttribute(name string) bool {
	lower := strings.ToLower(name)
	other := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	}
	return name != "" && len(name) <= maxName && !strings.ContainsFunc(lower, other) && !strings.Contains(name, "..") &&
		!strings.HasPrefix(name, ".") && !strings.HasSuffix(name, ".") && !strings.HasPrefix(lower, "aws.") && !strings.HasPrefix(lower, "amazon.")
}

func attribute(v any) (types.MessageAttributeValue, bool) {
	kind := "Number"
	switch v := v.(type) {
	case string:
		return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &v}, v != ""
	case bool:
		kind = "String"
	case int, int64, float64:
	default:
		return types.MessageAttributeValue{}, false
	}
	text, err := json.Marshal(v)
	return types.MessageAttributeValue{DataType: &kind, StringValue: aws.String(string(text))}, err == nil
}

// compose makes the message. Its errors are permanent.
func compose(c *modules.Call, p Props) (*sqs.SendMessageInput, error) {
	body, err := payload(p.Message)
	if err != nil {
		return nil, fault.As(fault.Permanent, err)
	}
	in := &sqs.SendMessageInput{
		QueueUrl: &p.QueueURL, MessageBody: &body, DelaySeconds: int32(p.DelaySeconds),
		MessageAttributes: make(map[string]types.MessageAttributeValue, len(p.Attributes)),
	}
	for name, v := range p.Attributes {
		in.MessageAttributes[name], _ = attribute(v)
	}
	address(c, in, p)
	size := len(body)
	for name, a := range in.MessageAttributes {
		size += len(name) + len(*a.DataType) + len(*a.StringValue)
	}
	if size > maxSize {
		return nil, fault.As(fault.Permanent, fmt.Errorf("the message is %d bytes with its attributes, and SQS takes %d; put it into a bucket and send its key", size, maxSize))
	}
	return in, nil
}

// address gives a message its group and what a receiver knows it by.
func address(c *modules.Call, in *sqs.SendMessageInput, p Props) {
	id := text(c, "callback_id")
	if p.Group != "" {
		in.MessageGroupId = &p.Group
	}
	if !isFIFO(p.QueueURL) {
		if _, given := in.MessageAttributes[idempotencyKey]; id != "" && !given && len(in.MessageAttributes) < maxAttributes {
			in.MessageAttributes[idempotencyKey], _ = attribute(id)
		}
		return
	}
	in.MessageDeduplicationId = aws.String(firstToken(p.Deduplication, id, rand.Text()))
	in.MessageGroupId = aws.String(firstToken(p.Group, text(c, "job.id"), *in.MessageDeduplicationId))
}

func text(c *modules.Call, path string) string {
	v, _ := c.State.Get(path)
	s, _ := v.(string)
	return s
}

// firstToken is the first of ids that SQS takes; the last one is good.
func firstToken(ids ...string) string {
	for _, id := range ids {
		if id != "" && isToken(id) {
			return id
		}
	}
	return ids[len(ids)-1]
}

// payload is a message as it is sent. SQS takes no U+FFFE and U+FFFF: in JSON they can be written as escapes.
func payload(message any) (string, error) {
	if s, ok := message.(string); ok {
		return s, nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(message); err != nil {
		return "", errors.New(`prop "message" can't be written as JSON; numbers must be finite`)
	}
	return strings.NewReplacer("\uFFFE", `\ufffe`, "\uFFFF", `\uffff`).Replace(strings.TrimSuffix(b.String(), "\n")), nil
}
