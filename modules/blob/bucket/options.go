package bucket

import (
	"fmt"
	"maps"
	"mime"
	"slices"
	"strings"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/fault"
)

// maxMetadata is how many bytes of metadata an object takes, names and values (S3; Google takes 8 KiB).
const maxMetadata = 2 << 10

// checkOptions returns a permanent error for what no bucket takes: a header's name or value must not make another header.
func checkOptions(o blob.PutOptions) error {
	size := 0
	for _, name := range slices.Sorted(maps.Keys(o.Metadata)) {
		value := o.Metadata[name]
		size += len(name) + len(value)
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !isToken(r) }) {
			return fault.As(fault.Permanent, fmt.Errorf("metadata key %q may have letters, digits, - and _ only", clip(name)))
		}
		if strings.ContainsFunc(value, isControl) {
			return fault.As(fault.Permanent, fmt.Errorf("the value of metadata key %q has a control character", clip(name)))
		}
	}
	if size > maxMetadata {
		return fault.As(fault.Permanent, fmt.Errorf("the metadata has %d bytes; an object takes %d", size, maxMetadata))
	}
	for _, header := range []struct{ name, value string }{
		{"content type", o.ContentType}, {"cache control", o.CacheControl}, {"ACL", o.ACL}, {"storage class", o.StorageClass},
	} {
		if len(header.value) > 1024 || strings.ContainsFunc(header.value, isNoHeader) {
			return fault.As(fault.Permanent, fmt.Errorf("the %s %q is longer than 1024 bytes or not all printable ASCII", header.name, clip(header.value)))
		}
	}
	return nil
}

func isNoHeader(r rune) bool { return isControl(r) || r > '~' }

func isToken(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

func clip(text string) string {
	const most = 80
	if len(text) <= most {
		return text
	}
	return text[:most] + "…"
}

// ToHeaders is metadata as the headers of S3 take it: values beyond ASCII in the encoding of mail (RFC 2047), which S3
// itself answers with.
func ToHeaders(metadata map[string]string) map[string]string {
	if len(metadata) == 0 {
		return nil
	}
	headers := make(map[string]string, len(metadata))
	for name, value := range metadata {
		headers[strings.ToLower(name)] = mime.BEncoding.Encode("utf-8", value)
	}
	return headers
}

// fromHeaders is the metadata that headers of S3 stand for.
func fromHeaders(headers map[string]string) map[string]string {
	metadata := make(map[string]string, len(headers))
	for name, value := range headers {
		if plain, err := new(mime.WordDecoder).DecodeHeader(value); err == nil {
			value = plain
		}
		metadata[strings.ToLower(name)] = value
	}
	return metadata
}
