package job_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
)

const digest = "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

func TestDecodeTakesEveryShapeOfAJob(t *testing.T) {
	for _, tt := range []struct {
		name string
		body string
		want job.Job
	}{
		{"a name alone", `{"pipeline": "other"}`, job.Job{Pipeline: "other"}},
		{
			"a name and state",
			`{"pipeline": "other", "state": {"bucket": "models", "n": 42, "f": 1.5, "array_var": [1, "two", true], "none": null}}`,
			job.Job{Pipeline: "other", State: map[string]any{
				"bucket": "models", "n": int64(42), "f": 1.5, "array_var": []any{int64(1), "two", true}, "none": nil,
			}},
		},
		{
			"typed arguments",
			`{"pipeline": "my_pipeline", "args": ["string_var=hello world", "number_var=42", "boolean_var=true",
			  "array_var=[1,\"two\",true]", "object_var={\"key\":\"value\"}", "a=1,b=2", "url=https://h/x?y=1"]}`,
			job.Job{Pipeline: "my_pipeline", State: map[string]any{
				"string_var": "hello world", "number_var": int64(42), "boolean_var": true, "a": int64(1), "b": int64(2),
				"array_var": []any{int64(1), "two", true}, "object_var": map[string]any{"key": "value"}, "url": "https://h/x?y=1",
			}},
		},
		{
			"arguments over state",
			`{"pipeline": "p", "state": {"a": 1, "b": 2}, "args": ["b=3"]}`,
			job.Job{Pipeline: "p", State: map[string]any{"a": int64(1), "b": int64(3)}},
		},
		{
			"an inline pipeline with everything round it",
			`{"apiVersion": "v1", "kind": "Job", "id": "b7d2", "name": "hello", "title": "Hello", "customerId": "acme", "cid": "c-1",
			  "linkId": "batch-17", "externalId": "x", "format": "json", "debug": true, "dry_run": true,
			  "deadline": "20m", "max_attempts": 5, "pipeline": {"name": "Hello",  "tasks": []}, "state": {"name": "Ada"},
			  "callbacks": {"onError": [{"module": "Debug"}]}, "callback": {"url": "https://example.com/done?token=t"}}`,
			job.Job{
				ID: "b7d2", Name: "hello", Title: "Hello", Customer: "acme", CID: "c-1", LinkID: "batch-17", External: "x",
				Debug: true, DryRun: true, Deadline: 20 * time.Minute, MaxAttempts: 5,
				Inline: []byte(`{"name": "Hello",  "tasks": []}`), State: map[string]any{"name": "Ada"},
				Callbacks: map[string]any{"onError": []any{map[string]any{"module": "Debug"}}},
				Callback:  &job.Callback{URL: "https://example.com/done?token=t"},
			},
		},
		{"a pipeline as YAML text", `{"pipeline": "name: x\ntasks: []\n"}`, job.Job{Inline: []byte("name: x\ntasks: []\n")}},
		{"the camel case of attempts", `{"pipeline": "p", "maxAttempts": 20}`, job.Job{Pipeline: "p", MaxAttempts: 20}},
		{
			"YAML",
			"pipeline: other\nid: 'y'\nstate:\n  day: 2024-01-02\n  on: no\n  n: 0x10\n",
			job.Job{ID: "y", Pipeline: "other", State: map[string]any{"day": "2024-01-02", "on": "no", "n": int64(16)}},
		},
		{
			"YAML with anchors",
			"pipeline: {tasks: [&a {module: Debug}, *a]}\nstate: {<<: {x: 1, y: 2}, x: 3}\n",
			job.Job{
				Inline: []byte(`{"tasks":[{"module":"Debug"},{"module":"Debug"}]}`),
				State:  map[string]any{"x": int64(3), "y": int64(2)},
			},
		},
		{"YAML on one line", `pipeline: other`, job.Job{Pipeline: "other"}},
		{"YAML in braces", `{pipeline: other}`, job.Job{Pipeline: "other"}},
		{
			"a bare pipeline as JSON",
			`{"name": "Hello", "tasks": [{"module": "Debug"}]}`,
			job.Job{Name: "Hello", Inline: []byte(`{"name": "Hello", "tasks": [{"module": "Debug"}]}`)},
		},
		{"a bare pipeline as YAML", "# hi\ntasks:\n- module: Debug\n", job.Job{Inline: []byte("# hi\ntasks:\n- module: Debug\n")}},
		{
			"a bare pipeline with blocks",
			"tasks:\n{% for x in xs %}\n- module: Debug\n{% endfor %}\n",
			job.Job{Inline: []byte("tasks:\n{% for x in xs %}\n- module: Debug\n{% endfor %}\n")},
		},
		{"a line", "hello_world name=Modelops\n", job.Job{Pipeline: "hello_world", State: map[string]any{"name": "Modelops"}}},
		{"a line of a name alone", "hello_world", job.Job{Pipeline: "hello_world"}},
		{
			"a line with quotes",
			`hello_world  name="Ada Lovelace" n=42 xs='[1, 2]' who='a b'`,
			job.Job{Pipeline: "hello_world", State: map[string]any{
				"name": "Ada Lovelace", "n": int64(42), "xs": []any{int64(1), int64(2)}, "who": "a b",
			}},
		},
		{
			"an entry and a version", `{"pipeline": "p", "entry": "preview", "version": "` + digest + `"}`,
			job.Job{Pipeline: "p", Entry: "preview", Version: digest},
		},
		{"a version behind the name", `{"pipeline": "p@` + strings.ToUpper(digest[:7]) + digest[7:] + `", "version": "` + digest + `"}`, job.Job{Pipeline: "p", Version: digest}},
		{"a line with a version", "p@" + digest + " n=1", job.Job{Pipeline: "p", Version: digest, State: map[string]any{"n": int64(1)}}},
		{"a bare pipeline of entries", "entries: {a: {tasks: []}}", job.Job{Inline: []byte("entries: {a: {tasks: []}}")}},
		{"a byte order mark", "\ufeff{\"pipeline\": \"p\"}", job.Job{Pipeline: "p"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			enqueued := time.Unix(7, 0)
			j, err := job.One(queue.Message{ID: "m-1", Body: []byte(tt.body), Enqueued: enqueued})
			require.NoError(t, err)
			if tt.want.ID == "" {
				tt.want.ID = "m-1"
			}
			tt.want.Enqueued = enqueued
			j.StateOrder = nil // TestTheStateKeepsItsOrder has it
			require.Equal(t, tt.want, *j)
		})
	}
}

func TestDecodeReadsAttributesWhenTheBodyIsAnEmptyMap(t *testing.T) {
	attributes := map[string]string{"pipeline": "p", "state.name": "Ada", "state.n": "42", "content-type": "application/json"}
	j, err := job.One(queue.Message{ID: "m", Body: []byte(" {} "), Attributes: attributes})
	require.NoError(t, err)
	require.Equal(t, &job.Job{ID: "m", Pipeline: "p", State: map[string]any{"name": "Ada", "n": int64(42)}}, j)

	attributes = map[string]string{"pipeline": "p", "version": digest, "entry": "preview"}
	j, err = job.One(queue.Message{ID: "m", Body: []byte("{}"), Attributes: attributes})
	require.NoError(t, err)
	require.Equal(t, &job.Job{ID: "m", Pipeline: "p", Version: digest, Entry: "preview"}, j)

	_, err = job.One(queue.Message{ID: "m", Body: []byte("{}")})
	require.ErrorContains(t, err, "the message is no job")
}

// deep is a list in a list in a list.
func deep(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

// What is malformed, of a wrong type, no text, or too deep.
func TestF31DecodeRefusesBadInputInOneSentence(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for _, c := range "bcdefghi" {
		last := string(c - 1)
		bomb += string(c) + ": &" + string(c) + " [*" + strings.Repeat(last+",*", 8) + last + "]\n"
	}
	for _, tt := range []struct {
		name string
		body string
		want string
	}{
		{"nothing", "", "the message is empty"},
		{"white space", " \n\t", "the message is empty"},
		{"NUL", "{\"pipeline\": \"a\x00\"}", "NUL at byte 15"},
		{"NUL as an escape", `{"pipeline": "p", "state": {"a": "\u0000"}}`, "the message's state.a holds a NUL"},
		{"invalid UTF-8", "{\"pipeline\": \"\xff\"}", "not UTF-8"},
		{"broken JSON", "{\"pipeline\": \"p\",\n \"state\": {\"a\": }}", "message:2:17: this is not JSON: invalid character '}'"},
		{"JSON cut short", `{"pipeline": "p"`, "unexpected end of JSON input"},
		{"more after the JSON", `{"pipeline": "p"} {}`, "this is not JSON"},
		{"broken YAML", "pipeline: p\n  state: {\n", "this is not YAML"},
		{"two YAML documents", "pipeline: p\n---\npipeline: q\n", "a second document starts here"},
		{"deep JSON", `{"pipeline": "p", "state": {"a": ` + deep(10_000) + `}}`, "nested more than 10,000 deep"},
		{"JSON nested too deep", `{"pipeline": "p", "state": {"a": ` + deep(100) + `}}`, "nested more than 100 deep"},
		{"deeper JSON", deep(200_000), "JSON"},
		{"deep YAML", "pipeline: p\nstate: " + deep(9_000), "nested more than 100 deep"},
		{"deeper YAML", "pipeline: p\nstate: " + deep(200_000), "exceeded max depth"},
		{"deep YAML blocks", "pipeline: p\nstate:\n " + strings.Repeat("- ", 5_000) + "x", "nested more than 100 deep"},
		{"an alias bomb", bomb + "pipeline: p\n", "aliases stand for more than 20000 values"},
		{"an alias of itself", "pipeline: p\nstate: &a {a: *a}\n", "deep"},
		{"a JSON key twice", `{"pipeline": "p", "state": {"a": 1, "a": 2}}`, `key "a" is already set on line 1`},
		{"a YAML key twice", "pipeline: p\npipeline: q\n", `message:2:1: key "pipeline" is already set on line 1`},
		{"more values than a megabyte holds", `{"pipeline": "p", "state": {"a": [0` + strings.Repeat(",0", 1<<19) + `]}}`, "has more than 524288 values; put data into files"},
		{"a line longer than a megabyte", "p a=" + strings.Repeat("x", 1<<20), "larger than 1024 KiB; put data into files"},
		{"more YAML than a megabyte", "pipeline: p\nstate: {a: " + strings.Repeat("x", 1<<20) + "}", "larger than 1024 KiB; put data into files"},
		{"a large number", `{"pipeline": "p", "state": {"a": 1e999}}`, "the number 1e999 is too large"},
		{"a YAML infinity", "pipeline: p\nstate: {a: .inf}\n", "is not a number that can be stored"},
		{"a YAML key that is a map", "pipeline: p\nstate: {{a: 1}: 2}\n", "a key must be text"},
		{"a YAML tag of two lines", "!%0Ax", "the tag ! x is not known here"},
		{"a YAML tag", "pipeline: p\nstate: {a: !secret x}\n", "the tag !secret is not known here"},

		{"a slip in a key", `{"pipeline": "p", "max_attemps": 3}`, `"max_attemps" is unknown (did you mean "max_attempts"?)`},
		{"an unknown key", `{"pipeline": "p", "frobnicate": 3}`, `"frobnicate" is unknown: put it under "state"`},
		{"a key of later", `{"pipeline": "p", "keep_workspace": true}`, `"keep_workspace" is not taken by this version yet`},
		{"labels as a number", `{"pipeline": "p", "requires": 2}`, `"requires" must be a map of labels or a list of texts like "label=value", not a number`},
		{"a label that is a list", `{"pipeline": "p", "requires": {"gpu": []}}`, `"requires.gpu" must be text, a number, or true or false, not a list`},
		{"a label without a value", `{"pipeline": "p", "requires": ["gpu"]}`, `"requires" must be a map of labels or a list of texts like "label=value"`},
		{"a label that is empty", `{"pipeline": "p", "requires": {"gpu": ""}}`, `"requires.gpu" is empty: write "*" for any value`},
		{"a label of odd letters", `{"pipeline": "p", "requires": {"a b": "c"}}`, `"a b" is no name of a label`},
		{"a label twice", `{"pipeline": "p", "requires": ["gpu=1", "GPU=2"]}`, `the label "gpu" is required twice, with different values`},
		{"two classes", `{"pipeline": "p", "class": "gpu", "requires": {"class": "cpu"}}`, `the label "class" is required twice, with different values`},
		{"a kind and another class", `{"pipeline": "p", "requires": {"class": "cpu", "kind": "gpu"}}`, `the label "class" is required twice, with different values`},
		{"many labels", `{"pipeline": "p", "requires": [` + strings.Repeat(`"l=1",`, 32) + `"l=1"]}`, `"requires" has more than 32 labels`},
		{"a class that is a number", `{"pipeline": "p", "class": 1}`, `"class" must be text, not a number`},
		{"a priority beyond", `{"pipeline": "p", "priority": 10}`, `"priority" must be a whole number from 0 to 9`},
		{"a priority in words", `{"pipeline": "p", "priority": "high"}`, `"priority" must be a whole number from 0 to 9`},
		{"half a version", `{"pipeline": "p", "version": "sha256:12"}`, `"version" must be a pipeline's digest: sha256: and 64 hexadecimal digits`},
		{"a version of words", `p@latest`, `"version" must be a pipeline's digest`},
		{
			"two versions", `{"pipeline": "p@` + digest + `", "version": "sha256:` + strings.Repeat("0", 64) + `"}`,
			`"version" and the digest behind "pipeline" say different things: keep one`,
		},
		{"an entry that is a list", `{"pipeline": "p", "entry": []}`, `"entry" must be text, not a list`},
		{"no pipeline", `{"pipeline": ""}`, `"pipeline" is empty`},
		{"a number for a pipeline", `{"pipeline": 7}`, `"pipeline" must be a name, a pipeline, or a pipeline as YAML text, not a number`},
		{"a path for a pipeline", `{"pipeline": "../x"}`, `"../x" is no name of a pipeline`},
		{"a control character for a pipeline", `{"pipeline": "a\u007f"}`, "is no name of a pipeline"},
		{"a file for a pipeline", `{"pipeline": "file:///etc/passwd"}`, `is no name of a pipeline`},
		{"state as a list", `{"pipeline": "p", "state": []}`, `"state" must be a map, not a list`},
		{"arguments as text", `{"pipeline": "p", "args": "a=1"}`, `"args" must be a list of texts like "key=value", not text`},
		{"an argument without a key", `{"pipeline": "p", "args": ["=1"]}`, `has no key`},
		{"a number as id", `{"pipeline": "p", "id": 7}`, `"id" must be text, not a number`},
		{"no attempts", `{"pipeline": "p", "max_attempts": 0}`, `"max_attempts" must be a whole number from 1 to 20`},
		{"too many attempts", `{"pipeline": "p", "maxAttempts": 21}`, `"maxAttempts" must be a whole number from 1 to 20`},
		{"attempts as text", `{"pipeline": "p", "max_attempts": "3"}`, `"max_attempts" must be a whole number from 1 to 20`},
		{"attempts in two ways", `{"pipeline": "p", "max_attempts": 3, "maxAttempts": 4}`, "say different things"},
		{"a deadline without a unit", `{"pipeline": "p", "deadline": 20}`, `"deadline" must be a positive duration as text, like "20m"`},
		{"outputs that are kept for a number", `{"pipeline": "p", "keep_outputs": 3600}`, `"keep_outputs" must be a duration as text, like "36h"`},
		{"outputs that are kept for less than nothing", `{"pipeline": "p", "keep_outputs": "-1s"}`, `"keep_outputs" must be`},
		{"outputs that are kept for ever", `{"pipeline": "p", "keep_outputs": "8761h"}`, `"keep_outputs" must be a duration as text, like "36h", and at most 8760h0m0s`},
		{"a deadline of nothing", `{"pipeline": "p", "deadline": "0s"}`, `"deadline" must be a positive duration`},
		{"debug as text", `{"pipeline": "p", "debug": "yes"}`, `"debug" must be true or false, not text`},
		{"a foreign version", `{"apiVersion": "v9", "pipeline": "p"}`, `"apiVersion" must be v1`},
		{"a foreign kind", `{"kind": "Pod", "pipeline": "p"}`, `"kind" must be Job`},
		{"callbacks as a list", `{"pipeline": "p", "callbacks": []}`, `"callbacks" must be a map of events to lists, not a list`},
		{"a callback event as a map", `{"pipeline": "p", "callbacks": {"onEnd": {}}}`, `"callbacks.onEnd" must be a list, not a map`},
		{"a callback to nowhere", `{"pipeline": "p", "callback": {"url": "ftp://h/x"}}`, `"callback.url" must be an http or https address`},
		{"a callback with more", `{"pipeline": "p", "callback": {"url": "https://h", "method": "PUT"}}`, `"callback.method" is unknown`},
		{"a comma without quotes", "hello_world greeting=hello,world", `state argument 1, part 2 has no "="`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j, err := job.One(queue.Message{ID: "m", Body: []byte(tt.body)})
			require.ErrorContains(t, err, tt.want)
			require.Nil(t, j)
			require.Equal(t, fault.Permanent, fault.Of(err))
			require.NotContains(t, err.Error(), "\n")
			require.Less(t, len(err.Error()), 400)
		})
	}
}

func TestErrorsDoNotRepeatValues(t *testing.T) {
	for _, body := range []string{
		`{"pipeline": "p", "state": {"password": "hunter2\u0000"}}`,
		`{"pipeline": "p", "state": {"list": [{"password": "hunter2\u0000"}]}}`,
		`{"pipeline": "p", "args": ["password hunter2"]}`,
		`{"pipeline": "p", "args": ["a=1", "a=b, password hunter2"]}`,
		`{"pipeline": "p", "args": ["=hunter2"]}`,
		"hello_world a=b,hunter2",
	} {
		_, err := job.One(queue.Message{ID: "m", Body: []byte(body)})
		require.Error(t, err, body)
		require.NotContains(t, err.Error(), "hunter2", body)
	}
}

func TestDecodeNamesWhatItDoesNotTake(t *testing.T) {
	for _, tt := range []struct {
		name string
		body string
		want job.Unrecognised
		text string
	}{
		{
			"agenda", `{"cid":"c-1","operations":[{"id":"1"}]}`,
			job.Unrecognised{What: "an agenda", Keys: []string{"cid", "operations"}},
			"",
		},
		{"rerun", `{"agendaId":"a","params":[]}`, job.Unrecognised{What: "an agenda", Keys: []string{"agendaId", "params"}}, ""},
		{
			"EphemeralAccelerationJob", "apiVersion: gpu.example/v1\nkind: EphemeralAccelerationJob\n",
			job.Unrecognised{What: "an EphemeralAccelerationJob", Keys: []string{"apiVersion", "kind"}},
			"",
		},
		{
			"AppDef", `{"appdef":{"commands":{}},"command":"Hello"}`,
			job.Unrecognised{What: "an AppDef", Keys: []string{"appdef", "command"}},
			"",
		},
		{
			"a pointer", `["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"b","s3Key":"k"}]`,
			job.Unrecognised{What: "a pointer to a body in S3", Packed: true},
			"the message is a pointer to a body in S3, which only a worker unpacks",
		},
		{
			"a stranger", `{"foo": 1, "bar": 2}`,
			job.Unrecognised{Keys: []string{"bar", "foo"}},
			`the message is no job: it has "bar", "foo", but neither "pipeline" nor "tasks"`,
		},
		{"prose", "please optimise the chair", job.Unrecognised{}, `send {"pipeline": "name"}`},
		{"a list", `[1, 2]`, job.Unrecognised{}, "is no job"},
		{"an empty list", `[]`, job.Unrecognised{}, "is no job"},
		{"a number", `42`, job.Unrecognised{}, "is no job"},
		{"a JSON text", `"hello"`, job.Unrecognised{}, "is no job"},
		{"null", `null`, job.Unrecognised{}, "is no job"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := job.One(queue.Message{ID: "m", Body: []byte(tt.body)})
			require.Equal(t, fault.Permanent, fault.Of(err))
			got, ok := errors.AsType[*job.Unrecognised](err)
			require.True(t, ok, "%v", err)
			if len(got.Keys) == 0 {
				got.Keys = nil
			}
			require.Equal(t, tt.want, *got)
			require.ErrorContains(t, err, tt.text)
		})
	}
}

func TestDecodeNamesAPackedMessageByItsAttributes(t *testing.T) {
	for _, attribute := range []string{"content-encoding", "ExtendedPayloadSize", "SQSLargePayloadSize"} {
		_, err := job.One(queue.Message{ID: "m", Body: []byte("H4sIAAAA"), Attributes: map[string]string{attribute: "gzip"}})
		_, ok := errors.AsType[*job.Unrecognised](err)
		require.True(t, ok, "%v", err)
		require.ErrorContains(t, err, attribute)
	}
}

func TestAJobsIDIsSafeInPathsAndKeys(t *testing.T) {
	for _, tt := range []struct {
		name, id string
		kept     bool
	}{
		{"a safe one is kept", "b7d2-x_y.z", true},
		{"the longest safe one is kept", strings.Repeat("a", 128), true},
		{"one of 129 bytes is hashed", strings.Repeat("a", 129), false},
		{"a path is hashed", "../../etc", false},
		{"a dot in front is hashed", ".x", false},
		{"letters beyond ASCII are hashed", "größe", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body, err := json.Marshal(map[string]any{"pipeline": "p", "id": tt.id})
			require.NoError(t, err)
			j, err := job.One(queue.Message{ID: "m", Body: body})
			require.NoError(t, err)
			require.Equal(t, job.SafeID(tt.id), j.ID)
			if tt.kept {
				require.Equal(t, tt.id, j.ID)
				return
			}
			require.Regexp(t, `^h-[0-9a-f]{32}$`, j.ID)
		})
	}
	j, err := job.One(queue.Message{ID: "arn:aws:odd id", Body: []byte(`{"pipeline": "p"}`)})
	require.NoError(t, err)
	require.Equal(t, job.SafeID("arn:aws:odd id"), j.ID)
}

func TestAJobComesBackFromJSONUnchanged(t *testing.T) {
	j, err := job.One(queue.Message{ID: "m", Enqueued: time.Unix(1, 2).UTC(), Body: []byte(`{"pipeline": "p", "deadline": "20m",
		"state": {"big": 9007199254740993, "f": 1.5, "whole": 2.0, "list": [1, {"n": -3}], "t": "x", "none": null},
		"callbacks": {"onEnd": [{"module": "Http", "props": {"timeout": 5}}]}, "callback": {"url": "https://h/"}}`)})
	require.NoError(t, err)
	require.Equal(t, int64(9007199254740993), j.State["big"])
	b, err := json.Marshal(j)
	require.NoError(t, err)
	var got job.Job
	require.NoError(t, json.Unmarshal(b, &got))
	require.Equal(t, int64(2), got.State["whole"], "a whole float is written without its point")
	got.State["whole"] = 2.0
	require.Equal(t, *j, got)
}
