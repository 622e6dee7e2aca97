package sqsqueue

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/modules/fault"
)

// Attributes of ours. Nobody else's names begin as they do.
const (
	reserved       = "millrace."
	attrOrigin     = reserved + "origin"     // see origin
	attrReason     = reserved + "reason"     // why it was buried
	attrEncoding   = reserved + "encoding"   // empty, base64 or gzip+base64: of a body that SQS can't hold as it is
	attrAttributes = reserved + "attributes" // all others, as a JSON object, where SQS can't hold them as they are
)

const (
	maxSize       = 1 << 20 // of body and attributes together (SQS quota)
	maxAttributes = 10      // of one message (SQS quota)
	maxPacked     = 64      // attributes in attrAttributes
)

// traceHeader is a system attribute of SQS, and an attribute of that name here.
const traceHeader = "AWSTraceHeader"

// pack makes of body and attributes, and of our own, what SQS can hold: a body that is empty or no text it takes goes in
// base64, one that is too long beside its attributes is compressed, attributes that are too many or not text are joined.
func pack(body []byte, attributes, own map[string]string) (string, map[string]string, error) {
	if len(body) > maxSize {
		return "", nil, tooLong(len(body))
	}
	text, encoding := string(body), ""
	switch {
	case text == "":
		text, encoding = "empty", "empty"
	case !isText(text):
		text, encoding = base64.StdEncoding.EncodeToString(body), "base64"
	}
	out, err := join(attributes, own, encoding)
	if err != nil {
		return "", nil, err
	}
	n := size(text, out)
	if n <= maxSize {
		return text, out, nil
	}
	text, encoding = compress(body), "gzip+base64"
	out, err = join(attributes, own, encoding)
	if err != nil || size(text, out) > maxSize {
		return "", nil, errors.Join(err, tooLong(n))
	}
	return text, out, nil
}

func tooLong(n int) error {
	return fault.As(fault.Permanent, fmt.Errorf("the message is %d bytes long, attributes included; SQS takes %d: put what is large into a store and send its reference", n, maxSize))
}

// join puts attributes, our own and the encoding beside one another: as they are where they fit.
func join(attributes, own map[string]string, encoding string) (map[string]string, error) {
	out := map[string]string{}
	maps.Copy(out, own)
	if encoding != "" {
		out[attrEncoding] = encoding
	}
	fits := len(out)+len(attributes) <= maxAttributes
	for name, value := range attributes {
		fits = fits && isAttribute(name) && isText(value)
	}
	if fits {
		maps.Copy(out, attributes)
		return out, nil
	}
	if len(attributes) > maxPacked {
		return nil, fault.As(fault.Permanent, fmt.Errorf("the message has %d attributes; %d is the limit: put them into the body", len(attributes), maxPacked))
	}
	for name, value := range attributes {
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			return nil, fault.As(fault.Permanent, fmt.Errorf("attribute %.64q is not text in UTF-8; put bytes into the body", name))
		}
	}
	b, err := json.Marshal(attributes)
	if err == nil && !isText(string(b)) {
		err = errors.New("an attribute holds U+FFFE or U+FFFF, which SQS does not take; put it into the body")
	}
	out[attrAttributes] = string(b)
	return out, fault.As(fault.Permanent, err)
}

// unpack undoes pack, in place: what is not ours stays, what is malformed is as if it were not there.
func unpack(text string, attributes map[string]string) (body []byte) {
	body = []byte(text)
	switch attributes[attrEncoding] {
	case "empty":
		body = []byte{}
	case "base64":
		if b, err := base64.StdEncoding.DecodeString(text); err == nil {
			body = b
		}
	case "gzip+base64":
		if b, err := expand(text); err == nil {
			body = b
		}
	}
	packed := parsePacked(attributes[attrAttributes])
	for name := range attributes {
		if strings.HasPrefix(name, reserved) {
			delete(attributes, name)
		}
	}
	for name, value := range packed {
		if !strings.HasPrefix(name, reserved) {
			attributes[name] = value
		}
	}
	return body
}

// parsePacked is nil for what pack has not written.
func parsePacked(text string) map[string]string {
	if text == "" {
		return nil
	}
	var packed map[string]string
	if json.Unmarshal([]byte(text), &packed) != nil || len(packed) > maxPacked {
		return nil
	}
	return packed
}

func compress(body []byte) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(body)
	if err = errors.Join(err, w.Close()); err != nil {
		panic(err) // a buffer takes all
	}
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

func expand(text string) ([]byte, error) {
	r, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(text)))
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(r, maxSize+1))
	if err == nil && len(b) > maxSize {
		err = errors.New("longer than a message can be")
	}
	return b, err
}

// size is what counts for SQS: names, types and values.
func size(body string, attributes map[string]string) int {
	n := len(body)
	for name, value := range attributes {
		n += len(name) + len("String") + len(value)
	}
	return n
}

// isText says whether SQS takes s as it is.
func isText(s string) bool {
	return s != "" && utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !sendable(r) }) < 0
}

// sendable characters are those of XML 1.0 (SQS API: SendMessage).
func sendable(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r < 0xFFFE || r > 0xFFFF
}

// isAttribute says whether SQS takes a name (SQS API: message attribute components).
func isAttribute(name string) bool {
	lower := strings.ToLower(name)
	if name == "" || len(name) > 256 || strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon.") ||
		name[0] == '.' || name[len(name)-1] == '.' || strings.Contains(name, "..") {
		return false
	}
	other := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	}
	return strings.IndexFunc(name, other) < 0
}
