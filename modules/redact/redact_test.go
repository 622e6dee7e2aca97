package redact_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/redact"
)

const pem = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg4+fooBar/12x
  wYtZ0k9tP5lq3d8PqSB7xk0c
-----END PRIVATE KEY-----
`

func set(secrets ...string) *redact.Set {
	s := new(redact.Set)
	for _, secret := range secrets {
		s.Add(secret)
	}
	return s
}

func TestEveryFormOfASecretIsMasked(t *testing.T) {
	const secret = `p@ss/w"ö<rd>+1?`
	quoted, err := json.Marshal(secret)
	require.NoError(t, err)
	twice, err := json.Marshal(string(quoted))
	require.NoError(t, err)
	s := set(secret)
	for _, tt := range []struct{ name, text string }{
		{"as it is", secret},
		{"JSON", strings.Trim(string(quoted), `"`)},
		{"JSON in JSON", string(twice[3 : len(twice)-3])},
		{"JSON with escaped slashes", `p@ss\/w\"ö<rd>+1?`},
		{"JSON without HTML escapes", `p@ss/w\"ö<rd>+1?`},
		{"a query", url.QueryEscape(secret)},
		{"a path", url.PathEscape(secret)},
		{"a query with lower-case escapes", `p%40ss%2fw%22%c3%b6%3crd%3e%2b1%3f`},
		{"hex", hex.EncodeToString([]byte(secret))},
		{"upper-case hex", strings.ToUpper(hex.EncodeToString([]byte(secret)))},
		{"base64", base64.StdEncoding.EncodeToString([]byte(secret))},
		{"base64 without padding", base64.RawStdEncoding.EncodeToString([]byte(secret))},
		{"base64 for URLs", base64.RawURLEncoding.EncodeToString([]byte(secret))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, "a"+redact.Mask+"z", s.String("a"+tt.text+"z"))
		})
	}
}

func TestBase64TogetherWithOtherTextIsMasked(t *testing.T) {
	const secret = "hunter2-hunter2"
	for n := range 7 {
		before := strings.Repeat("u", n)
		text := base64.StdEncoding.EncodeToString([]byte(before + secret + ":after"))
		got := set(secret).String(text)
		require.Contains(t, got, redact.Mask, "after %d bytes", n)
		require.Less(t, len(strings.ReplaceAll(got, redact.Mask, "")), len(text)-len(secret), "after %d bytes", n)
	}
}

func TestEachLineOfASecretIsASecret(t *testing.T) {
	s := set(pem)
	require.Equal(t, redact.Mask, strings.TrimSpace(s.String(pem)))
	require.Equal(t, "line 1: "+redact.Mask+"\r\n", s.String("line 1: wYtZ0k9tP5lq3d8PqSB7xk0c\r\n"))
	body, err := json.Marshal(map[string]string{"key": pem})
	require.NoError(t, err)
	require.NotContains(t, s.String(string(body)), "wYtZ0k9tP5lq3d8PqSB7xk0c")
}

func TestShortValuesAreNotSecrets(t *testing.T) {
	s := set("none", "true", "", "  ab  \n", "12345")
	const text = "none of it is true: ab 12345"
	require.Equal(t, text, s.String(text))
}

func TestOverlappingSecretsShareAMask(t *testing.T) {
	s := set("abcdefgh", "efghijkl", "abcdefghij")
	require.Equal(t, "x"+redact.Mask+"y", s.String("xabcdefghijkly"))
	require.Equal(t, redact.Mask+redact.Mask, s.String("abcdefghabcdefgh"))
}

func TestTheMaskIsNotMasked(t *testing.T) {
	s := set("REDACTED", "secret-1")
	require.Equal(t, "REDACTED "+redact.Mask, s.String("REDACTED secret-1"))
}

func TestValueMasksACopyOnly(t *testing.T) {
	s := set("hunter2!", "12345678")
	in := map[string]any{
		"plain":        "hello",
		"key hunter2!": "x hunter2! y",
		"list":         []any{"hunter2!", 7, nil, true, map[string]any{"deep": "hunter2!"}},
		"strings":      []string{"hunter2!"},
		"headers":      map[string]string{"Authorization": "Bearer hunter2!"},
		"number":       12345678,
		"float":        12345678.0,
		"bytes":        []byte("hunter2!"),
		"nil map":      map[string]any(nil),
	}
	got := s.Value(in)
	require.Equal(t, map[string]any{
		"plain":              "hello",
		"key " + redact.Mask: "x " + redact.Mask + " y",
		"list":               []any{redact.Mask, 7, nil, true, map[string]any{"deep": redact.Mask}},
		"strings":            []string{redact.Mask},
		"headers":            map[string]string{"Authorization": "Bearer " + redact.Mask},
		"number":             redact.Mask,
		"float":              redact.Mask,
		"bytes":              []byte(redact.Mask),
		"nil map":            map[string]any(nil),
	}, got)
	require.Equal(t, "x hunter2! y", in["key hunter2!"])
	require.Equal(t, "hunter2!", in["list"].([]any)[0])
}

func TestASecretInPiecesNeverLeaks(t *testing.T) {
	s := set("hunter2!", pem)
	in := "a hunter2! b hunterhunter2! hunter2" + pem + "end hunter2"
	want := s.String(in)
	for i := range len(in) {
		for j := i; j <= len(in); j += 7 {
			require.Equal(t, want, streamed(t, s, in[:i], in[i:j], in[j:]))
		}
	}
	require.Equal(t, want, streamed(t, s, strings.Split(in, "")...))
}

func TestAWriterHoldsBackOnlyWhatMayBeASecret(t *testing.T) {
	var out bytes.Buffer
	w := set("hunter2!").Writer(&out)
	fmt.Fprint(w, "shown at once\nhunter")
	require.Equal(t, "shown at once\n", out.String())
	fmt.Fprint(w, "s\n")
	require.Equal(t, "shown at once\nhunters\n", out.String())
	fmt.Fprint(w, "hunt")
	require.NoError(t, w.Flush())
	require.Equal(t, "shown at once\nhunters\nhunt", out.String())
}

func TestAWriterLearnsSecretsAddedLater(t *testing.T) {
	var out bytes.Buffer
	s := new(redact.Set)
	w := s.Writer(&out)
	fmt.Fprint(w, "before hunter2! ")
	s.Add("hunter2!")
	fmt.Fprint(w, "after hunter2!")
	require.NoError(t, w.Flush())
	require.Equal(t, "before hunter2! after "+redact.Mask, out.String())
}

func TestAWriterPassesErrorsOn(t *testing.T) {
	r, pw := io.Pipe()
	require.NoError(t, r.Close())
	_, err := set("hunter2!").Writer(pw).Write([]byte("text"))
	require.ErrorIs(t, err, io.ErrClosedPipe)
}

func TestASetMayBeUsedFromManyGoroutines(t *testing.T) {
	s := new(redact.Set)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			secret := fmt.Sprintf("secret-number-%d", i)
			s.Add(secret)
			for range 100 {
				if strings.Contains(s.String("x "+secret), secret) {
					t.Errorf("%s leaked", secret)
				}
			}
		})
	}
	wg.Wait()
}

func TestNamesThatHoldSecrets(t *testing.T) {
	for _, name := range []string{
		"GITHUB_TOKEN", "client_secret", "dbPassword", "MYSQL_PWD", "PASSWD", "api_key", "apiKey", "X-Api-Key",
		"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "privateKey", "GOOGLE_CREDENTIALS", "Authorization",
		"DB_PASS", "ssh.passphrase",
	} {
		require.True(t, redact.NameIsSecret(name), name)
	}
	for _, name := range []string{"", "PATH", "PWD", "HOME", "key", "keyboard", "author", "bypass", "src", "monkey"} {
		require.False(t, redact.NameIsSecret(name), name)
	}
}

// FuzzNoSecretInTheOutput states the promise: wherever the input is split, the output is the same, and
// what stands between the masks holds no secret.
func FuzzNoSecretInTheOutput(f *testing.F) {
	f.Add("hunter2!", "hunter", "a hunter2! b hunterhunter2!", uint(4))
	f.Add("aaaaaa", "aaaaaaaab", "aaaaaaaaaaaaaaabaaaa", uint(7))
	f.Add("abcabcabd", "cabdabc", "abcabcabcabdabcabd", uint(1))
	f.Add(pem, "AMBMGByqGSM49", pem+pem, uint(100))
	f.Add("line-one\r\nline-two", "x/y+z?&=", "line-two line-one x%2Fy%2Bz%3F%26%3D", uint(12))
	f.Add("REDACTED", "[REDACTED]", "REDACTED", uint(3))
	f.Fuzz(func(t *testing.T, one, two, in string, at uint) {
		s := set(one, two)
		want := s.String(in)
		cut := int(at % uint(len(in)+1))
		require.Equal(t, want, streamed(t, s, in[:cut], in[cut:]))
		require.Equal(t, want, streamed(t, s, strings.SplitAfter(in, in[:min(cut, 1)])...))
		for _, secret := range []string{one, two} {
			secret = strings.TrimSpace(secret)
			if len(secret) < 6 || strings.Contains(redact.Mask, secret) {
				continue
			}
			for piece := range strings.SplitSeq(want, redact.Mask) {
				require.NotContains(t, piece, secret)
			}
		}
	})
}

// streamed is what a Writer makes of the pieces.
func streamed(t *testing.T, s *redact.Set, pieces ...string) string {
	t.Helper()
	var out strings.Builder
	w := s.Writer(&out)
	for _, p := range pieces {
		_, err := io.WriteString(w, p)
		require.NoError(t, err)
	}
	require.NoError(t, w.Flush())
	return out.String()
}

func BenchmarkWriter(b *testing.B) {
	text := []byte(strings.Repeat("[12:00:01] vertex 1024 of 99999: normal 0.5 0.25 0.125, texture wood_diffuse.png\n", 400))
	for _, n := range []int{0, 1, 20} {
		b.Run(fmt.Sprintf("%d secrets", n), func(b *testing.B) {
			s := new(redact.Set)
			for i := range n {
				s.Add(fmt.Sprintf("s3cr3t/%d+value-of-some-length", i*7919))
			}
			w := s.Writer(io.Discard)
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				_, _ = w.Write(text)
			}
		})
	}
}
