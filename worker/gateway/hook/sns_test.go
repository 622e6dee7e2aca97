package hook_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/gateway/hook"
	"github.com/millrace/millrace/worker/job"
)

const (
	topic   = "arn:aws:sns:eu-west-1:123456789012:uploads"
	snsHost = "sns.eu-west-1.amazonaws.com"
	certURL = "https://" + snsHost + "/SimpleNotificationService-0123456789abcdef.pem"
)

// An authority is a root and one that it vouches for, which issues what SNS signs by.
type authority struct {
	root, middle *x509.Certificate
	middleKey    *ecdsa.PrivateKey
	middleDER    []byte
}

// ours is made once.
var ours = sync.OnceValue(func() authority { return newAuthority(nil) })

func newAuthority(change func(*x509.Certificate)) (a authority) {
	rootKey := curveKey()
	a.root, _ = issue("root", change, &rootKey.PublicKey, nil, rootKey, true)
	a.middleKey = curveKey()
	a.middle, a.middleDER = issue("middle", change, &a.middleKey.PublicKey, a.root, rootKey, true)
	return a
}

// leafKey is made once: RSA keys take their time.
var leafKey = sync.OnceValue(newKey)

func newKey() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
}

func curveKey() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}

// issue makes a certificate; its parent is itself where that is nil.
func issue(name string, change func(*x509.Certificate), public any, parent *x509.Certificate, by crypto.Signer, ca bool) (*x509.Certificate, []byte) {
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, IsCA: ca, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{name},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	if change != nil {
		change(c)
	}
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, public, by)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return cert, der
}

func toPEM(ders ...[]byte) string {
	var b bytes.Buffer
	for _, der := range ders {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	return b.String()
}

// amazon answers what is asked of SNS, and remembers it.
type amazon struct {
	answers map[string]string // by URL
	asked   []string
	root    *x509.Certificate // that is trusted; nil is ours
}

func (a *amazon) RoundTrip(r *http.Request) (*http.Response, error) {
	a.asked = append(a.asked, r.URL.String())
	body, ok := a.answers[r.URL.String()]
	switch {
	case body == "down":
		return nil, errors.New("connection refused")
	case strings.HasPrefix(body, "to "):
		return &http.Response{StatusCode: http.StatusFound, Header: http.Header{"Location": {body[3:]}}, Body: http.NoBody, Request: r}, nil
	case !ok:
		return &http.Response{StatusCode: http.StatusForbidden, Body: http.NoBody, Request: r}, nil
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// newAmazon serves a certificate that leads to our root, changed as told.
func newAmazon(change func(*x509.Certificate)) *amazon { return ours().amazon(change) }

func (a authority) amazon(change func(*x509.Certificate)) *amazon {
	_, leaf := issue("sns.amazonaws.com", change, &leafKey().PublicKey, a.middle, a.middleKey, false)
	return &amazon{answers: map[string]string{certURL: toPEM(leaf, a.middleDER)}, root: a.root}
}

func (a *amazon) source(t testing.TB, lines string) *hook.Source {
	t.Helper()
	roots := x509.NewCertPool()
	if a.root == nil {
		a.root = ours().root
	}
	roots.AddCert(a.root)
	return sourceWith(t, "kind: sns\ntopics: ["+topic+"]\n"+lines, &hook.Certificates{Client: &http.Client{Transport: a}, Roots: roots})
}

// notification is one of our topic, not signed yet.
func notification() map[string]string {
	return map[string]string{
		"Type": "Notification", "MessageId": "m-1", "TopicArn": topic, "Subject": "a job", "Message": asks, "SignatureVersion": "2",
		"Timestamp": time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), "SigningCertURL": certURL,
		"UnsubscribeURL": "https://" + snsHost + "/?Action=Unsubscribe",
	}
}

func confirmation(kind string) map[string]string {
	m := notification()
	delete(m, "Subject")
	m["Type"], m["Token"], m["Message"] = kind, "2336412f37", "You have chosen to subscribe"
	m["SubscribeURL"] = "https://" + snsHost + "/?Action=ConfirmSubscription&TopicArn=" + topic + "&Token=2336412f37"
	return m
}

// signSNS signs a message as SNS does.
func signSNS(m map[string]string) string {
	names := []string{"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"}
	if m["Type"] != "Notification" {
		names = []string{"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"}
	}
	var text strings.Builder
	for _, name := range names {
		if value, ok := m[name]; ok {
			text.WriteString(name + "\n" + value + "\n")
		}
	}
	sum, hash := sha256.Sum256([]byte(text.String())), crypto.SHA256
	signature, err := rsa.SignPKCS1v15(nil, leafKey(), hash, sum[:])
	if m["SignatureVersion"] == "1" {
		sum := sha1.Sum([]byte(text.String()))
		signature, err = rsa.SignPKCS1v15(nil, leafKey(), crypto.SHA1, sum[:])
	}
	if err != nil {
		panic(err)
	}
	m["Signature"] = base64.StdEncoding.EncodeToString(signature)
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestANotificationOfAnAllowedTopicIsTaken(t *testing.T) {
	a := newAmazon(nil)
	s := a.source(t, "")
	ids := map[string]bool{}
	for range 3 {
		body := signSNS(notification())
		d, err := take(t, s, post(body), body)
		require.NoError(t, err)
		require.NotEmpty(t, d.Key)
		require.Len(t, d.Messages, 1)
		j, err := job.One(d.Messages[0])
		require.NoError(t, err, "the classifier unwraps it")
		require.Equal(t, "hello_world", j.Pipeline)
		ids[j.ID] = true
	}
	require.Len(t, ids, 1, "one message is one job, however often it comes")
	require.Equal(t, []string{certURL}, a.asked, "a certificate is asked for once")

	s = newAmazon(nil).source(t, "job: {pipeline: hello_world, state: {name: '{{ body.state.name }}', about: '{{ attributes.subject }}'}}")
	body := signSNS(notification())
	d, err := take(t, s, post(body), body)
	require.NoError(t, err)
	j, err := job.One(d.Messages[0])
	require.NoError(t, err)
	require.Equal(t, map[string]any{"name": "Ada", "about": "a job"}, j.State)
}

func TestWhatSNSDidNotSignIsDropped(t *testing.T) {
	var m map[string]any
	require.NoError(t, json.Unmarshal([]byte(signSNS(notification())), &m))
	m["MessageAttributes"] = map[string]any{"pipeline": map[string]any{"Type": "String", "Value": "evil"}}
	m["message"], m["TOPICARN"], m["SubscribeURL"] = "evil", "evil", "evil"
	body, err := json.Marshal(m)
	require.NoError(t, err)
	d, err := take(t, newAmazon(nil).source(t, ""), post(string(body)), string(body))
	require.NoError(t, err)
	require.NotContains(t, string(d.Messages[0].Body), "evil")
}

func TestAForgedNotificationIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		signed func(m map[string]string) // before it is signed
		sent   func(m map[string]string) // after that
		why    string
	}{
		{name: "another message", sent: func(m map[string]string) { m["Message"] = "evil" }, why: "does not fit"},
		{name: "another ID", sent: func(m map[string]string) { m["MessageId"] = "m-2" }, why: "does not fit"},
		{name: "the same text, cut into other fields", sent: func(m map[string]string) {
			m["MessageId"] += "\nSubject\n" + m["Subject"]
			delete(m, "Subject")
		}, why: "has a line's end"},
		{name: "a part of the message as the ID", signed: func(m map[string]string) {
			m["Message"] = "a\nMessageId\nb"
		}, sent: func(m map[string]string) {
			m["MessageId"], m["Message"] = "b\nMessageId\n"+m["MessageId"], "a"
		}, why: "has a line's end"},
		{name: "a subject that was not signed", sent: func(m map[string]string) { m["Subject"] = "" }, why: "does not fit"},
		{name: "another type", sent: func(m map[string]string) { m["Type"] = "UnsubscribeConfirmation" }, why: "does not fit"},
		{name: "an unknown type", signed: func(m map[string]string) { m["Type"] = "Other" }, why: "is not known"},
		{name: "no signature", sent: func(m map[string]string) { m["Signature"] = "" }, why: "no base64"},
		{name: "the weaker signature", signed: func(m map[string]string) { m["SignatureVersion"] = "1" }, why: "set the topic's to 2"},
		{name: "a weaker version of a good signature", sent: func(m map[string]string) { m["SignatureVersion"] = "1" }, why: "set the topic's to 2"},
		{name: "another topic", signed: func(m map[string]string) { m["TopicArn"] += "2" }, why: "not one of the source's"},
		{name: "too old", signed: func(m map[string]string) {
			m["Timestamp"] = time.Now().Add(-25 * time.Hour).UTC().Format(time.RFC3339)
		}, why: "the message is of"},
		{name: "of tomorrow", signed: func(m map[string]string) {
			m["Timestamp"] = time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339)
		}, why: "the message is of"},
		{name: "of no time", signed: func(m map[string]string) { m["Timestamp"] = "now" }, why: "the message is of"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := notification()
			if tt.signed != nil {
				tt.signed(m)
			}
			body := signSNS(m)
			if tt.sent != nil {
				tt.sent(m)
				b, err := json.Marshal(m)
				require.NoError(t, err)
				body = string(b)
			}
			_, err := take(t, newAmazon(nil).source(t, ""), post(body), body)
			requireRefused(t, err, http.StatusUnauthorized, tt.why)
		})
	}
	m := notification()
	m["SignatureVersion"] = "1"
	body := signSNS(m)
	_, err := take(t, newAmazon(nil).source(t, "allow_sha1: true"), post(body), body)
	require.NoError(t, err, "where the operator allows it")
}

func TestASubscriptionIsConfirmedOnlyForTheSourcesTopicsAndBySNSAlone(t *testing.T) {
	a := newAmazon(nil)
	m := confirmation("SubscriptionConfirmation")
	a.answers[m["SubscribeURL"]] = "<ConfirmSubscriptionResponse/>"
	body := signSNS(m)
	d, err := take(t, a.source(t, ""), post(body), body)
	require.NoError(t, err)
	require.Equal(t, "the subscription to "+topic+" is confirmed", d.Nothing)
	require.Equal(t, []string{certURL, m["SubscribeURL"]}, a.asked)

	for _, address := range []string{
		"http://" + snsHost + "/?Action=ConfirmSubscription&TopicArn=" + topic + "&Token=2336412f37",
		"https://evil.example/?Action=ConfirmSubscription&TopicArn=" + topic + "&Token=2336412f37",
		"https://169.254.169.254/latest/meta-data/",
		"https://" + snsHost + "/?Action=DeleteTopic&TopicArn=" + topic + "&Token=2336412f37",
		"https://" + snsHost + "/?Action=ConfirmSubscription&TopicArn=" + topic + "2&Token=2336412f37",
		"https://" + snsHost + "/x?Action=ConfirmSubscription&TopicArn=" + topic + "&Token=2336412f37",
		"",
	} {
		a := newAmazon(nil)
		m := confirmation("SubscriptionConfirmation")
		m["SubscribeURL"] = address
		body := signSNS(m)
		_, err := take(t, a.source(t, ""), post(body), body)
		requireRefused(t, err, http.StatusUnauthorized, "SubscribeURL")
		require.Equal(t, []string{certURL}, a.asked, "%s was not asked", address)
	}

	a, m = newAmazon(nil), confirmation("SubscriptionConfirmation")
	m["TopicArn"] += "2"
	body = signSNS(m)
	_, err = take(t, a.source(t, ""), post(body), body)
	requireRefused(t, err, http.StatusUnauthorized, "not one of the source's")
	require.Empty(t, a.asked)

	a, m = newAmazon(nil), confirmation("SubscriptionConfirmation")
	a.answers[m["SubscribeURL"]] = "down"
	body = signSNS(m)
	_, err = take(t, a.source(t, ""), post(body), body)
	requireRefused(t, err, http.StatusServiceUnavailable, "connection refused")
}

func TestAConfirmationThatIsReplayedDoesNotHaveUsAskSNSAllDay(t *testing.T) {
	a, m := newAmazon(nil), confirmation("SubscriptionConfirmation")
	a.answers[m["SubscribeURL"]] = "<ConfirmSubscriptionResponse/>"
	s, body := a.source(t, ""), signSNS(m)
	for range 30 {
		_, err := take(t, s, post(body), body)
		if err != nil {
			requireRefused(t, err, http.StatusServiceUnavailable, "too often")
		}
	}
	require.LessOrEqual(t, len(a.asked), 10)
}

func TestTheEndOfASubscriptionIsToldAndNothingIsAsked(t *testing.T) {
	a := newAmazon(nil)
	body := signSNS(confirmation("UnsubscribeConfirmation"))
	d, err := take(t, a.source(t, ""), post(body), body)
	require.NoError(t, err)
	require.Contains(t, d.Nothing, "was cancelled")
	require.Equal(t, []string{certURL}, a.asked)
}

// A stranger's body is read before it is verified: a million keys are not.
func TestAStrangersBodyOfManyKeysCostsLittleMemory(t *testing.T) {
	var body strings.Builder
	body.WriteString(`{"TopicArn":"` + topic + `"`)
	for i := 0; body.Len() < 1<<20; i++ {
		body.WriteString(`,"` + strconv.Itoa(i) + `":[]`)
	}
	body.WriteString("}")
	s, r, raw := newAmazon(nil).source(t, ""), post(""), []byte(body.String())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := s.Receive(t.Context(), r, raw)
	runtime.ReadMemStats(&after)
	requireRefused(t, err, http.StatusUnauthorized, "more than 32 keys")
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(len(raw)))
}

func TestAnEnvelopeThatIsNoneIsRefused(t *testing.T) {
	for body, why := range map[string]string{
		"": "no JSON map", "[]": "no JSON map", `"a"`: "no JSON map", `{"Type":"a"} {}`: "no JSON map", `{"Type":"a"`: "no JSON map",
		`{"Type":1}`: "Type is no text", `{"Subject":{}}`: "Subject is no text", `{"Type":"a"}`: "MessageId is missing",
		`{"MessageId":"` + strings.Repeat("x", 257) + `"}`: "too long",
	} {
		_, err := take(t, newAmazon(nil).source(t, ""), post(body), body)
		requireRefused(t, err, http.StatusUnauthorized, why)
	}
}
