package curl

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/egress"
	"github.com/millrace/millrace/modules/redact"
)

// options are what config asks for.
type options struct {
	method         string
	header         http.Header
	host           string // of the header Host
	user, password string
	data           []part // what is sent, joined by &
	dataType       string // its type, unless a header says
	get, head      bool
	follow         bool
	maxRedirects   int // -1: as many as the client allows
	compressed     bool
	span           string // of bytes, as in "0-99"
	output         string
	verbose        bool
	maxTime        time.Duration // of the whole task; 0 is none of its own
	connectTimeout time.Duration // of one try; 0 is the client's
	retry          int
	retryDelay     time.Duration
	maxSize        int64
	speedLimit     int64         // bytes a second
	speedTime      time.Duration // over which speedLimit is judged
	secrets        []string
}

// A part is one thing to send.
type part struct {
	text  string
	file  bool // text names a file of the workspace
	lines bool // without its line breaks, as curl sends files with data
}

const (
	maxRetry    = 20
	maxHeaders  = 64
	defaultSize = 10 << 30
	unlimited   = 1 << 62
)

// request is the method that is used.
func (o options) request() string {
	switch {
	case o.method != "":
		return o.method
	case o.head:
		return http.MethodHead
	case len(o.data) > 0 && !o.get:
		return http.MethodPost
	}
	return http.MethodGet
}

// headers says that only the headers are asked for.
func (o options) headers() bool { return o.request() == http.MethodHead }

// parse reads config as curl would its command line. true switches an option on; false and null are as if it were not there.
func parse(config map[string]any) (options, []modules.Problem) {
	o := options{
		header: http.Header{}, maxRedirects: -1, retry: 4, retryDelay: time.Second, maxSize: defaultSize,
		speedLimit: 1024, speedTime: time.Minute,
	}
	var problems []modules.Problem
	seen := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(config)) {
		v := config[key]
		if v == nil || v == false {
			continue
		}
		name := long(key)
		if other, twice := seen[name]; twice {
			problems = append(problems, problem(key, "is given twice, also as %q; keep one", other))
			continue
		}
		seen[name] = key
		if err := o.set(name, v); err != nil {
			problems = append(problems, problem(key, "%s", err.Error()))
		}
	}
	if _, given := seen["retry"]; !given && o.request() != http.MethodGet && o.request() != http.MethodHead {
		o.retry = 0 // what a POST does may be done already, though no answer came
	}
	if o.maxSize == 0 { // as curl has it
		o.maxSize = unlimited
	}
	if o.span != "" && len(o.data) > 0 && !o.get {
		problems = append(problems, problem("range", "can't be given with data; drop one"))
	}
	return o, problems
}

func problem(key, format string, args ...any) modules.Problem {
	return modules.Problem{Path: "config." + key, Msg: fmt.Sprintf("prop %q ", "config."+key) + fmt.Sprintf(format, args...)}
}

// long is the long name of an option that may be written -L, L, --location or location.
func long(key string) string {
	key = strings.TrimLeft(key, "-")
	if name, ok := shorts()[key]; ok {
		return name
	}
	return key
}

func (o *options) set(name string, v any) (err error) {
	switch name {
	case "location":
		o.follow, err = flag(v)
	case "get":
		o.get, err = flag(v)
	case "head":
		o.head, err = flag(v)
	case "compressed":
		o.compressed, err = flag(v)
	case "verbose":
		o.verbose, err = flag(v)
	case "silent", "show-error", "progress-bar", "no-progress-meter", "fail", "fail-with-body", "fail-early", "create-dirs",
		"globoff", "no-buffer", "tcp-nodelay", "retry-connrefused", "retry-all-errors":
		_, err = flag(v) // as it is done here always
	case "max-redirs":
		o.maxRedirects, err = count(v, 0, 5)
	case "retry":
		o.retry, err = count(v, 0, maxRetry)
	case "retry-delay":
		o.retryDelay, err = seconds(v)
	case "max-time":
		o.maxTime, err = seconds(v)
	case "connect-timeout":
		o.connectTimeout, err = seconds(v)
	case "speed-time":
		o.speedTime, err = seconds(v)
	case "speed-limit":
		o.speedLimit, err = bytesOf(v)
	case "max-filesize":
		o.maxSize, err = bytesOf(v)
	default:
		return o.setRequest(name, v)
	}
	return err
}

// setRequest sets what is part of the request.
func (o *options) setRequest(name string, v any) (err error) {
	switch name {
	case "request":
		if o.method, err = line(v); err == nil && strings.Trim(o.method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			err = fmt.Errorf("must be a method such as GET or POST, got %.20q", o.method)
		}
	case "header":
		return o.setHeaders(v)
	case "user-agent":
		return o.setHeader("User-Agent", v)
	case "referer":
		return o.setReferer(v)
	case "cookie":
		return o.setCookie(v)
	case "oauth2-bearer":
		return o.setBearer(v)
	case "user":
		return o.setUser(v)
	case "range":
		if o.span, err = line(v); err == nil && strings.Trim(o.span, "0123456789-,") != "" {
			err = fmt.Errorf("must be bytes such as 0-99, got %.40q", o.span)
		}
	case "output":
		o.output, err = line(v)
	case "data", "data-ascii", "data-raw", "data-binary", "data-urlencode", "json":
		return o.setData(name, v)
	default:
		return refuse(name)
	}
	return err
}

func (o *options) setHeaders(v any) error {
	list, ok := v.([]any)
	if m, isMap := v.(map[string]any); isMap {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			list = append(list, fmt.Sprintf("%s: %v", name, m[name]))
		}
		ok = true
	}
	if !ok {
		list = []any{v}
	}
	if len(list) > maxHeaders {
		return fmt.Errorf("has %d headers; %d are the limit", len(list), maxHeaders)
	}
	for _, e := range list {
		text, err := line(e)
		name, value, found := strings.Cut(text, ":")
		if err != nil || !found || !token(name) {
			return fmt.Errorf("must be headers such as \"Accept: model/stl\"")
		}
		if err := o.setHeader(name, strings.TrimSpace(value)); err != nil {
			return err
		}
	}
	return nil
}

func (o *options) setHeader(name string, v any) error {
	value, err := line(v)
	if err != nil {
		return err
	}
	if strings.EqualFold(name, "Host") {
		o.host = value
		return nil
	}
	if redact.NameIsSecret(name) {
		_, credentials, _ := strings.Cut(value, " ") // "Bearer …"
		o.secret(value, strings.TrimSpace(credentials))
	}
	o.header.Add(name, value)
	return nil
}

func (o *options) setReferer(v any) error {
	text, err := line(v)
	if err != nil {
		return err
	}
	u, err := url.Parse(text)
	if err != nil {
		return fmt.Errorf("must be an address")
	}
	o.secret(secretsIn(u)...)
	o.header.Set("Referer", text)
	return nil
}

func (o *options) setCookie(v any) error {
	text, err := line(v)
	if err != nil || !strings.Contains(text, "=") {
		return fmt.Errorf("must be cookies such as \"a=1; b=2\"; files of cookies are not read here")
	}
	for pair := range strings.SplitSeq(text, ";") {
		_, value, _ := strings.Cut(pair, "=")
		o.secret(strings.TrimSpace(value))
	}
	o.header.Set("Cookie", text)
	return nil
}

func (o *options) setBearer(v any) error {
	token, err := line(v)
	o.secret(token)
	o.header.Set("Authorization", "Bearer "+token)
	return err
}

func (o *options) setUser(v any) error {
	text, err := line(v)
	user, password, ok := strings.Cut(text, ":")
	if err != nil || !ok {
		return fmt.Errorf("must be user:password")
	}
	o.user, o.password = user, password
	o.secret(password)
	return nil
}

func (o *options) secret(texts ...string) {
	for _, s := range texts {
		if s != "" {
			o.secrets = append(o.secrets, s)
		}
	}
}

// shown is config as the output may say it: without what is secret.
func shown(config map[string]any) map[string]any {
	all := maps.Clone(config)
	for key := range all {
		switch long(key) {
		case "referer":
			if u, err := url.Parse(fmt.Sprint(all[key])); err == nil {
				all[key] = egress.Place(u)
			}
		case "user", "cookie", "oauth2-bearer", "header", "data", "data-ascii", "data-raw", "data-binary", "data-urlencode", "json":
			delete(all, key)
		}
	}
	return all
}
