package hook_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/gateway/hook"
)

func TestAllMistakesOfATableAreReportedAtOnceWithTheirPlaces(t *testing.T) {
	text := `sources:
  Shop:
    kind: standard-webhooks
    secrets: [whsec_inline, {env: UNSET}, {env: SHORT}, {env: OLD, file: x}]
  git:
    kind: githup
  hub:
    kind: github
    secret: {env: PLAIN}
    max_body: 99999999
    remember: 5s
    customer: "a.b"
  aws:
    kind: sns
    topics: [uploads]
    headers: [Authorization, "a b"]
  none-given: {}
  job:
    kind: token
    secrets: []
    pipelines: [a]
    job:
      pipeline: "{{ body.any }}"
      id: x
      priority: 99
      state: {a: "{{ b"}
  key:
    kind: standard-webhooks
    public_keys: [whpk_x]
`
	_, err := hook.Config{Env: env}.Parse("hooks.yaml", []byte(text))
	require.Error(t, err)
	for _, want := range []string{
		"hooks.yaml:2:3: a source's name is 1 to 40 of a-z",
		"hooks.yaml:4:15: a secret does not stand in the table: write {env: NAME} or {file: /path}",
		"the variable UNSET is not set, or empty",
		"this secret is not whsec_ and 24 to 64 bytes as base64",
		"a secret is one of {env: NAME} and {file: /path}",
		`hooks.yaml:6:5: kind can't be "githup", did you mean "github"?`,
		`hooks.yaml:9:5: hub has no key "secret", did you mean "secrets"?`,
		"hooks.yaml:10:5: max_body must be a whole number from 1 to 26214400",
		`hooks.yaml:11:5: remember must be a duration from 1h0m0s to 8760h0m0s, as in "90m"`,
	} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), "whsec_inline")
	_, rest, _ := strings.Cut(text, "  aws:\n")
	_, err = hook.Config{Env: env}.Parse("hooks.yaml", []byte("sources:\n  aws:\n"+rest))
	for _, want := range []string{
		"no ARN of a topic", "header Authorization holds what proves who sends", "is no name of a header", "kind is missing",
		"secrets is missing", "pipelines is for sources whose body is the message", "no template decides which that is",
		"id is not for a source to say", "this key is not whpk_",
	} {
		require.ErrorContains(t, err, want)
	}
	_, err = hook.Config{Env: env}.Parse("hooks.yaml", []byte("sources: {s: {kind: none, job: {pipeline: a, priority: 99, deadline: '{{ body.d }}'}}}"))
	require.ErrorContains(t, err, `"priority" must be`)
	_, err = hook.Config{Env: env}.Parse("hooks.yaml", []byte("sources: {s: {kind: sns, topics: ['"+topic+"'], remember: 2h}}"))
	require.ErrorContains(t, err, "remember must be 24h0m0s or more, as max_age is")
	for lines, want := range map[string]string{
		"kind: cloudevents, signed: true, secrets: [{env: OLD}], query: true": "query is not for a source that is signed",
		"kind: cloudevents, secrets: [{env: PLAIN}], public_keys: [a]":        "public_keys is not for a source without signed",
		"kind: token, secrets: [{env: PLAIN}], header: x-t, headers: [X-T]":   "header X-T holds what proves who sends",
	} {
		_, err = hook.Config{Env: env}.Parse("hooks.yaml", []byte("sources: {s: {"+lines+"}}"))
		require.ErrorContains(t, err, want)
	}
	_, err = hook.Config{Env: env}.Parse("hooks.yaml", []byte("{}"))
	require.ErrorContains(t, err, "sources is empty")
}

func TestASecretComesFromAFileWithoutItsLastLineEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(path, []byte(plain+"\n"), 0o600))
	s := source(t, "kind: token\nsecrets: [{file: "+path+"}]")
	_, err := take(t, s, post(asks, "Authorization", authorized), asks)
	require.NoError(t, err)

	parse := func() (*hook.Table, error) {
		return hook.Config{Env: env}.Parse("h.yaml", []byte("sources: {s: {kind: token, secrets: [{file: "+path+"}]}}"))
	}
	table, err := parse()
	require.NoError(t, err)
	require.Equal(t, []string{path}, table.Files)
	for _, text := range []string{"", "\n", strings.Repeat("x", 5000), "short"} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err = parse()
		require.Error(t, err, "%.10q", text)
	}
	require.NoError(t, os.Remove(path))
	_, err = parse()
	require.ErrorContains(t, err, "can't be read")
}

func TestAKindIsNeverTakenForAnother(t *testing.T) {
	// What one kind of source would take is nothing to all the others.
	kinds := map[string]string{
		"standard-webhooks": "kind: standard-webhooks\nsecrets: [{env: OLD}]",
		"github":            "kind: github\nsecrets: [{env: PLAIN}]",
		"token":             "kind: token\nsecrets: [{env: PLAIN}]",
		"basic":             "kind: basic\nsecrets: [{env: USER}]",
		"cloudevents":       "kind: cloudevents\nsecrets: [{env: OTHER}]",
		"none":              "kind: none",
	}
	for kind, lines := range kinds {
		s := source(t, lines)
		taken := 0
		for name, value := range map[string]string{
			"Authorization": authorized, "X-Hub-Signature-256": "sha256=" + mac(plain, asks),
		} {
			if _, err := take(t, s, post(asks, name, value), asks); err == nil {
				taken++
			}
		}
		want := 0
		if kind == "github" || kind == "token" {
			want = 1
		}
		require.Equal(t, want, taken, kind)
	}
}

func TestTheTablesInTheDocsAreTaken(t *testing.T) {
	page, err := os.ReadFile("../../../docs/hooks.md")
	require.NoError(t, err)
	blocks := strings.Split(string(page), "```yaml\n")[1:]
	require.Len(t, blocks, 2)
	next := filepath.Join(t.TempDir(), "next")
	require.NoError(t, os.WriteFile(next, []byte(newSecret), 0o600))
	named := map[string]string{"SHOP_SECRET": oldSecret, "BUCKET_TOKEN": plain}
	for _, block := range blocks {
		text, _, _ := strings.Cut(block, "```")
		text = strings.ReplaceAll(text, "/run/secrets/shop-next", next)
		_, err := hook.Config{Env: func(name string) string { return named[name] }}.Parse("hooks.yaml", []byte(text))
		require.NoError(t, err)
	}
}
