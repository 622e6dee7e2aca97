package gateway

import (
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules"
)

const (
	maxFiles     = 256 // of an upload, as of a job's inputs
	maxFields    = 64
	maxFieldSize = 64 << 10 // bytes, but of message
	maxFieldName = 256      // bytes
	// maxPartHead is how many bytes may stand between the contents of two parts, where their names are.
	maxPartHead = 16 << 10
)

// fields are what a form, or a query, says of the job besides its files.
type fields map[string]string

// Keys of a message that an upload may say, by how their text is read.
func textFields() []string {
	return []string{"pipeline", "version", "entry", "title", "cid", "linkId", "externalId", "customerId", "class", "deadline", "keep_outputs"}
}

func valueFields() []string {
	return []string{"state", "callbacks", "requires", "priority", "max_attempts", "debug", "dry_run"}
}

// ownFields are no keys of a message.
func ownFields() []string { return []string{"id", "callback", "unpack", "message"} }

// longest is how long a field may be.
func longest(name string) int {
	if name == "message" {
		return maxMessage
	}
	return maxFieldSize
}

func (f fields) set(name, value string) error {
	key, isState := strings.CutPrefix(name, "state.")
	known := isState && key != "" || slices.Contains(textFields(), name) || slices.Contains(valueFields(), name) || slices.Contains(ownFields(), name)
	switch {
	case len(name) > maxFieldName:
		return refused(Invalid, http.StatusBadRequest, fmt.Sprintf("a field's name is longer than %d bytes; put it into one called state, as JSON", maxFieldName))
	case !known:
		return refused(Invalid, http.StatusBadRequest, fmt.Sprintf("%.60q is no field of an upload; what a pipeline needs is written state.%.60s", name, name))
	case len(value) > longest(name):
		return refused(Invalid, http.StatusBadRequest, fmt.Sprintf("the field %q is longer than %d bytes; send it as a file", name, longest(name)))
	case len(f) == maxFields && f[name] == "":
		return refused(Invalid, http.StatusBadRequest, fmt.Sprintf("there are more than %d fields; put them into one called state, as JSON", maxFields))
	}
	f[name] = value
	return nil
}

// message are the keys of the message that the fields stand for. Those that only state has are in state.
func (f fields) message() (m map[string]any, state map[string]any, err error) {
	m, state = map[string]any{}, map[string]any{}
	if text := f["message"]; text != "" {
		var whole map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text), &whole); err != nil {
			return nil, nil, refused(Invalid, http.StatusBadRequest, `the field "message" is no JSON object; it holds what POST /v1/jobs takes, without "id" and "inputs"`)
		}
		for name, v := range whole {
			m[name] = v
		}
	}
	for name, value := range f {
		key, isState := strings.CutPrefix(name, "state.")
		switch {
		case value == "" || name == "id" || name == "unpack" || name == "message":
		case isState:
			state[key] = loosely(value)
		case name == "callback":
			m[name] = map[string]any{"url": value}
		case slices.Contains(valueFields(), name):
			if !json.Valid([]byte(value)) {
				return nil, nil, refused(Invalid, http.StatusBadRequest, fmt.Sprintf("the field %q is no JSON", name))
			}
			m[name] = json.RawMessage(value)
		default:
			m[name] = value
		}
	}
	return m, state, nil
}

// loosely reads JSON where a text is some, as `millrace jobs run` does.
func loosely(text string) (v any) {
	if modules.UnmarshalJSON([]byte(text), &v) != nil {
		return text
	}
	return v
}

// is says whether a field is true.
func (f fields) is(name string) (bool, error) {
	if f[name] == "" {
		return false, nil
	}
	v, err := strconv.ParseBool(f[name])
	if err != nil {
		return false, refused(Invalid, http.StatusBadRequest, fmt.Sprintf("the field %q is true or false, and not %.40q", name, f[name]))
	}
	return v, nil
}

// readForm takes a form's parts in the order in which they come: files are stored one after the other, fields may stand before
// and after them.
func (u *upload) readForm() error {
	body := &formBody{paced: paced{ReadCloser: u.call.r.Body, control: http.NewResponseController(u.call.w)}}
	// To multipart the end of what it reads may be that of the form, wherever in a part's head it is. Here the last line says so alone,
	// which may lack its end.
	u.call.r.Body = io.NopCloser(io.MultiReader(body, strings.NewReader("\r\n"), cut{}))
	parts, err := u.call.r.MultipartReader()
	if err != nil {
		return refused(Invalid, http.StatusBadRequest, "the form can't be read: "+err.Error())
	}
	for {
		body.head = maxPartHead
		p, err := parts.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return body.explain(err)
		}
		body.head = 0
		if p.FileName() == "" {
			err = u.readField(p, &body.paced)
		} else {
			err = u.readFile(p)
		}
		if err != nil {
			return err
		}
	}
	if len(u.files) == 0 {
		return refused(Invalid, http.StatusBadRequest, "the form has no file; curl -F file=@gear.stl sends one")
	}
	return nil
}

// cut is what comes behind a form that has no end.
type cut struct{}

func (cut) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// A formBody bounds what a form may hold besides its fields and files: it is kept in memory, before anybody can look at it.
type formBody struct {
	paced
	head int // bytes that may come; 0 is any number
}

func (f *formBody) Read(b []byte) (int, error) {
	n, err := f.paced.Read(b)
	if f.head == 0 {
		return n, err
	}
	if f.head -= n; f.head <= 0 {
		return 0, refused(Size, http.StatusRequestEntityTooLarge, fmt.Sprintf("a part of the form has a head of more than %d bytes", maxPartHead))
	}
	return n, err
}

func (u *upload) readField(p *multipart.Part, body *paced) error {
	b, err := u.call.take(p, 0, int64(longest(p.FormName())))
	if err != nil {
		return body.explain(err)
	}
	if p.FormName() == "id" && len(u.files) > 0 {
		return refused(Invalid, http.StatusBadRequest, "the field id stands behind a file, which needs it; put it first")
	}
	if err := u.fields.set(p.FormName(), string(b)); err != nil || p.FormName() != "id" {
		return err
	}
	return u.name()
}

func (u *upload) readFile(p *multipart.Part) error {
	if len(u.files) == maxFiles {
		return refused(Invalid, http.StatusBadRequest, fmt.Sprintf("there are more than %d files; pack them, and send unpack=true", maxFiles))
	}
	want, err := digestOf(http.Header(p.Header))
	if err != nil {
		return err
	}
	return u.store(p.FileName(), p.Header.Get("Content-Type"), p, -1, want)
}
