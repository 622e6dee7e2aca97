package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/fault"
)

// sends is a Call.MaySend. catalogue says that what sends is of the operator's catalogue: that may send anywhere where no
// list says otherwise.
func (g *gate) sends(catalogue bool) func(to string) error {
	return func(to string) error {
		listed := len(g.access.SendTo) > 0
		if !listed && catalogue || slices.Contains(g.access.SendTo, to) {
			return nil
		}
		why := "is none of those that jobs may send to"
		if !listed {
			why = "what a message brings, or is replayed without --trust, may send nowhere with the operator's keys or by his brokers"
		}
		return fault.As(fault.Permanent, fmt.Errorf("%s: %s; the operator can list it with MILLRACE_SEND_TO", to, why))
	}
}

// checkSendTo returns what is wrong with an entry of --send-to.
func checkSendTo(text string) error {
	scheme, rest, _ := strings.Cut(text, "://")
	host, path, _ := strings.Cut(rest, "/")
	server := strings.TrimSuffix(host, ":443")
	switch {
	case scheme == "sqs" && cloud.IsAWS(server) && cloud.QueueHost(server) != host:
		return fmt.Errorf("%q: a queue of AWS's is listed by the host of its region; write sqs://%s/%s", text, cloud.QueueHost(server), path)
	case scheme == "sqs" && host != "" && path != "" && host == strings.ToLower(host):
		return nil
	case scheme == "kafka" && host != "" && !strings.Contains(rest, "/"):
		return nil
	}
	return fmt.Errorf("%q is no queue or topic; write sqs://sqs.eu-west-1.amazonaws.com/123456789012/results, which is the queue's URL with sqs for https, or kafka://topic", text)
}
