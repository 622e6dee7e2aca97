package job

import "fmt"

// fromSNS unwraps a notification of Amazon SNS. What else SNS sends asks for nothing.
// (https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html)
func fromSNS(d document, c content) (*Message, error) {
	if !d.has("Type", "TopicArn") {
		return nil, nil
	}
	topic := d.text("TopicArn")
	if d.fields["Type"] != "Notification" {
		return &Message{Nothing: fmt.Sprintf("an SNS message of type %q from topic %q asks for nothing", shorten(d.text("Type")), shorten(topic))}, nil
	}
	text, ok := d.fields["Message"].(string)
	if !ok {
		return nil, fmt.Errorf(`the SNS notification's "Message" must be text, not %s`, kind(d.fields["Message"]))
	}
	inner := content{body: []byte(text), in: "the SNS notification", attributes: snsAttributes(d)}
	if id := d.text("MessageId"); id != "" {
		inner.id = digestID("sns", topic, id)
	}
	return c.within(inner)
}

// snsAttributes are the notification's own, those of text and numbers.
func snsAttributes(d document) map[string]string {
	all, _ := d.fields["MessageAttributes"].(map[string]any)
	out := map[string]string{}
	for name := range all {
		a := document{fields: all}
		if kind := a.text(name, "Type"); kind == "String" || kind == "Number" {
			out[name] = a.text(name, "Value")
		}
	}
	return out
}
