package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"path"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/dirblob"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

// A dock is a gateway on a folder, whose queue is a list.
type dock struct {
	*httptest.Server
	g     *Gateway
	t     *testing.T
	store blob.Store

	mu     sync.Mutex
	jobs   []*job.Job // guarded by mu, as is refuse
	refuse error      // of the queue
}

// newDock makes one. set may change what it is configured with, and who asks.
func newDock(t *testing.T, set func(c *Config)) *dock {
	t.Helper()
	store, err := dirblob.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { store.Close() })
	d := &dock{t: t, store: store}
	cfg := Config{
		Store: store, Records: record.New(store, time.Now), Log: slog.New(slog.DiscardHandler), Uploads: Uploads{Bucket: "b", Prefix: "p"},
		Send: func(_ context.Context, _ *job.Job, m queue.Draft) error {
			d.mu.Lock()
			defer d.mu.Unlock()
			if d.refuse != nil {
				return d.refuse
			}
			j, err := job.One(queue.Message{ID: "m", Body: m.Body})
			d.jobs = append(d.jobs, j)
			return err
		},
	}
	if set != nil {
		set(&cfg)
	}
	d.g, err = New(cfg)
	require.NoError(t, err)
	d.Server = httptest.NewServer(d.g)
	t.Cleanup(d.Close)
	return d
}

// keyed makes every request that of a key, which needs a bearer token.
func keyed(k Key) func(*Config) {
	k.Scopes = []Scope{Submit, Read}
	return func(c *Config) { c.Keys = keysOf(&k) }
}

// A reply is what the gateway answers.
type reply struct {
	Status int
	Detail string
	Jobs   []struct{ ID, Pipeline string }
	Files  []file

	ID, Method, URL, Complete string
	Headers                   map[string]string
}

func (d *dock) do(method, path string, header http.Header, body io.Reader) reply {
	d.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = d.URL + path
	}
	r, err := http.NewRequestWithContext(d.t.Context(), method, path, body)
	require.NoError(d.t, err)
	for name, values := range header {
		r.Header[name] = values
	}
	r.Header.Set("Authorization", "Bearer x")
	res, err := d.Client().Do(r)
	require.NoError(d.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(d.t, err)
	var out reply
	if len(b) > 0 {
		require.NoError(d.t, json.Unmarshal(b, &out), "%s", b)
	}
	out.Status = res.StatusCode
	return out
}

func (d *dock) post(path, body string) reply {
	d.t.Helper()
	return d.do(http.MethodPost, path, nil, strings.NewReader(body))
}

// A part is one of a form: a field, or with a file name a file.
type part struct{ name, filename, body string }

func (d *dock) form(path string, parts ...part) reply {
	d.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		disposition := `form-data; name="` + p.name + `"`
		if p.filename != "" {
			disposition += `; filename="` + p.filename + `"`
		}
		to, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {disposition}})
		require.NoError(d.t, err)
		_, err = io.WriteString(to, p.body)
		require.NoError(d.t, err)
	}
	require.NoError(d.t, w.Close())
	return d.do(http.MethodPost, path, http.Header{"Content-Type": {w.FormDataContentType()}}, &b)
}

func (d *dock) sent() []*job.Job {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.jobs
}

// uploads are the objects that lie there for jobs.
func (d *dock) uploads() (keys []string) {
	d.t.Helper()
	for in, err := range d.store.List(d.t.Context(), "", "") {
		require.NoError(d.t, err)
		if strings.HasPrefix(in.Key, job.Uploads) || strings.HasPrefix(in.Key, job.Files) {
			keys = append(keys, in.Key)
		}
	}
	return keys
}

// own is the folder of the only request with an ID that files lie of.
func (d *dock) own(id string) (folder string) {
	d.t.Helper()
	for _, key := range d.uploads() {
		if m := regexp.MustCompile(`^uploads/` + regexp.QuoteMeta(id) + `/[a-z2-7]{26}/inputs/`).FindString(key); m != "" {
			require.Contains(d.t, []string{"", m}, folder)
			folder = m
		}
	}
	require.NotEmpty(d.t, folder, d.uploads())
	return folder
}

func hexSum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func TestAFileThatIsTheBodyBecomesAJob(t *testing.T) {
	t.Parallel()
	d := newDock(t, nil)
	got := d.post("/v1/uploads?name=R%C3%A4der+1.stl&pipeline=hello&state.n=42&state.who=Ada&id=j1&callback=https://example.com/x", "solid")
	require.Equal(t, http.StatusAccepted, got.Status, got.Detail)
	require.Equal(t, []file{{Name: "Räder 1.stl", Size: 5, SHA256: hexSum("solid")}}, got.Files)
	require.Equal(t, "j1", got.Jobs[0].ID)
	j := d.sent()[0]
	require.Equal(t, "j1", j.ID)
	require.Equal(t, "hello", j.Pipeline)
	require.Equal(t, "https://example.com/x", j.Callback.URL)
	require.Equal(t, []job.Input{{Key: d.own("j1") + "Räder 1.stl", Name: "Räder 1.stl"}}, j.Inputs)
	require.Equal(t, map[string]any{
		"n": int64(42), "who": "Ada", "stagingBucket": "b", "stagingInputPrefix": "p/" + path.Dir(j.Inputs[0].Key), "stagingOutputPrefix": "p/uploads/j1/outputs",
		"inputFilename": "Räder 1.stl", "outputStem": "optimized_Räder 1",
	}, j.State)
	b, err := blob.ReadAll(t.Context(), d.store, j.Inputs[0].Key, 100)
	require.NoError(t, err)
	require.Equal(t, "solid", string(b))

	again := d.post("/v1/uploads?name=R%C3%A4der+1.stl&pipeline=hello&id=j1", "solid")
	require.Equal(t, http.StatusAccepted, again.Status, "a sender that has no answer sends it again")
}

func TestAFormHasFieldsAndFilesInAnyOrder(t *testing.T) {
	t.Parallel()
	d := newDock(t, nil)
	got := d.form(
		"/v1/uploads", part{"file", "a.stl", "aa"}, part{"pipeline", "", "hello"}, part{"file", `C:\models\b.mtl`, "b"},
		part{"state", "", `{"b": 1, "a": {"z": 1, "y": 2}}`}, part{"state.n", "", "7"},
	)
	require.Equal(t, http.StatusAccepted, got.Status, got.Detail)
	j := d.sent()[0]
	require.Equal(t, j.ID, got.Jobs[0].ID)
	require.Equal(t, []job.Input{
		{Key: "uploads/" + j.ID + "/inputs/a.stl", Name: "a.stl"}, {Key: "uploads/" + j.ID + "/inputs/b.mtl", Name: "b.mtl"},
	}, j.Inputs)
	require.Equal(t, []string{"b", "a", "n", "stagingBucket", "stagingInputPrefix", "stagingOutputPrefix", "inputFilename", "outputStem"}, j.StateOrder.Of(j.State))
	require.Equal(t, "a.stl", j.State["inputFilename"])

	zip := d.form("/v1/uploads", part{"unpack", "", "true"}, part{"pipeline", "", "hello"}, part{"f", "w.zip", "PK"})
	require.Equal(t, http.StatusAccepted, zip.Status, zip.Detail)
	require.Equal(t, []job.Input{{Key: "uploads/" + zip.Jobs[0].ID + "/inputs/w.zip", Name: ".", Unpack: true}}, d.sent()[1].Inputs)
}

func TestAWholeMessageMayComeWithAFile(t *testing.T) {
	t.Parallel()
	d := newDock(t, nil)
	got := d.form(
		"/v1/uploads", part{"id", "", "j"}, part{"message", "", `{"pipeline": "hello", "name": "n", "priority": 3, "state": {"big": 9007199254740993}}`},
		part{"unpack", "", "true"}, part{"file", "with.zip", "PK"},
	)
	require.Equal(t, http.StatusAccepted, got.Status, got.Detail)
	j := d.sent()[0]
	require.Equal(t, "n", j.Name)
	require.Equal(t, 3, j.Priority)
	require.Equal(t, int64(9007199254740993), j.State["big"])
	require.Equal(t, []job.Input{{Key: d.own("j") + "with.zip", Name: ".", Unpack: true}}, j.Inputs)
	require.Equal(t, 400, d.form("/v1/uploads", part{"message", "", "["}, part{"f", "a", "x"}).Status)
}

// What holds a job brings an ID and inputs of its own, which are those of another customer here.
func TestAMessageWithAFileIsAJobAndNothingThatHoldsOne(t *testing.T) {
	t.Parallel()
	const other = `{"id": "evil.x", "pipeline": "hello", "customerId": "evil", "inputs": [{"key": "uploads/evil.x/inputs/s", "name": "s"}]}`
	quoted, err := json.Marshal(other)
	require.NoError(t, err)
	for _, key := range []Key{{Customer: "acme"}, {}} {
		d := newDock(t, keyed(key))
		for _, message := range []string{
			`{"specversion": "1.0", "source": "/x", "type": "com.example.job", "data": ` + other + `}`,
			`{"specversion": "1.0", "source": "/x", "type": "com.example.job", "data": {"pipeline": "hello"}}`,
			`{"Type": "Notification", "TopicArn": "arn:aws:sns:us-east-1:1:t", "MessageId": "x", "Message": ` + string(quoted) + `}`,
		} {
			got := d.form("/v1/uploads", part{"message", "", message}, part{"file", "a.stl", "x"})
			require.Equal(t, http.StatusBadRequest, got.Status, message)
			require.Contains(t, got.Detail, "no job by itself")
			asked, err := json.Marshal(map[string]any{"name": "a.stl", "size": 1, "fields": map[string]any{"message": message}})
			require.NoError(t, err)
			got = d.post("/v1/uploads/presign", string(asked))
			require.Equal(t, http.StatusBadRequest, got.Status, message)
			require.Contains(t, got.Detail, "no job by itself")
		}
		require.Empty(t, d.sent())
		require.Empty(t, d.uploads())
	}
	require.Error(t, (&Key{Customer: "acme"}).checkJob(&job.Job{ID: "evil.x"}), "however it came to be")
}

func TestFilesAreKeptByTheirPathForWhoSentThem(t *testing.T) {
	t.Parallel()
	d := newDock(t, func(c *Config) {
		keyed(Key{Customer: "acme"})(c)
	})
	put := func(path string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, d.URL+"/v1/files/"+path, strings.NewReader("hello"))
		require.NoError(t, err)
		res, err := d.Client().Do(r)
		require.NoError(t, err)
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(b)
	}
	status, body := put("models/%C3%A4%20b.stl")
	require.Equal(t, http.StatusCreated, status)
	require.JSONEq(t, `{"key": "files/acme/models/ä b.stl", "size": 5, "sha256": "`+hexSum("hello")+`"}`, body)
	require.Equal(t, []string{"files/acme/models/ä b.stl"}, d.uploads())
	for path, want := range map[string]int{
		"..%2Fother%2Fx": 404, "a%2F..%2F..%2Fx": 404, "%00": 404, ".inputs/x": 400, strings.Repeat("x", 201): 400, "a%5Cb": 400, "%ff": 400,
		"models": 409, "models/%C3%A4%20b.stl/x": 409,
	} {
		status, body := put(path)
		require.Equal(t, want, status, "%s: %s", path, body)
	}
	require.Equal(t, []string{"files/acme/models/ä b.stl"}, d.uploads())
	for _, path := range []string{"models/%C3%A4%20b.stl", "acme/models/%C3%A4%20b.stl"} { // its key's, too
		res, err := d.Client().Get(d.URL + "/v1/files/" + path)
		require.NoError(t, err)
		b, err := io.ReadAll(res.Body)
		require.NoError(t, errors.Join(err, res.Body.Close()))
		require.Equal(t, "hello", string(b), path)
	}
	require.Equal(t, http.StatusNotFound, d.do(http.MethodGet, "/v1/files/other/models/%C3%A4%20b.stl", nil, nil).Status)
	require.Equal(t, http.StatusNotFound, d.do(http.MethodGet, "/v1/files/models/none", nil, nil).Status)
	require.Equal(t, http.StatusNoContent, d.do(http.MethodDelete, "/v1/files/models/%C3%A4%20b.stl", nil, nil).Status)
	require.Empty(t, d.uploads())
}

func TestWhatIsWrongWithAnUploadIsSaidAndNothingIsLeft(t *testing.T) {
	t.Parallel()
	d := newDock(t, func(c *Config) {
		keyed(Key{Customer: "acme", Types: []string{".stl", "image/*"}})(c)
		c.Uploads.Most = 10
	})
	digest := func(text string) http.Header {
		sum := sha256.Sum256([]byte(text))
		return http.Header{"Content-Digest": {"sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"}}
	}
	const raw = "/v1/uploads?pipeline=hello&name="
	for _, tt := range []struct {
		name   string
		got    reply
		status int
		detail string
	}{
		{"no name", d.post("/v1/uploads?pipeline=hello", "x"), 400, "has no name"},
		{"a name of dots", d.post(raw+"..", "x"), 400, "can't be a file's name"},
		{"a long name", d.post(raw+strings.Repeat("x", 201)+".stl", "x"), 400, "at most 200 bytes"},
		{"an unknown field", d.post(raw+"a.stl&pipe=x", "x"), 400, "no field of an upload"},
		{"a bad ID", d.post(raw+"a.stl&id=../x", "x"), 400, "can't stand in paths"},
		{"a bad pipeline", d.post("/v1/uploads?name=a.stl&pipeline=../x", "x"), 400, ""},
		{"a bad state", d.form("/v1/uploads", part{"pipeline", "", "p"}, part{"state", "", "{"}, part{"f", "a.stl", "x"}), 400, "is no JSON"},
		{"a reserved name", d.post(raw+"a.stl&state.stagingBucket=mine", "x"), 400, "is set by the gateway"},
		{"a type", d.post(raw+"a.exe", "x"), 415, "only .stl, image/*"},
		{"too large, announced", d.post(raw+"a.stl", strings.Repeat("x", 11)), 413, "more than the 10 bytes"},
		{"too large, not announced", d.do("POST", raw+"a.stl", nil, iotest.OneByteReader(strings.NewReader(strings.Repeat("x", 11)))), 413, "more than the 10 bytes"},
		{"another digest", d.do("POST", raw+"a.stl", digest("other"), strings.NewReader("x")), 400, "not the one whose SHA-256"},
		{"no digest", d.do("POST", raw+"a.stl", http.Header{"Content-Digest": {"sha-256=:zz:"}}, strings.NewReader("x")), 400, "can't be read"},
		{"a part", d.do("PUT", "/v1/uploads/a.stl?pipeline=hello", http.Header{"Content-Range": {"bytes 0-0/2"}}, strings.NewReader("x")), 400, "send the whole"},
		{"a part to keep", d.do("PUT", "/v1/files/a.stl", http.Header{"Content-Range": {"bytes 0-0/2"}}, strings.NewReader("x")), 400, "send the whole"},
		{"compressed", d.do("POST", raw+"a.stl", http.Header{"Content-Encoding": {"gzip"}}, strings.NewReader("x")), 415, "send it as it is"},
		{"a long field's name", d.form("/v1/uploads", part{"state." + strings.Repeat("x", 260), "", "p"}), 400, "longer than 256 bytes"},
		{"a long head", d.form("/v1/uploads", part{"f", strings.Repeat("x", 32<<10) + ".stl", "x"}), 413, "has a head"},
		{"no file", d.form("/v1/uploads", part{"pipeline", "", "p"}), 400, "has no file"},
		{"an ID behind a file", d.form("/v1/uploads", part{"f", "a.stl", "x"}, part{"id", "", "j"}), 400, "put it first"},
		{"one name twice", d.form("/v1/uploads", part{"f", "Ä.stl", "x"}, part{"f", "ä.stl", "x"}), 409, "rename one"},
		{"two to unpack", d.form("/v1/uploads", part{"f", "a.stl", "x"}, part{"f", "b.stl", "x"}, part{"unpack", "", "1"}, part{"pipeline", "", "p"}), 400, "one archive"},
		{"neither pipeline nor table", d.post("/v1/uploads?name=a.stl", "x"), 422, "no routing table"},
	} {
		require.Equal(t, tt.status, tt.got.Status, "%s: %s", tt.name, tt.got.Detail)
		require.Contains(t, tt.got.Detail, tt.detail, tt.name)
	}
	require.Empty(t, d.uploads())
	require.Empty(t, d.sent())

	got := d.do("POST", raw+"a.stl&id=7", digest("x"), strings.NewReader("x"))
	require.Equal(t, http.StatusAccepted, got.Status, got.Detail)
	require.Equal(t, "acme.7", d.sent()[0].ID)
	require.Equal(t, "acme", d.sent()[0].Customer)
	require.NoError(t, d.sent()[0].CheckInputs())
	picture := d.do("POST", raw+"a.png", http.Header{"Content-Type": {"image/png"}}, strings.NewReader("x"))
	require.Equal(t, http.StatusAccepted, picture.Status, picture.Detail)
}

func TestTheRoutingTableFindsThePipelineOfAFile(t *testing.T) {
	t.Parallel()
	d := newDock(t, func(c *Config) {
		c.Route = func(u job.Upload) (*job.Job, string) {
			if !strings.HasSuffix(u.Key, ".stl") || u.Source != "gateway" || u.Kind != job.Created || !strings.HasPrefix(u.Key, "p/uploads/") || u.Size < 0 {
				return nil, "no route wants " + u.Key
			}
			return &job.Job{ID: "route", Pipeline: "hello", Customer: "route", State: map[string]any{"key": u.Key, "id": u.ID}}, ""
		}
	})
	none := d.post("/v1/uploads?name=a.exe", "x")
	require.Equal(t, http.StatusUnprocessableEntity, none.Status)
	require.Contains(t, none.Detail, "no route wants p/uploads/")
	require.Empty(t, d.uploads(), "it was refused before it was read")

	got := d.do(http.MethodPut, "/v1/uploads/gear.stl", nil, strings.NewReader("x"))
	require.Equal(t, http.StatusAccepted, got.Status, got.Detail)
	j := d.sent()[0]
	require.Equal(t, got.Jobs[0].ID, j.ID)
	require.Equal(t, map[string]any{"key": "p/uploads/" + j.ID + "/inputs/gear.stl", "id": j.ID}, j.State)
	require.Empty(t, j.Customer, "the key's, and no route's")

	two := d.form("/v1/uploads?id=j", part{"f", "a.stl", "x"}, part{"f", "readme.txt", "x"}, part{"f", "b.stl", "x"})
	require.Equal(t, http.StatusAccepted, two.Status, two.Detail)
	require.Equal(t, "j-1", two.Jobs[0].ID)
	require.Equal(t, "j-3", two.Jobs[1].ID)
	for _, j := range d.sent() {
		require.Equal(t, j.ID, j.State["id"], "its templates see the ID that it has")
	}

	unsized := d.do(http.MethodPut, "/v1/uploads/gear.stl", nil, struct{ io.Reader }{strings.NewReader("x")})
	require.Equal(t, http.StatusAccepted, unsized.Status, unsized.Detail)
	require.Contains(t, two.Files[1].Why, "no route wants")
}

func TestAnUploadThatBreaksOffIsNeverSeen(t *testing.T) {
	t.Parallel()
	d := newDock(t, nil)
	broken := io.MultiReader(strings.NewReader(strings.Repeat("x", 1<<20)), iotest.ErrReader(errors.New("cut")))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.URL+"/v1/uploads?name=a.stl&pipeline=hello", broken)
	require.NoError(t, err)
	_, err = d.Client().Do(r)
	require.Error(t, err)
	d.Close() // waits for the request
	require.Empty(t, d.uploads())
	require.Empty(t, d.sent())
}

// full is a store whose disk is full.
type full struct{ blob.Store }

func (full) Put(_ context.Context, _ string, r io.Reader, _ blob.PutOptions) (blob.Info, error) {
	_, _ = io.CopyN(io.Discard, r, 1)
	return blob.Info{}, syscall.ENOSPC
}

func TestAFullDiskAndAQueueThatIsDownAreSaidAsSuch(t *testing.T) {
	t.Parallel()
	d := newDock(t, func(c *Config) { c.Store = full{c.Store} })
	got := d.post("/v1/uploads?name=a&pipeline=p", "xx")
	require.Equal(t, http.StatusInsufficientStorage, got.Status)

	d = newDock(t, func(c *Config) {
		c.Store = full{c.Store}
		c.Check = func(context.Context, *job.Job) error {
			return fault.As(fault.Permanent, errors.New("there is no such pipeline"))
		}
	})
	got = d.post("/v1/uploads?name=a&pipeline=p", "xx")
	require.Equal(t, http.StatusUnprocessableEntity, got.Status, "it was refused before it was stored: %s", got.Detail)

	room := int64(5)
	d = newDock(t, func(c *Config) { c.Uploads.Room = func() (int64, error) { return room, nil } })
	require.Equal(t, http.StatusInsufficientStorage, d.post("/v1/uploads?name=a&pipeline=p", "hello").Status, "it was announced")
	require.Equal(t, http.StatusAccepted, d.post("/v1/uploads?name=a&pipeline=p", "hell").Status)
	room = 0
	got = d.do(http.MethodPost, "/v1/uploads?name=a&pipeline=p", nil, iotest.OneByteReader(strings.NewReader("x")))
	require.Equal(t, http.StatusInsufficientStorage, got.Status, "others took it meanwhile")

	d = newDock(t, nil)
	d.refuse = errors.New("down")
	got = d.post("/v1/uploads?name=a&pipeline=p&id=j", "xx")
	require.Equal(t, http.StatusServiceUnavailable, got.Status)
	require.ElementsMatch(t, []string{d.own("j") + "a", "uploads/j/sent"}, d.uploads(), "the queue may have it all the same")
	d.refuse = nil
	require.Equal(t, http.StatusAccepted, d.post("/v1/uploads?name=a&pipeline=p&id=j", "xx").Status)
}

func TestMoreUploadsAtOnceThanThereArePlacesForComeLater(t *testing.T) {
	t.Parallel()
	d := newDock(t, func(c *Config) { c.Uploads.AtOnce = 1 })
	release, err := d.g.uploading.take(&Key{Name: "a"})
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, d.post("/v1/uploads?name=b&pipeline=p", "x").Status)
	release()
	require.Equal(t, http.StatusAccepted, d.post("/v1/uploads?name=b&pipeline=p", "x").Status)

	d = newDock(t, func(c *Config) { c.Uploads.AtOnce = 4 })
	for range 3 {
		_, err := d.g.uploading.take(&Key{Name: "a", Customer: "acme"})
		require.NoError(t, err)
	}
	_, err = d.g.uploading.take(&Key{Name: "b", Customer: "acme"})
	require.ErrorContains(t, err, "this key has 3 uploads under way")
	require.Equal(t, http.StatusAccepted, d.post("/v1/uploads?name=b&pipeline=p", "x").Status, "others have a place all the same")
}

func FuzzAFileNameCanStandInAKeyAndInAWorkspace(f *testing.F) {
	for _, name := range []string{"gear.stl", "../../etc/passwd", `C:\a\b`, ".inputs", "a\x00b", "ü\u202egnp.exe", "con ", strings.Repeat("ä", 200), "%2e%2e", "g\xb1\u030c", ". x"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		clean, err := cleanName(name)
		if err != nil {
			return
		}
		require.NoError(t, blob.CheckKey(clean))
		require.NoError(t, job.CheckInputName(clean))
		require.NotContains(t, clean, "/")
		again, err := cleanName(clean)
		require.NoError(t, err)
		require.Equal(t, clean, again)
	})
}
