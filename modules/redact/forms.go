package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"
)

// addForms adds to set everything secret looks like once something has encoded it.
func addForms(set map[string]struct{}, secret string) {
	if len(secret) < minLen {
		return
	}
	add := func(form string) {
		// A mask must not be masked.
		if len(form) >= minLen && !strings.Contains(Mask, form) {
			set[form] = struct{}{}
		}
	}
	add(secret)
	for _, html := range []bool{true, false} {
		once := jsonEscape(secret, html)
		add(once)
		add(jsonEscape(once, html)) // a JSON body inside a JSON event
		add(strings.ReplaceAll(once, "/", `\/`))
	}
	query := url.QueryEscape(secret)
	all := strings.ReplaceAll(query, "+", "%20")
	// What JavaScript's encodeURIComponent leaves as it is.
	component := strings.NewReplacer("%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*").Replace(all)
	for _, escaped := range []string{query, all, component, url.PathEscape(secret)} {
		add(escaped)
		add(lowerEscapes(escaped))
	}
	add(hex.EncodeToString([]byte(secret)))
	add(strings.ToUpper(hex.EncodeToString([]byte(secret))))
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		full := enc.EncodeToString([]byte(secret))
		add(full)
		add(strings.TrimRight(full, "="))
		for before := range 3 {
			add(base64Core(enc, secret, before))
		}
	}
}

// base64Core is the part of a base64 text that secret alone decides, when it begins before bytes into
// a group of three.
func base64Core(enc *base64.Encoding, secret string, before int) string {
	all := append(make([]byte, before), secret...)
	from := (8*before + 5) / 6 // the characters before share bits with what precedes the secret
	to := 8 * len(all) / 6     // the one after shares bits with what follows
	return enc.EncodeToString(all)[from:to]
}

// jsonEscape is s as it stands between the quotes of a JSON string.
func jsonEscape(s string, html bool) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(html)
	if enc.Encode(s) != nil { // strings can always be encoded
		return s
	}
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSuffix(b.String(), "\n"), `"`), `"`)
}

// lowerEscapes turns %2F into %2f.
func lowerEscapes(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], bytes.ToLower(b[i+1:i+3]))
			i += 2
		}
	}
	return string(b)
}
