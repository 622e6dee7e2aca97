package payload

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode"

	"github.com/millrace/millrace/worker/queue"
)

// maxPointer bounds a pointer: S3 has names of 63 bytes and keys of 1,024, and JSON may write a byte as six.
const maxPointer = 16 << 10

// A pointer says where a body lies.
type pointer struct {
	Bucket string `json:"s3BucketName"`
	Key    string `json:"s3Key"`
}

// isPointer says that the message is meant as a pointer, by an attribute or by its shape.
func isPointer(m queue.Message) bool {
	for name := range m.Attributes {
		if n := plain(name); n == "extendedpayloadsize" || n == "sqslargepayloadsize" {
			return true
		}
	}
	body := bytes.TrimSpace(m.Body)
	if len(body) > maxPointer || !bytes.HasPrefix(body, []byte("[")) {
		return false
	}
	return slices.ContainsFunc(classes(), func(class string) bool {
		rest := bytes.TrimSpace(body[1:])
		return bytes.HasPrefix(rest, []byte(`"`+class+`"`))
	})
}

// classes are what the extended client libraries for Java call a pointer; those for other languages write the same.
func classes() []string {
	return []string{"software.amazon.payloadoffloading.PayloadS3Pointer", "com.amazon.sqs.javamessaging.MessageS3Pointer"}
}

func parsePointer(body []byte) (pointer, error) {
	var p pointer
	var parts []json.RawMessage
	var class string
	malformed := permanent(`the message is meant as a pointer to a body in S3, and is not one: send ["%s", {"s3BucketName": "…", "s3Key": "…"}]`, classes()[0])
	if len(body) > maxPointer || json.Unmarshal(body, &parts) != nil || len(parts) != 2 {
		return p, malformed
	}
	if json.Unmarshal(parts[0], &class) != nil || !slices.Contains(classes(), class) {
		return p, malformed
	}
	if json.Unmarshal(parts[1], &p) != nil || p.Bucket == "" || p.Key == "" || strings.ContainsFunc(p.Bucket+p.Key, unicode.IsControl) {
		return p, malformed
	}
	return p, nil
}
