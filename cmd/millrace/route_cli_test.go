package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	main "github.com/millrace/millrace/cmd/millrace"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
)

// twoRecords are a chair whose key is encoded, and a folder.
const twoRecords = `{"Records":[
{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-west-1","eventTime":"2025-03-04T10:11:12.000Z","eventName":"ObjectCreated:Put",
"s3":{"s3SchemaVersion":"1.0","configurationId":"uploads","bucket":{"name":"models","arn":"arn:aws:s3:::models"},
"object":{"key":"in/red+chair%281%29%2B.STL","size":1048576,"eTag":"d41d8cd98f00b204e9800998ecf8427e","sequencer":"0055AED6DCD90281E5"}}},
{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-west-1","eventTime":"2025-03-04T10:11:12.000Z","eventName":"ObjectCreated:Put",
"s3":{"s3SchemaVersion":"1.0","configurationId":"uploads","bucket":{"name":"models","arn":"arn:aws:s3:::models"},
"object":{"key":"in/folder/","size":0,"eTag":"d41d8cd98f00b204e9800998ecf8427e","sequencer":"0055AED6DCD90281E6"}}}]}`

const cosWrite = `{"bucket":"models","endpoint":"","key":"in/chair.obj","operation":"Object:Write","notification":{"bucket_name":"models",
"content_type":"application/octet-stream","event_type":"Object:Write","format":"2.0","object_etag":"f3a9dbde30fdf48abc23e5f8b485d6e5",
"object_length":"1064391","object_name":"in/chair.obj","request_id":"67a2048a","request_time":"2025-03-04T10:11:12.917Z"}}`

func TestRouteTestSaysWhichRouteTakesAnEventAndWhyTheOthersDoNot(t *testing.T) {
	p := newPlace(t)
	for _, b := range examples(t, "docs/routes.md", "yaml") {
		if name, ok := b.fileName(); ok {
			p.write(name, b.text)
		}
	}
	p.write("event.json", twoRecords)
	r := p.millrace("route", "test", "event.json", "--routes", "routes.yaml")
	require.Equal(t, 1, r.code, "a folder is taken by no route")
	require.Contains(t, r.stdout, "ObjectCreated:Put of models/in/red chair(1)+.STL (created)\n  * cad: the bucket is \"models\", the key begins with \"in/\"")
	require.Contains(t, r.stdout, "  - tenants: the bucket is \"models\", and the route takes \"uploads-*\"\n")
	require.Contains(t, r.stdout, "    inputFilename = red chair(1)+.STL\n")
	require.Contains(t, r.stdout, "    requires class=heavy\n")
	require.Contains(t, r.stdout, "it is a folder's, and holds no file\n  no job\n")

	var views []struct {
		Routes []struct {
			Name  string
			Fires bool
		}
		Job json.RawMessage
	}
	require.NoError(t, json.Unmarshal([]byte(p.millraceReading(cosWrite, "route", "test", "-", "--routes", "routes.yaml", "--json").stdout), &views))
	require.Len(t, views, 1)
	require.True(t, views[0].Routes[0].Fires)
	require.Equal(t, "cad", views[0].Routes[0].Name)
	j, err := job.One(queue.Message{ID: "1", Body: views[0].Job})
	require.NoError(t, err, "what it shows can be sent")
	require.Equal(t, "stl_cad_to_glb", j.Pipeline)

	r = p.millraceReading(`{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2024-07-24T16:56:57.011Z","Bucket":"models"}`, "route", "test", "-", "--routes", "routes.yaml")
	require.Equal(t, 0, r.code, r.stderr)
	require.Contains(t, r.stdout, "test event")
	r = p.millraceReading("hello_world", "route", "test", "-", "--routes", "routes.yaml")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, "the message tells of no upload: it brings 1 job")
	r = p.millrace("route", "test", "event.json")
	require.Equal(t, 2, r.code)
	require.Contains(t, r.stderr, "say --routes FILE, or set MILLRACE_ROUTES")
}

func TestRouteTestReadsWhatQueuePeekPrints(t *testing.T) {
	p := newPlace(t)
	p.succeeds("jobs", "run", "hello_world")
	p.write("routes.yaml", "routes: [{name: in, prefix: in/, suffixes: [.a, .b], pipeline: hello_world}]\n")
	p.write("event.json", s3Event("models", "in/x.a", "in/y.b"))
	p.succeeds("queue", "send", "event.json")
	p.write("event.json", s3Event("models", "in/z.c"))
	p.succeeds("queue", "send", "event.json")
	r := p.millraceReading(p.succeeds("queue", "peek", "--json"), "route", "test", "-", "--routes", "routes.yaml")
	require.Equal(t, 1, r.code, r.stderr)
	require.Equal(t, 2, strings.Count(r.stdout, "  * in: "), r.stdout)
	require.Contains(t, r.stdout, "no route is asked for 1 job\n")
	require.Contains(t, r.stdout, "of models/in/z.c (created)\n  - in: the key does not end in \".a\" or \".b\"\n  no job\n")
	p.write("event.json", "{")
	id := strings.TrimSpace(p.succeeds("queue", "send", "event.json"))
	r = p.millraceReading(p.succeeds("queue", "peek", "--json"), "route", "test", "-", "--routes", "routes.yaml")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, "message "+id+": ")
}

func TestTheRoutesInTheDocsAreGood(t *testing.T) {
	p := newPlace(t)
	all := examples(t, "docs/routes.md", "yaml")
	require.Len(t, all, 3)
	for _, b := range all {
		r := p.millrace("route", "check", "--routes", p.write("routes.yaml", b.text))
		require.Equal(t, 0, r.code, "%s: %s%s", b, r.stdout, r.stderr)
		require.Contains(t, p.succeeds("route", "list", "--routes", "routes.yaml"), "\n"+b.firstRoute())
	}
	p.write("routes.yaml", "routes: [{name: a, prefix: in/, min_size: 2Ki, max_size: 0, pipeline: hello_world, output: {prefix: out/}}]")
	require.Contains(t, p.millrace("route", "list", "--routes", "routes.yaml", "--json").stderr, "min_size is more than max_size")
	p.write("routes.yaml", "routes: [{name: a, prefix: in/, min_size: 2Ki, max_size: 3Ki, pipeline: hello_world, output: {prefix: out/}}]")
	require.Contains(t, p.succeeds("route", "list", "--routes", "routes.yaml", "--json"), `"min_size": 2048`)
	require.Contains(t, p.succeeds("route", "list", "--routes", "routes.yaml", "--json"), `"max_size": 3072`)
	require.Contains(t, p.succeeds("route", "list", "--routes", "routes.yaml"), " out/optimized_{{ stem }}")
	r := p.millrace("route", "check", "--routes", p.write("routes.yaml", "routes:\n  - {name: a, prefix: in/, pipeline: helo_world}\n"))
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stdout, `routes.yaml:2:5: route "a": pipeline "helo_world" is not in the catalogue, did you mean "hello_world"?`)
	r = p.millrace("route", "check", "--routes", p.write("routes.yaml", "routes: [{name: a, pipelin: x}]\n"), "--json")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stdout, `has no key \"pipelin\", did you mean \"pipeline\"?`)
}

func TestRoutesThatChangeCountWithoutARestartAndWrongOnesDoNot(t *testing.T) {
	file := filepath.Join(t.TempDir(), "routes.yaml")
	write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
	write("routes: [{name: one, prefix: in/, pipeline: hello_world}]\n")
	synctest.Test(t, func(t *testing.T) {
		var lines bytes.Buffer
		rules, err := main.Routes(t.Context(), file, slog.New(slog.NewTextHandler(&lines, nil)))
		require.NoError(t, err)
		later := func() string { time.Sleep(6 * time.Second); return rules().List[0].Name }
		require.Equal(t, "one", later())
		write("routes: [{name: two, prefix: in/, pipeline: helo_world}]\n")
		require.Equal(t, "two", later())
		require.Equal(t, 1, strings.Count(lines.String(), `did you mean \"hello_world\"?`), lines.String())
		write("routes: [{name: three, prefix: in/, pipelin: hello_world}]\n")
		require.Equal(t, "two", later())
		require.Equal(t, "two", later())
		require.Equal(t, 1, strings.Count(lines.String(), `has no key \"pipelin\"`), lines.String())
		require.NoError(t, os.Remove(file))
		require.Equal(t, "two", later())
		write("routes: [{name: four, prefix: in/, pipeline: hello_world}]\n")
		require.Equal(t, "four", later())
	})
}

// firstRoute is the name of the first route of an example.
func (b example) firstRoute() string {
	_, rest, _ := strings.Cut(b.text, "name: ")
	return rest[:strings.IndexAny(rest, ",\n")]
}

// s3Event is what S3 tells of objects, with their keys as it writes them.
func s3Event(bucket string, keys ...string) string {
	var records []string
	for _, key := range keys {
		records = append(records, fmt.Sprintf(`{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-east-1","eventTime":"2025-03-04T10:11:12.000Z",
			"eventName":"ObjectCreated:Put","s3":{"s3SchemaVersion":"1.0","bucket":{"name":%q},"object":{"key":%q,"size":9,"eTag":"e","sequencer":"01"}}}`,
			bucket, url.QueryEscape(key)))
	}
	return `{"Records":[` + strings.Join(records, ",") + `]}`
}
