package kafka

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/egress"
	"github.com/millrace/millrace/modules/fault"
)

const (
	retries   = 3                      // of reaching a broker, after the first
	firstWait = time.Second            // before the second try
	pingLimit = 10 * time.Second       // of one try
	refresh   = 250 * time.Millisecond // between two looks for where a topic is
	maxRead   = 16 << 20               // bytes of an answer
)

// send returns when all replicas in sync have the record, or with the reason why not: then they may have it all the same,
// where an answer was lost.
func (t *transport) send(ctx context.Context, c *modules.Call, record *kgo.Record, timeout time.Duration) (Output, error) {
	late := fmt.Errorf("send to topic %s of %s: not stored within %s; check that its partitions have a leader", record.Topic, t.names(), timeout)
	limited, cancel := context.WithTimeoutCause(ctx, timeout, fault.As(fault.Transient, late))
	defer cancel()
	if t.tls == nil && t.sasl != nil && t.sasl.Name() == "PLAIN" {
		_, _ = fmt.Fprintln(c.Stderr, "the password goes to Kafka in clear: give ssl, or a mechanism scram-…")
	}
	client, err := kgo.NewClient(t.options()...)
	if err != nil {
		return Output{}, wrong("%w", err)
	}
	defer client.Close()
	if err := t.reach(ctx, limited, c, client, record.Topic); err != nil {
		return Output{}, err
	}
	stored := make(chan error, 1)
	client.Produce(limited, record, func(_ *kgo.Record, err error) { stored <- err })
	select {
	case err = <-stored:
	case <-limited.Done():
		return Output{}, context.Cause(limited)
	}
	if err != nil {
		return Output{}, t.explain(limited, limited, record.Topic, err)
	}
	return Output{Topic: record.Topic, Partition: int(record.Partition), Offset: record.Offset, Key: string(record.Key)}, nil
}

// reach waits for a broker that answers, so that the reason why none does is known.
func (t *transport) reach(job, limited context.Context, c *modules.Call, client *kgo.Client, topic string) error {
	var why error
	err := fault.Tries{More: retries, Sleep: firstWait, Say: c.Stderr}.Do(limited, func(ctx context.Context) error {
		ping, cancel := context.WithTimeoutCause(ctx, pingLimit, errors.New("no answer"))
		defer cancel()
		err := client.Ping(ping)
		if err != nil && limited.Err() == nil {
			why = t.explain(limited, ping, topic, err)
			return why
		}
		return err
	})
	if err != nil && job.Err() == nil && why != nil {
		return why
	}
	if err != nil && limited.Err() != nil {
		return context.Cause(limited)
	}
	return err
}

func (t *transport) options() []kgo.Opt {
	options := []kgo.Opt{
		kgo.SeedBrokers(t.brokers...),
		kgo.ClientID(cmp.Or(t.clientID, "millrace")),
		kgo.Dialer(t.dial),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.UnknownTopicRetries(1),
		kgo.MetadataMinAge(refresh),
		kgo.FetchMaxBytes(maxRead), // not used here, and the next may not be less
		kgo.FetchMaxPartitionBytes(1 << 20),
		kgo.BrokerMaxReadBytes(maxRead),
		kgo.DisableClientMetrics(),
	}
	if t.sasl != nil {
		options = append(options, kgo.SASL(t.sasl))
	}
	return options
}

// dial connects to a broker: one of ours, or one that they name.
func (t *transport) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := t.connect(ctx, network, address)
	if err != nil || t.tls == nil {
		return conn, err
	}
	conf := t.tls.Clone()
	if conf.ServerName == "" {
		if conf.ServerName, _, err = net.SplitHostPort(address); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	secure := tls.Client(conn, conf)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return secure, nil
}

func (t *transport) names() string { return strings.Join(t.brokers, ", ") }

// explain makes a sentence of why a broker did not take the record: of job, unless that has ended, and of what ended a try.
func (t *transport) explain(job, try context.Context, topic string, err error) error {
	if job.Err() != nil {
		return context.Cause(job)
	}
	if try.Err() != nil {
		err = context.Cause(try)
	}
	if blocked, ok := errors.AsType[*egress.BlockedError](err); ok {
		return wrong("reach Kafka at %s: %w", t.names(), blocked)
	}
	said, ok := errors.AsType[*kerr.Error](err)
	if !ok {
		return t.silence(err)
	}
	kind, remedy := fault.Unknown, "see the broker's log"
	switch said.Code {
	case kerr.UnknownTopicOrPartition.Code:
		remedy = "make the topic, or check its name"
	case kerr.TopicAuthorizationFailed.Code, kerr.ClusterAuthorizationFailed.Code:
		remedy = "let the user write to the topic"
	case kerr.SaslAuthenticationFailed.Code, kerr.IllegalSaslState.Code, kerr.UnsupportedSaslMechanism.Code:
		remedy = "check mechanism, username and password of sasl"
	case kerr.MessageTooLarge.Code, kerr.RecordListTooLarge.Code:
		kind, remedy = fault.Permanent, "put it into a bucket and send its key, or raise max.message.bytes of the topic"
	case kerr.InvalidRecord.Code, kerr.InvalidTopicException.Code, kerr.PolicyViolation.Code:
		kind = fault.Permanent
	default:
		if said.Retriable {
			kind = fault.Transient
		}
	}
	return fault.As(kind, fmt.Errorf("send to topic %s of %s: the broker says %s; %s", topic, t.names(), said.Message, remedy))
}

// silence is a broker that gives no answer, or none that is Kafka's. That it wants TLS or a user it does not say: it hangs up.
func (t *transport) silence(err error) error {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return wrong("reach Kafka at %s: %w; give the certificate that signed it as ca of ssl", t.names(), err)
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return wrong("reach Kafka at %s: it does not speak TLS there; drop ssl, or use its other port", t.names())
	}
	if _, ok := errors.AsType[*kgo.ErrFirstReadEOF](err); ok {
		return fault.As(fault.Unknown, fmt.Errorf("reach Kafka at %s: it hangs up at once; check whether it wants ssl and sasl there", t.names()))
	}
	return fault.As(fault.Transient, fmt.Errorf("reach Kafka at %s: %w; check address and network", t.names(), err))
}
