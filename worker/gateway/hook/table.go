package hook

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/nunjucks"
	"github.com/millrace/millrace/pipelines/render"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
)

const (
	defaultBody     = 1 << 20
	mostBody        = 25 << 20 // what GitHub sends at most
	defaultRemember = 30 * 24 * time.Hour
	defaultMaxAge   = 24 * time.Hour
	defaultRate     = 50 // deliveries a second
)

// Config is what Parse needs besides the table.
type Config struct {
	Env          func(name string) string // the variables that secrets may stand in
	Certificates *Certificates            // for sources of kind sns
}

// Parse reads a table of sources, YAML or JSON. The error has all mistakes, with their places, and shows no secret.
func (c Config) Parse(name string, text []byte) (*Table, error) {
	v, err := pipelines.DecodeValue(name, text)
	if err != nil {
		return nil, err
	}
	l := loader{env: c.Env, certs: c.Certificates, language: render.Language(false)}
	v.Map("sources")
	t := &Table{Sources: map[string]*Source{}}
	sources := v.Key("sources")
	names := sources.Map()
	if len(names) == 0 {
		sources.Errorf("sources is empty; write at least one, its name being the last part of its address: /v1/hooks/<name>")
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		t.Sources[name] = l.source(name, sources.Key(name))
	}
	t.Files = l.files
	return t, v.Err()
}

// A loader reads one table.
type loader struct {
	env   func(string) string
	certs *Certificates
	files []string // that secrets were read from

	language *nunjucks.Env
}

// common are the keys that sources of all kinds have.
var common = []string{"kind", "customer", "max_body", "remember", "gone", "rate", "burst", "pipelines", "headers", "job"}

// own are the keys that those of one kind have besides.
func own(kind Kind) []string {
	switch kind {
	case Standard:
		return []string{"secrets", "public_keys", "events"}
	case GitHub:
		return []string{"secrets", "events", "known_by"}
	case SNS:
		return []string{"topics", "allow_sha1", "max_age"}
	case Token:
		return []string{"secrets", "header", "scheme", "query", "id_header"}
	case Basic:
		return []string{"secrets", "id_header"}
	case CloudEvents:
		return []string{"signed", "secrets", "public_keys", "header", "scheme", "query", "events", "origins"}
	}
	return []string{"id_header"}
}

func (l *loader) source(name string, v pipelines.Value) *Source {
	if !job.IsName(name) {
		v.Errorf("a source's name is 1 to 40 of a-z, 0-9 and -, a letter or digit first")
	}
	kind := Kind(v.Key("kind").OneOf(string(Standard), string(GitHub), string(SNS), string(Token), string(Basic), string(CloudEvents), string(None)))
	if kind == "" {
		if v.Map(); v.Key("kind").Any == nil {
			v.Errorf("kind is missing: write how the source proves who it is (standard-webhooks, github, sns, token, basic, cloudevents)")
		}
		return &Source{Name: name}
	}
	v.Map(append(slices.Clone(common), own(kind)...)...)
	s := &Source{
		Name: name, Kind: kind, Customer: v.Key("customer").Text(),
		MaxBody:  number(v.Key("max_body"), 1, mostBody, defaultBody),
		Remember: duration(v.Key("remember"), time.Hour, 365*24*time.Hour, defaultRemember),
		Gone:     v.Key("gone").Bool(false),
		cache:    render.NewCache(),
		events:   v.Key("events").Texts(), origins: v.Key("origins").Texts(), Pipelines: v.Key("pipelines").Texts(),
	}
	if s.Customer != "" && !job.IsName(s.Customer) {
		v.Key("customer").Errorf("a customer's name is 1 to 40 of a-z, 0-9 and -, a letter or digit first")
	}
	perSecond := number(v.Key("rate"), 1, 100_000, defaultRate)
	s.Limit = rate.NewLimiter(rate.Limit(perSecond), int(number(v.Key("burst"), 1, 100_000, 2*perSecond)))
	s.perMin = int(60 * perSecond)
	s.verify = l.verifier(kind, v)
	if sns, ok := s.verify.(*sns); ok && sns.maxAge > s.Remember {
		v.Key("remember").Errorf("remember must be %v or more, as max_age is: a message that is forgotten and still taken would come again", sns.maxAge)
	}
	s.headers = l.headers(v.Key("headers"), s.verify)
	s.job = l.job(v)
	return s
}

// verifier reads how a source proves who it is.
func (l *loader) verifier(kind Kind, v pipelines.Value) verifier {
	switch kind {
	case Standard:
		return l.standard(v)
	case GitHub:
		return &github{l.secrets(v.Key("secrets"), chosen), v.Key("known_by").OneOf("body", "delivery") == "delivery"}
	case SNS:
		return l.sns(v)
	case Token:
		return l.token(v)
	case Basic:
		return &basic{l.secrets(v.Key("secrets"), user), header(v.Key("id_header"))}
	case CloudEvents:
		if v.Key("signed").Bool(false) {
			unused(v, "a source that is signed", "header", "scheme", "query")
			return l.standard(v)
		}
		unused(v, "a source without signed: true", "public_keys")
		return l.token(v)
	}
	return &anybody{header(v.Key("id_header"))}
}

// unused reports keys that would do nothing, where one might think that they do.
func unused(v pipelines.Value, of string, keys ...string) {
	for _, key := range keys {
		if v.Key(key).Any != nil {
			v.Key(key).Errorf("%s is not for %s", key, of)
		}
	}
}

func (l *loader) standard(v pipelines.Value) *standard {
	s := &standard{}
	keys := v.Key("public_keys")
	for _, e := range keys.List() {
		key, err := whpk(e.Text())
		if err != nil {
			e.Errorf("this key %v", err)
			continue
		}
		s.keys = append(s.keys, key)
	}
	if v.Key("secrets").Any != nil || len(keys.List()) == 0 {
		s.secrets = l.secrets(v.Key("secrets"), whsec)
	}
	return s
}

func (l *loader) sns(v pipelines.Value) *sns {
	s := &sns{
		topics: v.Key("topics").Texts(), allowSHA1: v.Key("allow_sha1").Bool(false), certs: l.certs,
		maxAge: duration(v.Key("max_age"), time.Minute, 30*24*time.Hour, defaultMaxAge),
	}
	if len(s.topics) == 0 {
		v.Errorf("topics is missing: write the ARNs of the topics that may send here")
	}
	for i, topic := range s.topics {
		if _, ok := snsHost(topic); !ok {
			v.Key("topics").Errorf("entry %d of topics is no ARN of a topic, as in arn:aws:sns:eu-west-1:123456789012:uploads", i+1)
		}
	}
	return s
}

func (l *loader) token(v pipelines.Value) *token {
	t := &token{
		secrets: l.secrets(v.Key("secrets"), chosen), query: v.Key("query").Bool(false),
		header: cmp.Or(header(v.Key("header")), "Authorization"), scheme: v.Key("scheme").Text(), id: header(v.Key("id_header")),
	}
	if t.scheme == "" && t.header == "Authorization" {
		t.scheme = "Bearer"
	}
	if t.scheme != "" {
		t.scheme += " "
	}
	return t
}

// user takes "name:password".
func user(text string) ([]byte, error) {
	if _, password, ok := strings.Cut(text, ":"); !ok || len(password) < minSecret {
		return nil, fmt.Errorf("is not name:password with a password of at least %d bytes", minSecret)
	}
	return []byte(text), nil
}

// headers are those that a source's template may read.
func (l *loader) headers(v pipelines.Value, by verifier) []string {
	proof := []string{"Authorization", "Cookie", "Proxy-Authorization"}
	if t, ok := by.(*token); ok {
		proof = append(proof, t.header)
	}
	var out []string
	for _, e := range v.List() {
		name := header(e)
		switch {
		case strings.Contains(name, "Signature"), slices.Contains(proof, name):
			e.Errorf("header %s holds what proves who sends; templates don't see it", name)
		case name != "":
			out = append(out, name)
		}
	}
	return out
}

// fixed are the keys of a job that the gateway settles, whatever its source says.
var fixed = []string{"id", "customerId", "inputs"}

// job reads the template of a source's job, and checks what of it is the same for every delivery.
func (l *loader) job(v pipelines.Value) map[string]any {
	j := v.Key("job")
	if j.Any == nil {
		return nil
	}
	if v.Key("pipelines").Any != nil {
		v.Key("pipelines").Errorf("pipelines is for sources whose body is the message; this one has a job of its own")
	}
	fields := j.Map()
	pipeline, _ := fields["pipeline"].(string)
	if pipeline == "" || nunjucks.HasTemplate(pipeline) {
		j.Errorf("a source's job names its pipeline, and no template decides which that is: pipeline: hello_world")
		pipeline = ""
	}
	for _, key := range fixed {
		if _, ok := fields[key]; ok {
			j.Key(key).Errorf("%s is not for a source to say: the gateway settles it", key)
		}
	}
	l.templates(j, j.Any)
	plain := map[string]any{}
	for key, value := range fields {
		if text, ok := value.(string); key != "state" && (!ok || !nunjucks.HasTemplate(text)) {
			plain[key] = value
		}
	}
	if body, err := json.Marshal(plain); err != nil {
		j.Errorf("the job can't be written as JSON: %v", err)
	} else if _, err := job.One(queue.Message{ID: "check", Body: body}); err != nil && pipeline != "" {
		j.Errorf("%v", err)
	}
	return fields
}

// templates reports those that don't parse.
func (l *loader) templates(at pipelines.Value, v any) {
	switch v := v.(type) {
	case string:
		for _, m := range l.language.Mistakes("", v) {
			at.ErrorfAt(m.Line, m.Col, "%s", m.Text())
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			l.templates(at.Key(key), v[key])
		}
	case []any:
		for _, e := range v {
			l.templates(at, e)
		}
	}
}
