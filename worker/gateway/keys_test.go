package gateway_test

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/gateway"
)

func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

func TestAKeyThatWasMadeIsFoundByItsSecretAlone(t *testing.T) {
	t.Parallel()
	secret, hash := gateway.NewSecret()
	row, err := gateway.Row{
		Name: "ada", Hash: hash, Scopes: []gateway.Scope{gateway.Submit, gateway.Read}, Customer: "shop", Pipelines: []string{"gear"}, Rate: 5, Burst: 7,
		MaxBody: 1000, MaxUpload: 2000, Types: []string{".stl", "image/*"}, Expires: time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC),
	}.Text()
	require.NoError(t, err)
	require.NotContains(t, row, secret)
	keys, err := gateway.ParseKeys("keys.yaml", []byte("keys:\n"+row), nil)
	require.NoError(t, err)
	found := keys.Find(secret, time.Now())
	require.NotNil(t, found)
	require.Equal(t, "shop", found.Customer)
	require.Equal(t, []string{"gear"}, found.Pipelines)
	require.EqualValues(t, 1000, found.MaxBody)
	require.EqualValues(t, 2000, found.MaxUpload)
	require.Equal(t, []string{".stl", "image/*"}, found.Types)
	require.Contains(t, row, "  rate: 5\n  burst: 7\n")
	for _, wrong := range []string{"", hash, secret + "x", secret[1:], strings.ToUpper(secret)} {
		require.Nil(t, keys.Find(wrong, time.Now()))
	}
	require.Nil(t, keys.Find(secret, time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC)))
}

func TestARowIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"null", "0x1", "1e5", "on", "2027-01-31", "-"} {
		secret, hash := gateway.NewSecret()
		r := gateway.Row{Name: name, Hash: hash, Scopes: []gateway.Scope{gateway.Read}, Customer: name, Pipelines: []string{"a, b]", "#", "x: y", "~"}, Types: []string{"*/*"}}
		row, err := r.Text()
		if name == "-" {
			require.ErrorContains(t, err, "name must be 1 to 40 of a-z")
			require.Empty(t, row)
			continue
		}
		require.NoError(t, err, name)
		keys, err := gateway.ParseKeys("keys.yaml", []byte("keys:\n"+row), nil)
		require.NoError(t, err, row)
		k := keys.Find(secret, time.Now())
		require.Equal(t, []string{name, name}, []string{k.Name, k.Customer})
		require.Equal(t, r.Pipelines, k.Pipelines)
		require.Equal(t, r.Types, k.Types)
	}
}

func TestTwoSecretsOfOneNameAreGoodWhileOneIsReplaced(t *testing.T) {
	t.Parallel()
	keys, err := gateway.ParseKeys("keys.yaml", []byte("keys:\n- {name: a, scopes: read, hash: "+digest("1")+"}\n- {name: a, scopes: read, hash: "+digest("2")+"}\n"), nil)
	require.NoError(t, err)
	require.NotNil(t, keys.Find("1", time.Now()))
	require.NotNil(t, keys.Find("2", time.Now()))
}

func TestASecretIsReplacedByTheNextAtTheMomentThatTheTableSays(t *testing.T) {
	t.Parallel()
	keys, err := gateway.ParseKeys("keys.yaml", []byte("keys:\n"+
		"- {name: a, scopes: read, hash: "+digest("1")+", expires: 2027-01-31T12:00:00+02:00}\n"+
		"- {name: a, scopes: read, hash: "+digest("2")+", not_before: 2027-01-31T10:00:00Z, expires: 2027-03-01}\n"), nil)
	require.NoError(t, err)
	moment := time.Date(2027, 1, 31, 10, 0, 0, 0, time.UTC)
	march := time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		at   time.Time
		good string
	}{{moment.Add(-1), "1"}, {moment, "2"}, {march.Add(-1), "2"}, {march, ""}} {
		for _, secret := range []string{"1", "2"} {
			require.Equal(t, secret == tt.good, keys.Find(secret, tt.at) != nil, "%s at %v", secret, tt.at)
		}
	}
}

func TestATableThatIsReadAgainGivesNobodyHisRequestsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := "keys:\n- {name: a, scopes: submit, rate: 1, burst: 2, hash: " + digest("1") + "}\n"
		keys, err := gateway.ParseKeys("keys.yaml", []byte(table), nil)
		require.NoError(t, err)
		g := newGate(t, func(c *gateway.Config) {
			c.Keys = func(secret string) *gateway.Key { return keys.Find(secret, time.Now()) }
		})
		for range 2 {
			submitted(t, g.ask("POST", "/v1/jobs", "1", helloJob))
		}
		keys, err = gateway.ParseKeys("keys.yaml", []byte(table+"- {name: a, scopes: submit, rate: 1, burst: 2, hash: "+digest("2")+"}\n"), keys)
		require.NoError(t, err)
		for _, secret := range []string{"1", "2"} {
			problem(t, g.ask("POST", "/v1/jobs", secret, helloJob), 429)
		}
		keys, err = gateway.ParseKeys("keys.yaml", []byte(strings.Replace(table, "burst: 2", "burst: 3", 1)), keys)
		require.NoError(t, err)
		submitted(t, g.ask("POST", "/v1/jobs", "1", helloJob))
	})
}

func TestAllMistakesOfAFileOfKeysAreSaidAtOnce(t *testing.T) {
	t.Parallel()
	_, err := gateway.ParseKeys("keys.yaml", []byte(`
keys:
- name: Ada L
  hash: abc
  scopes: [submitt]
- name: b
  hash: `+digest("1")+`
  scopes: [read]
  rate: 0
  customer: -x
  expires: tomorrow
  colour: red
- {name: c, scopes: [read], hash: `+digest("1")+`}
- {name: d, scopes: [read], hash: `+digest("2")+`, burst: 3}
`), nil)
	require.Error(t, err)
	for _, want := range []string{
		"keys.yaml:3:", "name must be 1 to 40", "hash must be the SHA-256", `did you mean "submit"`, "rate must be a whole number",
		"customer must be", "expires must be a date", `has no key "colour"`, "another key has this hash", "say the rate too",
	} {
		require.ErrorContains(t, err, want)
	}
	_, err = gateway.ParseKeys("keys.yaml", []byte("keys: []"), nil)
	require.ErrorContains(t, err, "keys is empty")
	_, err = gateway.ParseKeys("keys.yaml", []byte("keys: [{name: a, scopes: read, hash: "+digest("")+"}]"), nil)
	require.ErrorContains(t, err, "the hash of no secret at all")
}

func FuzzKeys(f *testing.F) {
	f.Add("keys:\n- {name: a, scopes: read, hash: "+digest("1")+"}\n", "1")
	f.Add("keys: {}", "")
	f.Add("keys: [1, {name: [a]}]", "x")
	f.Fuzz(func(t *testing.T, text, secret string) {
		keys, err := gateway.ParseKeys("keys.yaml", []byte(text), nil)
		if err != nil {
			return
		}
		if k := keys.Find(secret, time.Now()); k != nil {
			require.Contains(t, strings.ToLower(text), digest(secret))
			require.NotEmpty(t, k.Scopes)
		}
	})
}
