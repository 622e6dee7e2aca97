package cosqueue

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/millrace/millrace/worker/queue"
)

const (
	maxName = 128 // bytes
	// versionBytes is how much of a hash tells the objects under one name apart.
	versionBytes = 4
	suffix       = ".json"
	delayed      = ".delay-" // before the milliseconds, in the name of a message that was sent with a delay
)

// newName returns the name of a message of ours: a ULID, and the delay, which a listing shows.
func newName(delay time.Duration) (name, id string) {
	id = ulid.Make().String()
	if delay > 0 {
		return id + delayed + strconv.FormatInt(delay.Milliseconds(), 10) + suffix, id
	}
	return id + suffix, id
}

// ours takes the name of a message that Send wrote apart; ok is false for one that a producer chose.
func ours(name string) (id string, delay time.Duration, ok bool) {
	stem, ok := strings.CutSuffix(name, suffix)
	if !ok {
		return "", 0, false
	}
	id, ms, late := strings.Cut(stem, delayed)
	if late {
		n, err := strconv.ParseInt(ms, 10, 64)
		if err != nil || n < 0 || n > maxDelay.Milliseconds() {
			return "", 0, false
		}
		delay = time.Duration(n) * time.Millisecond
	}
	_, err := ulid.ParseStrict(id)
	return id, delay, err == nil
}

// safe says whether an object of that name below jobs/ is a message: letters, digits, dots, underscores and hyphens, the
// first a letter or a digit, and not a bare ULID, which is the ID of a message of ours.
func safe(name string) bool {
	if name == "" || len(name) > maxName || !alphanumeric(rune(name[0])) {
		return false
	}
	for _, r := range name {
		if !alphanumeric(r) && r != '.' && r != '_' && r != '-' {
			return false
		}
	}
	_, err := ulid.ParseStrict(name)
	return err != nil
}

func alphanumeric(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

// message says whether an object below jobs/ is one.
func (o object) message() bool {
	most := int64(maxBody)
	if _, _, ok := ours(o.key); ok {
		most = maxObject
	}
	return o.size <= most && safe(o.key)
}

// version tells two objects under one name apart; empty where the name is never used again. A listing says the same as a
// request for the object.
func (o object) version() string {
	if _, _, ok := ours(o.key); ok {
		return ""
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", o.etag, o.modified.Unix()))
	return hex.EncodeToString(sum[:versionBytes])
}

// id is the message's: for ours the ULID, else name and version, so that a name may be used again once its message is gone.
func (o object) id() string {
	if id, _, ok := ours(o.key); ok {
		return id
	}
	return o.key + "@" + o.version()
}

// receipt is that of a delivery: the name, and the token of its lease.
func receipt(name, token string) queue.Receipt { return queue.Receipt(name + "/" + token) }

func parse(r queue.Receipt) (name, token string, ok bool) {
	name, token, ok = strings.Cut(string(r), "/")
	return name, token, ok && safe(name) && token != ""
}
