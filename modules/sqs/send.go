package sqs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/cloud/sdk"
	"github.com/millrace/millrace/modules/egress"
	"github.com/millrace/millrace/modules/fault"
)

const (
	callLimit = 10 * time.Second // of one try
	retries   = 3                // tries after the first
	firstWait = time.Second      // before the second try
	maxAnswer = 1 << 20          // bytes
)

// A sender is one way to one queue.
type sender struct {
	client  *sqs.Client
	http    *http.Client
	release func() // closes connections that are nobody else's
}

// may asks whether a message may go that goes with the operator's keys or to his server. Its error names the queue.
func may(c *modules.Call, p Props) error {
	server, trusted := target(p, c.Clouds)
	if trusted && (p.AccessKeyID == "" || !cloud.IsSQS(server)) {
		return c.MaySend(place(p, server))
	}
	return nil
}

// dial makes a sender. Whom the operator trusts, AWS's SQS and his own endpoint, it reaches without asking the egress
// policy, which knows no VPC endpoint; all others by it, and never with the operator's keys.
func dial(ctx context.Context, c *modules.Call, p Props) (*sender, error) {
	server, trusted := target(p, c.Clouds)
	keys := cloud.Keys{ID: p.AccessKeyID, Secret: p.SecretAccessKey, Token: p.SessionToken}
	if keys.ID == "" {
		if !trusted {
			return nil, fault.As(fault.Permanent, fmt.Errorf(
				`%s is neither AWS's SQS nor the operator's endpoint, so his keys don't go there; give "accessKeyId" and "secretAccessKey", or ask him to set AWS_ENDPOINT_URL_SQS`, server.Host))
		}
		var err error
		if keys, err = operatorKeys(ctx, c.Clouds); err != nil {
			return nil, err
		}
	}
	s := &sender{http: &http.Client{Transport: capped{c.HTTP.Transport}, CheckRedirect: refuseRedirect}, release: func() {}}
	if trusted {
		t := sdk.NewHTTPClient().GetTransport()
		s.http.Transport, s.release = capped{t}, t.CloseIdleConnections
	}
	endpoint := server.Scheme + "://" + server.Host
	s.client = sqs.New(sqs.Options{
		Region:       region(p, c.Clouds, server),
		BaseEndpoint: &endpoint,
		HTTPClient:   s.http,
		Retryer:      aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: keys.ID, SecretAccessKey: keys.Secret, SessionToken: keys.Token}, nil
		}),
	})
	return s, nil
}

func operatorKeys(ctx context.Context, a cloud.Access) (keys cloud.Keys, err error) {
	if a.Keys != nil {
		if keys, err = a.Keys(ctx, cloud.ServiceAWS); err != nil {
			return keys, fmt.Errorf("get the operator's keys: %w", err)
		}
	}
	if keys.ID == "" {
		return keys, fault.As(fault.Permanent, errors.New(`there are no AWS keys; give "accessKeyId" and "secretAccessKey", or run millrace with AWS credentials`))
	}
	return keys, nil
}

// target is the server that takes the message, and whether the operator trusts it with his keys: AWS's SQS, or an
// endpoint of his own, which stands for AWS's where there is one.
func target(p Props, a cloud.Access) (server *url.URL, trusted bool) {
	server, _ = url.Parse(p.QueueURL) // Validate has parsed all three
	operators, err := url.Parse(a.SQSEndpoint)
	hasOwn := a.SQSEndpoint != "" && err == nil && operators.Host != ""
	if p.Endpoint != "" {
		server, _ = url.Parse(p.Endpoint)
	} else if hasOwn && p.AccessKeyID == "" {
		return operators, true
	}
	if hasOwn && server.Scheme == operators.Scheme && server.Host == operators.Host {
		return operators, true
	}
	return server, cloud.IsSQS(server)
}

// place names the queue as MaySend knows it. AWS's servers look at the path alone, so theirs is the host that counts,
// by the name that AWS gives to a region; another endpoint of the operator's stands for whatever host the queue's URL names.
func place(p Props, server *url.URL) string {
	_, rest, _ := strings.Cut(p.QueueURL, "://")
	host, path, _ := strings.Cut(rest, "/")
	if cloud.IsSQS(server) {
		host = cloud.QueueHost(server.Hostname())
	}
	return "sqs://" + strings.ToLower(host) + "/" + path
}

func region(p Props, a cloud.Access, server *url.URL) string {
	queue, _ := url.Parse(p.QueueURL)
	for _, r := range []string{cloud.QueueRegion(queue.Hostname()), cloud.QueueRegion(server.Hostname()), p.Region, a.Region} {
		if r != "" {
			return r
		}
	}
	return "us-east-1"
}

// refuseRedirect: SQS sends no redirects, and a signature is for one address.
func refuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// capped reads no more than maxAnswer of an answer: what answers may be no SQS.
type capped struct{ http.RoundTripper }

func (t capped) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := t.RoundTripper.RoundTrip(req)
	if err == nil {
		res.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(res.Body, maxAnswer), res.Body}
	}
	return res, err
}

// send tries until SQS has the message. The SDK compares the MD5 of the body that SQS returns, and we that of the
// attributes. A try whose answer was lost may have sent the message: a FIFO queue knows it again, another has it twice.
func (s *sender) send(ctx context.Context, c *modules.Call, in *sqs.SendMessageInput) (Output, error) {
	var out *sqs.SendMessageOutput
	err := fault.Tries{More: retries, Sleep: firstWait, Say: c.Stderr}.Do(ctx, func(ctx context.Context) error {
		limited, cancel := context.WithTimeout(ctx, callLimit)
		defer cancel()
		var err error
		if out, err = s.client.SendMessage(limited, in); err == nil {
			return nil
		}
		return explain(ctx, *in.QueueUrl, err)
	})
	if err != nil {
		return Output{}, err
	}
	id := aws.ToString(out.MessageId)
	if got := aws.ToString(out.MD5OfMessageAttributes); got != "" && got != sdk.AttributesMD5(in.MessageAttributes) {
		return Output{}, fmt.Errorf("send to %s: message %s arrived with other attributes than were sent; something on the way changes requests", *in.QueueUrl, id)
	}
	return Output{MessageID: id, Sequence: aws.ToString(out.SequenceNumber)}, nil
}

// explain leaves for another attempt of the job what no pause of seconds mends: a missing queue, a permission.
func explain(ctx context.Context, queue string, err error) error {
	if blocked, ok := errors.AsType[*egress.BlockedError](err); ok {
		return fault.As(fault.Permanent, fmt.Errorf("send to %s: %w", queue, blocked))
	}
	err = sdk.Explain(ctx, "send to "+queue, err)
	for _, why := range []cloud.Why{cloud.Missing, cloud.Denied, cloud.Locked, cloud.Skewed} {
		if cloud.Is(err, why) {
			return fault.As(fault.Unknown, err)
		}
	}
	return err
}
