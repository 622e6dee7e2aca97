package curl

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
)

const maxData = 16 << 20 // bytes that are sent

// setData takes what is to be sent, as the option of that name does; a list is the option given several times.
func (o *options) setData(name string, v any) error {
	const form = "application/x-www-form-urlencoded"
	list, ok := v.([]any)
	if !ok || name == "json" {
		list = []any{v}
	}
	if o.dataType != "" && o.dataType != form || name == "json" && o.data != nil {
		return errors.New("can't be given beside json; keep one")
	}
	o.dataType = form
	for _, e := range list {
		s, isText := e.(string)
		if !isText {
			body, err := json.Marshal(e)
			if err != nil {
				return errors.New("must be text, or something that JSON can hold")
			}
			s = string(body)
		}
		switch rest, at := strings.CutPrefix(s, "@"); {
		case name == "data-urlencode":
			o.data = append(o.data, part{text: encoded(s)})
		case at && name != "data-raw":
			o.data = append(o.data, part{text: rest, file: true, lines: strings.HasPrefix(name, "data") && name != "data-binary"})
		default:
			o.data = append(o.data, part{text: s})
		}
	}
	if name == "json" {
		o.dataType = "application/json"
		if o.header.Get("Accept") == "" {
			o.header.Set("Accept", "application/json")
		}
	}
	return nil
}

// encoded is name=content with the content encoded, or all of s where it has no name.
func encoded(s string) string {
	name, content, ok := strings.Cut(s, "=")
	if !ok {
		return url.QueryEscape(s)
	}
	if name == "" {
		return url.QueryEscape(content)
	}
	return name + "=" + url.QueryEscape(content)
}

// body is what is sent: the parts, with & between them.
func (o options) body(c *modules.Call) (string, error) {
	var b strings.Builder
	for i, p := range o.data {
		text := p.text
		if p.file {
			var err error
			if text, err = readFile(c, p.text); err != nil {
				return "", fmt.Errorf("read what to send: %w", err)
			}
		}
		if p.lines {
			text = strings.NewReplacer("\r", "", "\n", "", "\x00", "").Replace(text)
		}
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(text)
	}
	if b.Len() > maxData {
		return "", fault.As(fault.Permanent, fmt.Errorf("%d bytes are too many to send, %d are the limit; put them into a bucket with the S3 module", b.Len(), maxData))
	}
	return b.String(), nil
}

func readFile(c *modules.Call, name string) (string, error) {
	f, err := c.Workspace.Open(name)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxData+1))
	return string(text), errors.Join(err, f.Close())
}
