package hook

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // SignatureVersion 1, for topics whose operator allows it
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// sns verifies what Amazon SNS sends, as https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html says.
type sns struct {
	topics    []string      // ARNs
	allowSHA1 bool          // SignatureVersion 1
	maxAge    time.Duration // since a message was published
	certs     *Certificates
}

// An envelope is what SNS sends, as far as it is signed. SubscribeURL and Token are those of confirmations.
type envelope struct {
	Type             string
	MessageID        string `json:"MessageId"`
	TopicArn         string
	Subject          *string `json:",omitempty"`
	Message          string
	Timestamp        string
	SignatureVersion string
	Signature        string `json:"-"`
	SigningCertURL   string `json:"-"`
	SubscribeURL     string `json:",omitempty"`
	Token            string `json:",omitempty"`
}

func (s *sns) verify(ctx context.Context, r request) (verified, error) {
	e, err := open(r.body)
	if err != nil {
		return verified{}, err
	}
	// The topic first: nothing is fetched for a stranger's.
	if !slices.Contains(s.topics, e.TopicArn) {
		return verified{}, unverified("topic %q is not one of the source's", clip(e.TopicArn))
	}
	if err := s.signed(ctx, e); err != nil {
		return verified{}, err
	}
	at, err := time.Parse(time.RFC3339, e.Timestamp)
	if err != nil || r.now.Sub(at) > s.maxAge || at.Sub(r.now) > tolerance {
		return verified{}, unverified("the message is of %s", clip(e.Timestamp))
	}
	switch e.Type {
	case "Notification":
		e.SubscribeURL, e.Token = "", "" // not signed here
		body, err := json.Marshal(e)
		return verified{id: e.MessageID, body: body}, err
	case "SubscriptionConfirmation":
		return verified{nothing: "the subscription to " + e.TopicArn + " is confirmed"}, s.confirm(ctx, e)
	}
	return verified{nothing: "the subscription to " + e.TopicArn + " was cancelled; subscribe again if that was not meant"}, nil
}

// maxKeys is how many keys an envelope may have; SNS sends a dozen.
const maxKeys = 32

// open reads the strings of an envelope, and nothing else: it is not signed. A stranger's body, which may have any number of
// keys, is left off early.
func open(body []byte) (envelope, error) {
	var e envelope
	known := map[string]any{ // unlike a struct's, its keys are exact
		"Type": &e.Type, "MessageId": &e.MessageID, "TopicArn": &e.TopicArn, "Subject": &e.Subject, "Message": &e.Message,
		"Timestamp": &e.Timestamp, "SignatureVersion": &e.SignatureVersion, "Signature": &e.Signature,
		"SigningCertURL": &e.SigningCertURL, "SubscribeURL": &e.SubscribeURL, "Token": &e.Token,
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') || !json.Valid(body) {
		return envelope{}, unverified("the body is no JSON map")
	}
	var other json.RawMessage
	for n := 0; d.More(); n++ {
		if n == maxKeys {
			return envelope{}, unverified("the body has more than %d keys", maxKeys)
		}
		key, err := d.Token()
		name, _ := key.(string)
		to, ok := known[name]
		if !ok {
			to = &other
		}
		if err = errors.Join(err, d.Decode(to)); err != nil {
			return envelope{}, unverified("%s is no text", clip(name))
		}
	}
	if e.MessageID == "" || len(e.MessageID) > maxID {
		return envelope{}, unverified("MessageId is missing or too long")
	}
	// What is signed is lines of names and values. Were another than Message of more than one, the same lines could be cut into
	// another MessageId, and a delivery that was taken would come again as one that nobody knows.
	if e.Subject != nil && strings.Contains(*e.Subject, "\n") || strings.Contains(e.MessageID+e.SubscribeURL+e.Timestamp+e.Token, "\n") {
		return envelope{}, unverified("a field besides Message has a line's end")
	}
	return e, nil
}

// signed verifies the signature of an envelope.
func (s *sns) signed(ctx context.Context, e envelope) error {
	content, ok := e.canonical()
	if !ok {
		return unverified("type %q is not known", clip(e.Type))
	}
	signature, err := base64.StdEncoding.DecodeString(e.Signature)
	if err != nil || len(signature) == 0 {
		return unverified("the signature is no base64")
	}
	var hash crypto.Hash
	var sum []byte
	switch {
	case e.SignatureVersion == "2":
		digest := sha256.Sum256([]byte(content))
		hash, sum = crypto.SHA256, digest[:]
	case e.SignatureVersion == "1" && s.allowSHA1:
		digest := sha1.Sum([]byte(content)) //nolint:gosec // as above
		hash, sum = crypto.SHA1, digest[:]
	default:
		return unverified("SignatureVersion %q is not taken; set the topic's to 2", clip(e.SignatureVersion))
	}
	host, ok := snsHost(e.TopicArn)
	if !ok || !certificateURL(e.SigningCertURL, host) {
		return unverified("SigningCertURL is not one of SNS in the topic's region")
	}
	key, err := s.certs.key(ctx, e.SigningCertURL, host)
	if err != nil {
		return err
	}
	if rsa.VerifyPKCS1v15(key, hash, sum, signature) != nil {
		return unverified("the signature does not fit")
	}
	return nil
}

// canonical is what SNS signs of an envelope.
func (e *envelope) canonical() (string, bool) {
	var b strings.Builder
	add := func(name, value string) { b.WriteString(name + "\n" + value + "\n") }
	add("Message", e.Message)
	add("MessageId", e.MessageID)
	switch e.Type {
	case "Notification":
		if e.Subject != nil {
			add("Subject", *e.Subject)
		}
	case "SubscriptionConfirmation", "UnsubscribeConfirmation":
		add("SubscribeURL", e.SubscribeURL)
	default:
		return "", false
	}
	add("Timestamp", e.Timestamp)
	if e.Type != "Notification" {
		add("Token", e.Token)
	}
	add("TopicArn", e.TopicArn)
	add("Type", e.Type)
	return b.String(), true
}

// confirm tells SNS that we want what it sends. It is called for topics of the source alone, and asks SNS alone.
func (s *sns) confirm(ctx context.Context, e envelope) error {
	host, _ := snsHost(e.TopicArn)
	u, err := url.Parse(e.SubscribeURL)
	if err != nil || !isPlainHTTPS(u, host) || u.Path != "/" {
		return unverified("SubscribeURL is not one of SNS in the topic's region")
	}
	q := u.Query()
	if q.Get("Action") != "ConfirmSubscription" || q.Get("TopicArn") != e.TopicArn || q.Get("Token") != e.Token {
		return unverified("SubscribeURL does not confirm this topic")
	}
	_, err = s.certs.get(ctx, u.String())
	return err
}

// snsHost is the host of SNS in the region of a topic: "arn:aws:sns:eu-west-1:123456789012:uploads".
func snsHost(topic string) (host string, ok bool) {
	part := strings.Split(topic, ":")
	if len(part) != 6 || part[0] != "arn" || part[2] != "sns" || !isRegion(part[3]) || part[4] == "" || part[5] == "" {
		return "", false
	}
	host = "sns." + part[3] + ".amazonaws.com"
	switch part[1] {
	case "aws", "aws-us-gov":
		return host, true
	case "aws-cn":
		return host + ".cn", true
	}
	return "", false
}

func isRegion(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && len(s) <= 32
}

// certificateURL says that an address is that of a certificate of SNS.
func certificateURL(address, host string) bool {
	u, err := url.Parse(address)
	if err != nil || !isPlainHTTPS(u, host) || u.RawQuery != "" {
		return false
	}
	name, ok := strings.CutPrefix(u.Path, "/SimpleNotificationService-")
	name, pem := strings.CutSuffix(name, ".pem")
	return ok && pem && name != "" && len(name) <= 64 && strings.Trim(name, "0123456789abcdef") == ""
}

func isPlainHTTPS(u *url.URL, host string) bool {
	return u.Scheme == "https" && u.Host == host && u.User == nil && u.Fragment == "" && u.Opaque == "" && u.RawPath == ""
}

// clip keeps what a stranger wrote from filling a log.
func clip(s string) string {
	const most = 100
	if len(s) > most {
		s = s[:most]
	}
	return strings.ToValidUTF8(s, "?")
}

// unavailable is what may pass: the source is asked to send again.
func unavailable(why string) error {
	return &Refusal{http.StatusServiceUnavailable, "the gateway can't verify requests of this source now; send again later", why}
}
