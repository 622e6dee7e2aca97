package kafka

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/egress"
	"github.com/millrace/millrace/modules/fault"
)

// reserved is the state key that says where messages go, as the options of the client kafkajs.
const reserved = "__kafka"

// A transport is a way to brokers.
type transport struct {
	brokers  []string
	clientID string
	topic    string // of tasks that name none
	connect  egress.Dialer
	tls      *tls.Config // nil is none
	sasl     sasl.Mechanism
}

// find returns the way that __kafka describes, else the operator's: his brokers, and those that they name, are reached
// wherever they are, without asking the egress policy.
func find(ctx context.Context, c *modules.Call) (*transport, error) {
	if v, ok := c.State.Get(reserved); ok {
		m, isMap := v.(map[string]any)
		if !isMap {
			return nil, wrong("%s must be a map, such as {brokers: [kafka:9092]}", reserved)
		}
		t, err := parse(m, c.Secret)
		if err != nil {
			return nil, err
		}
		t.connect = c.Dial
		return t, nil
	}
	k := c.Clouds.Kafka
	if len(k.Brokers) == 0 {
		return nil, wrong("there are no Kafka brokers; set MILLRACE_KAFKA_BROKERS, or %s {brokers: [...]} in the state of a pipeline of the catalogue", reserved)
	}
	t := &transport{brokers: k.Brokers, clientID: k.ClientID, connect: (&net.Dialer{Timeout: pingLimit}).DialContext}
	if k.TLS {
		t.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if k.Mechanism == "" {
		return t, nil
	}
	if c.Clouds.Keys == nil {
		return nil, wrong("there is no user for Kafka; set MILLRACE_KAFKA_USERNAME and MILLRACE_KAFKA_PASSWORD")
	}
	keys, err := c.Clouds.Keys(ctx, cloud.ServiceKafka)
	if err != nil {
		return nil, fmt.Errorf("get the operator's user for Kafka: %w", err)
	}
	t.sasl, err = mechanism(k.Mechanism, keys.ID, keys.Secret)
	return t, err
}

func wrong(format string, args ...any) error {
	return fault.As(fault.Permanent, fmt.Errorf(format, args...))
}

// times are options of kafkajs that have no meaning here: pauses and time limits are ours.
func times() []string {
	return []string{"connectionTimeout", "authenticationTimeout", "requestTimeout", "enforceRequestTimeout", "reauthenticationThreshold", "retry", "logLevel"}
}

// parse reads __kafka. What it does not know it refuses: an option that is overlooked may be one that protects.
func parse(m map[string]any, tell func(string)) (*transport, error) {
	t := &transport{}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		var err error
		switch v := m[key]; key {
		case "brokers":
			t.brokers, err = addresses(v)
		case "clientId":
			t.clientID, err = text(key, v)
		case "topic":
			t.topic, err = text(key, v)
		case "ssl":
			t.tls, err = parseTLS(v, tell)
		case "sasl":
			t.sasl, err = parseSASL(v, tell)
		default:
			if !slices.Contains(times(), key) {
				err = errors.New("is unknown; known are brokers, clientId, topic, ssl and sasl")
			}
		}
		if err != nil {
			return nil, wrong("%s.%s %w", reserved, key, err)
		}
	}
	if len(t.brokers) == 0 {
		return nil, wrong("%s.brokers is missing; give a list, such as [kafka:9092]", reserved)
	}
	return t, nil
}

func text(key string, v any) (string, error) {
	s, ok := v.(string)
	if !ok || s == "" {
		return "", fmt.Errorf("must be text, such as %s: millrace", key)
	}
	return s, nil
}

// addresses are "host:port"; the port is 9092 where none is given. One text may hold several, with commas between them.
func addresses(v any) ([]string, error) {
	list, ok := v.([]any)
	if s, isText := v.(string); isText {
		ok = true
		for part := range strings.SplitSeq(s, ",") {
			list = append(list, part)
		}
	}
	var all []string
	for _, e := range list {
		s, _ := e.(string)
		if s = strings.TrimSpace(s); !strings.Contains(s, ":") {
			s = net.JoinHostPort(s, "9092")
		}
		host, port, err := net.SplitHostPort(s)
		if err != nil || host == "" || port == "" {
			return nil, fmt.Errorf("has %.64q; a broker is host:port", fmt.Sprint(e))
		}
		all = append(all, s)
	}
	if !ok || len(all) == 0 {
		return nil, errors.New("must be a list, such as [kafka:9092]")
	}
	return all, nil
}

// parseTLS reads true, or a map that says how: those options of Node's tls.connect that we have.
func parseTLS(v any, tell func(string)) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if on, ok := v.(bool); ok {
		if !on {
			return nil, nil
		}
		return conf, nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("must be true, false or a map")
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		s, isText := m[key].(string)
		switch {
		case key == "rejectUnauthorized" && m[key] == true, key == "cert" && isText, key == "key" && isText:
		case key == "rejectUnauthorized":
			return nil, errors.New("can't go without checking certificates; give the broker's own as ca")
		case key == "ca" && isText:
			conf.RootCAs = x509.NewCertPool()
			if !conf.RootCAs.AppendCertsFromPEM([]byte(s)) {
				return nil, errors.New("has a ca without a certificate in PEM")
			}
		case key == "servername" && isText:
			conf.ServerName = s
		default:
			return nil, fmt.Errorf("has %q; known are ca, cert and key, in PEM, and servername", key)
		}
	}
	cert, _ := m["cert"].(string)
	key, _ := m["key"].(string)
	if key != "" && tell != nil {
		tell(key)
	}
	if cert == "" && key == "" {
		return conf, nil
	}
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		return nil, errors.New("has a cert and key that are no pair in PEM")
	}
	conf.Certificates = []tls.Certificate{pair}
	return conf, nil
}

func parseSASL(v any, tell func(string)) (sasl.Mechanism, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("must be a map, such as {mechanism: plain, username: …, password: …}")
	}
	keys := []string{"mechanism", "username", "password"}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(keys, key) {
			return nil, fmt.Errorf("has %q; known are mechanism, username and password", key)
		}
	}
	var known [3]string
	for i, key := range keys {
		known[i], _ = m[key].(string)
	}
	if known[2] != "" && tell != nil {
		tell(known[2])
	}
	return mechanism(known[0], known[1], known[2])
}

func mechanism(name, user, password string) (sasl.Mechanism, error) {
	if user == "" || password == "" {
		return nil, errors.New("needs a username and a password")
	}
	switch strings.ToLower(name) {
	case "plain":
		return plain.Auth{User: user, Pass: password}.AsMechanism(), nil
	case "scram-sha-256":
		return scram.Auth{User: user, Pass: password}.AsSha256Mechanism(), nil
	case "scram-sha-512":
		return scram.Auth{User: user, Pass: password}.AsSha512Mechanism(), nil
	}
	return nil, fmt.Errorf("has mechanism %q; known are plain, scram-sha-256 and scram-sha-512", cmp.Or(name, "none"))
}
