package main

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/millrace/millrace/modules/cloud"
)

// kafkaConfig says where Kafka tasks send to whose pipeline does not say it.
type kafkaConfig struct {
	KafkaBrokers   []string `flag:"kafka-brokers" default:"" doc:"Kafka brokers of pipelines without __kafka: host:port, comma-separated"`
	KafkaClientID  string   `flag:"kafka-client-id" default:"millrace" doc:"what Kafka's logs and quotas call us"`
	KafkaTLS       bool     `flag:"kafka-tls" default:"false" doc:"speak TLS with the Kafka brokers"`
	KafkaMechanism string   `flag:"kafka-mechanism" default:"" doc:"how we log in to Kafka: plain, scram-sha-256 or scram-sha-512; empty is not at all"`
	KafkaUsername  string   `flag:"kafka-username" default:"" doc:"user of Kafka"`
	KafkaPassword  string   `flag:"kafka-password" default:"" secret:"true" doc:"password of that user"`
}

func (c *kafkaConfig) complete(from func(string) string) (errs []error) {
	for _, b := range c.KafkaBrokers {
		if host, port, err := net.SplitHostPort(b); err != nil || host == "" || port == "" {
			errs = append(errs, fmt.Errorf("%s: %q is no broker; one looks like kafka.example.com:9092", from("kafka-brokers"), b))
		}
	}
	known := []string{"", "plain", "scram-sha-256", "scram-sha-512"}
	if !slices.Contains(known, strings.ToLower(c.KafkaMechanism)) {
		errs = append(errs, fmt.Errorf("%s: %q is unknown; known are %s", from("kafka-mechanism"), c.KafkaMechanism, strings.Join(known[1:], ", ")))
	}
	if c.KafkaMechanism != "" && (c.KafkaUsername == "" || c.KafkaPassword == "") {
		errs = append(errs, fmt.Errorf("%s needs %s and %s", from("kafka-mechanism"), from("kafka-username"), from("kafka-password")))
	}
	return errs
}

// join adds the way to Kafka to those that jobs have already.
func (c *kafkaConfig) join(a *cloud.Access) {
	a.Kafka = cloud.Kafka{Brokers: c.KafkaBrokers, ClientID: c.KafkaClientID, TLS: c.KafkaTLS, Mechanism: c.KafkaMechanism}
	others := a.Keys
	a.Keys = func(ctx context.Context, s cloud.Service) (cloud.Keys, error) {
		if s == cloud.ServiceKafka {
			return cloud.Keys{ID: c.KafkaUsername, Secret: c.KafkaPassword}, nil
		}
		return others(ctx, s)
	}
}
