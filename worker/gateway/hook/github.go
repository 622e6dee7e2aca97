package hook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// github verifies an HMAC of the body alone, as GitHub, Gitea and many others send it.
type github struct {
	secrets [][]byte
	// trustID takes the header's ID for the delivery's. The signature does not cover it: who has one signed body could send it
	// again under another ID. So the body itself is what a delivery is known by, unless the operator decides otherwise.
	trustID bool
}

func (g *github) verify(_ context.Context, r request) (verified, error) {
	signature, err := one(r.header, "X-Hub-Signature-256")
	if err != nil {
		return verified{}, err
	}
	encoded, ok := strings.CutPrefix(signature, "sha256=")
	raw, err := hex.DecodeString(encoded)
	if err != nil || !ok {
		return verified{}, unverified("X-Hub-Signature-256 is not sha256= and hexadecimal digits")
	}
	fits := 0
	for _, secret := range g.secrets {
		h := hmac.New(sha256.New, secret)
		h.Write(r.body)
		fits |= subtle.ConstantTimeCompare(raw, h.Sum(nil))
	}
	if fits != 1 {
		return verified{}, unverified("no signature fits")
	}
	v := verified{id: digest(string(r.body)), body: r.body}
	if g.trustID {
		if v.id, err = one(r.header, "X-Github-Delivery"); err != nil {
			return verified{}, err
		}
	}
	if media, _, _ := mime.ParseMediaType(r.header.Get("Content-Type")); media == "application/x-www-form-urlencoded" {
		return formPayload(v)
	}
	return v, nil
}

// formPayload takes the JSON out of the form that GitHub sends where it is asked to.
func formPayload(v verified) (verified, error) {
	form, err := url.ParseQuery(string(v.body))
	if err != nil || len(form["payload"]) != 1 {
		return verified{}, refuse(http.StatusUnprocessableEntity, `the form has no "payload"; have the source send application/json`)
	}
	v.body = []byte(form.Get("payload"))
	return v, nil
}
