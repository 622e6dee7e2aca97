// Package cloud is what a task and its caller know of clouds: how to get in, with which keys, and why a call was not done.
// It links no SDK: those are in package sdk below it, and in the drivers.
package cloud

import (
	"context"
	"time"
)

// Access is how jobs get at the operator's data in clouds. It holds no secrets: they are asked for when a call is made, so
// that none lies in a file that a job's programs could read, and one that is replaced counts at once.
type Access struct {
	Region      string   `json:"region,omitzero"` // of AWS
	S3Endpoint  string   `json:"s3_endpoint,omitzero"`
	SQSEndpoint string   `json:"sqs_endpoint,omitzero"`
	COSEndpoint string   `json:"cos_endpoint,omitzero"` // default https://s3.eu-de.cloud-object-storage.appdomain.cloud
	COSRegion   string   `json:"cos_region,omitzero"`
	COSBucket   string   `json:"cos_bucket,omitzero"` // of tasks that name none
	GCSEndpoint string   `json:"gcs_endpoint,omitzero"`
	GCSProject  string   `json:"gcs_project,omitzero"` // that buckets are made in
	Buckets     []string `json:"buckets,omitzero"`     // that jobs may touch: "name", "name/prefix", "s3://name/prefix"; nil is any
	SendTo      []string `json:"send_to,omitzero"`     // queues and topics that jobs may send to: "sqs://host/account/name", "kafka://topic"; nil is any
	Kafka       Kafka    `json:"kafka,omitzero"`
	Owner       string   `json:"owner,omitzero"` // AWS account that S3 buckets must belong to; empty is any
	// Keys returns what a service takes for proof of who we are.
	Keys func(ctx context.Context, s Service) (Keys, error) `json:"-"`
}

// Kafka is the operator's brokers, of tasks whose pipeline names none.
type Kafka struct {
	Brokers   []string `json:"brokers,omitzero"` // "host:port"
	ClientID  string   `json:"client_id,omitzero"`
	TLS       bool     `json:"tls,omitzero"`
	Mechanism string   `json:"mechanism,omitzero"` // of SASL: plain, scram-sha-256 or scram-sha-512; empty is none
}

// A Service is whom Keys are for.
type Service string

const (
	ServiceAWS Service = "aws"
	ServiceCOS Service = "cos"
	ServiceGCS Service = "gcs"
	// ServiceKafka takes a user's name and password, as ID and Secret.
	ServiceKafka Service = "kafka"
)

// Scheme is how people write a service with buckets, before "://"; empty of others.
func (s Service) Scheme() string {
	switch s {
	case ServiceAWS:
		return "s3"
	case ServiceCOS:
		return "cos"
	case ServiceGCS:
		return "gs"
	}
	return ""
}

// Keys are credentials as a service takes them: an access key (ID and Secret, with a session's Token), or a bearer Token
// alone. None at all is anonymous access.
type Keys struct {
	ID      string    `json:"id,omitzero"`
	Secret  string    `json:"secret,omitzero"`
	Token   string    `json:"token,omitzero"`
	Expires time.Time `json:"expires,omitzero"` // zero: ask again after a minute
}

// Reread is how long credentials that name no end are used before they are read again: a secret that is replaced in a
// file counts by then.
const Reread = time.Minute

// Margin is how long before their end keys are asked for again: a call takes its time, and clocks differ.
const Margin = 10 * time.Second

// End is when they are asked for again: 10 s before their end, or after a minute where they name none.
func (k Keys) End() time.Time {
	if k.Expires.IsZero() {
		return time.Now().Add(Reread)
	}
	return k.Expires.Add(-Margin)
}
