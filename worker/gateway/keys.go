package gateway

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"time"
	"unicode"

	"golang.org/x/time/rate"

	"github.com/millrace/millrace/modules/show"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/worker/job"
)

const (
	// secretPrefix is what secrets begin with, so that scanners and people know one when they see it.
	secretPrefix = "millrace_"
	// maxKeys is how many keys a table may have: every request is held against all of them.
	maxKeys = 1000
	// maxKeyBody is how long a body may be that is held in memory, in bytes.
	maxKeyBody = 16 << 20
)

// Keys are a table of keys. Several may have one name, so that a secret is replaced without a moment in which neither is good.
type Keys struct {
	rows []keyRow
}

type keyRow struct {
	key         *Key
	hash        [sha256.Size]byte
	from, until time.Time // zero is no bound
}

// NewSecret makes the secret of a key, and what a table has of it: its SHA-256 in hexadecimal digits. A slow hash, or one with
// a salt, would add nothing: a secret has 256 random bits, so nobody can try them out, and no two are the same.
func NewSecret() (secret, hash string) {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	secret = secretPrefix + base64.RawURLEncoding.EncodeToString(b[:])
	sum := sha256.Sum256([]byte(secret))
	return secret, hex.EncodeToString(sum[:])
}

// ParseKeys reads a table of keys, YAML or JSON. The error has all mistakes, with their places. Limits go on as they were for
// keys of a name that before, which may be nil, has too.
func ParseKeys(name string, text []byte, before *Keys) (*Keys, error) {
	v, err := pipelines.DecodeValue(name, text)
	if err != nil {
		return nil, err
	}
	v.Map("keys")
	list := v.Key("keys").List()
	if len(list) == 0 {
		v.Key("keys").Errorf("keys is empty; `millrace gateway key NAME` makes one")
	}
	if len(list) > maxKeys {
		v.Key("keys").Errorf("there are %d keys, and at most %d can be", len(list), maxKeys)
		return nil, v.Err()
	}
	limits := map[string]*rate.Limiter{}
	if before != nil {
		for _, r := range before.rows {
			limits[r.key.Name] = r.key.limit
		}
	}
	all, seen := &Keys{}, map[[sha256.Size]byte]bool{}
	for _, entry := range list {
		r := readKey(entry, limits)
		if seen[r.hash] {
			entry.Key("hash").Errorf("another key has this hash; make one for each")
		}
		seen[r.hash] = true
		all.rows = append(all.rows, r)
	}
	return all, v.Err()
}

func readKey(v pipelines.Value, limits map[string]*rate.Limiter) keyRow {
	v.Map("name", "hash", "scopes", "customer", "rate", "burst", "max_body", "max_upload", "types", "pipelines", "not_before", "expires")
	k := &Key{
		Name: v.Key("name").Text(), Customer: v.Key("customer").Text(), Pipelines: v.Key("pipelines").Texts(),
		MaxBody: keyNumber(v.Key("max_body"), maxKeyBody), MaxUpload: keyNumber(v.Key("max_upload"), math.MaxInt64), Types: fileTypes(v.Key("types")),
	}
	if !job.IsName(k.Name) {
		v.Key("name").Errorf("name must be 1 to 40 of a-z, 0-9 and -, a letter or digit first")
	}
	if k.Customer != "" && !job.IsName(k.Customer) {
		v.Key("customer").Errorf("customer must be 1 to 40 of a-z, 0-9 and -, a letter or digit first")
	}
	for _, s := range v.Key("scopes").Entries() {
		if scope := s.OneOf(scopeNames()...); scope != "" {
			k.Scopes = append(k.Scopes, Scope(scope))
		}
	}
	if len(k.Scopes) == 0 {
		v.Key("scopes").Errorf("scopes must be one or more of %s", strings.Join(scopeNames(), ", "))
	}
	r := keyRow{key: k, from: moment(v.Key("not_before")), until: moment(v.Key("expires"))}
	sum, err := hex.DecodeString(v.Key("hash").Text())
	if err != nil || len(sum) != sha256.Size {
		v.Key("hash").Errorf("hash must be the SHA-256 of a secret: 64 hexadecimal digits, as `millrace gateway key` writes them")
		return r
	}
	if r.hash = [sha256.Size]byte(sum); r.hash == sha256.Sum256(nil) {
		v.Key("hash").Errorf("this is the hash of no secret at all, so everybody would have the key; `millrace gateway key` makes one")
	}
	k.limit = limitOf(v, limits[k.Name])
	limits[k.Name] = k.limit // keys of one name share it
	return r
}

// fileTypes are the endings and the content types of files that a key may send.
func fileTypes(v pipelines.Value) []string {
	all := v.Texts()
	for i, t := range all {
		ending, isEnding := strings.CutPrefix(t, ".")
		family, kind, isType := strings.Cut(t, "/")
		if isEnding && ending == "" || !isEnding && (!isType || family == "" || kind == "") || strings.ContainsFunc(t, unicode.IsSpace) {
			v.Errorf("%q is neither the ending of a file's name, like .stl, nor a content type, like model/stl or image/*", pipelines.Shorten(t))
		}
		all[i] = strings.ToLower(t)
	}
	return all
}

// limitOf is the limit of a key's requests, was where nothing has changed; nil is none.
func limitOf(v pipelines.Value, was *rate.Limiter) *rate.Limiter {
	perSecond := keyNumber(v.Key("rate"), 1_000_000)
	burst := keyNumber(v.Key("burst"), 1_000_000)
	switch {
	case perSecond == 0 && burst > 0:
		v.Key("burst").Errorf("burst is how many requests may come at once beyond the rate; say the rate too")
		return nil
	case perSecond == 0:
		return nil
	case burst == 0:
		burst = 2 * perSecond
	}
	if was != nil && was.Limit() == rate.Limit(perSecond) && was.Burst() == int(burst) {
		return was
	}
	return rate.NewLimiter(rate.Limit(perSecond), int(burst))
}

// keyNumber reads a whole number from 1 to most; 0 where it is not there.
func keyNumber(v pipelines.Value, most int64) int64 {
	if v.Any == nil {
		return 0
	}
	n, ok := v.Any.(int64)
	if !ok || n < 1 || n > most {
		v.Errorf("%s must be a whole number from 1 to %d", v.Name, most)
		return 0
	}
	return n
}

// moment reads a date, or a time with its zone.
func moment(v pipelines.Value) time.Time {
	text := v.Text()
	if text == "" {
		return time.Time{}
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t
		}
	}
	v.Errorf("%s must be a date like 2027-01-31, or a time like 2027-01-31T12:00:00Z", v.Name)
	return time.Time{}
}

func scopeNames() []string {
	var names []string
	for _, s := range Scopes() {
		names = append(names, string(s))
	}
	return names
}

// Find returns the key of a secret that is good now, or nil. It takes the same time for all secrets: it holds their hashes
// against all keys.
func (k *Keys) Find(secret string, now time.Time) *Key {
	sum := sha256.Sum256([]byte(secret))
	var found *Key
	for _, r := range k.rows {
		if subtle.ConstantTimeCompare(sum[:], r.hash[:]) == 1 && r.good(now) {
			found = r.key
		}
	}
	return found
}

// A KeyView is what a table says of a key, for who looks at it.
type KeyView struct {
	Name     string    `json:"name"`
	Scopes   []string  `json:"scopes"`
	Customer string    `json:"customer,omitzero"`
	From     time.Time `json:"not_before,omitzero"` // zero is no bound, as is Until
	Until    time.Time `json:"expires,omitzero"`
}

// All are the keys, in the table's order.
func (k *Keys) All() []KeyView {
	var all []KeyView
	for _, r := range k.rows {
		v := KeyView{Name: r.key.Name, Customer: r.key.Customer, From: r.from, Until: r.until}
		for _, s := range r.key.Scopes {
			v.Scopes = append(v.Scopes, string(s))
		}
		all = append(all, v)
	}
	return all
}

func (r keyRow) good(now time.Time) bool {
	return !now.Before(r.from) && (r.until.IsZero() || now.Before(r.until))
}

// A Row is how a table has a key, which `millrace gateway key` prints. What is 0 or empty is left out.
type Row struct {
	Name      string    `yaml:"name"`
	Hash      string    `yaml:"hash"` // of NewSecret
	Scopes    []Scope   `yaml:"scopes,flow"`
	Customer  string    `yaml:"customer,omitempty"`
	Pipelines []string  `yaml:"pipelines,omitempty,flow"`
	Rate      int       `yaml:"rate,omitempty"`       // requests a second
	Burst     int       `yaml:"burst,omitempty"`      // requests at once; 0 is twice the rate
	MaxBody   int64     `yaml:"max_body,omitempty"`   // bytes
	MaxUpload int64     `yaml:"max_upload,omitempty"` // bytes
	Types     []string  `yaml:"types,omitempty,flow"`
	Expires   time.Time `yaml:"expires,omitempty"`
}

// Text is the row as an entry of the list called keys. Its error is what ParseKeys has against it, without the places in a text
// that nobody wrote.
func (r Row) Text() (string, error) {
	text, err := show.Text([]Row{r}, show.YAML)
	if err != nil {
		return "", err
	}
	_, err = ParseKeys("", []byte("keys:\n"+text), nil)
	if wrong, ok := errors.AsType[*pipelines.ParseError](err); ok {
		var all []string
		for _, p := range wrong.Problems {
			all = append(all, p.Msg)
		}
		return "", errors.New(strings.Join(all, "; "))
	}
	if err != nil {
		return "", err
	}
	return text + "\n", nil
}
