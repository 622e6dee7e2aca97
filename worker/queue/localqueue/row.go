package localqueue

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/worker/queue"
)

// A key finds the row of a receipt. A receipt is the row's number and a nonce of its delivery, "17.9f86d081884c7d65".
type key struct {
	seq     int64
	receipt string
}

// parse returns a key that matches no row when r is not one of ours.
func parse(r queue.Receipt) key {
	number, _, _ := strings.Cut(string(r), ".")
	seq, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return key{seq: -1}
	}
	return key{seq: seq, receipt: string(r)}
}

// wall names the wall clock where there is no boot to name.
const wall = "wall"

func wallClock() int64 { return time.Now().UnixNano() }

func newNonce() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// newID returns a UUIDv7: unique everywhere, and sorted by time to the millisecond.
func newID(now time.Time) string {
	var b [16]byte
	_, _ = rand.Read(b[6:]) // never fails
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(now.UnixMilli()))
	copy(b[:6], ms[2:])
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// due is the wall time at which a delayed message is due, 0 without a delay: what is left of a delay after a reboot.
func due(delay time.Duration) int64 {
	if delay <= 0 {
		return 0
	}
	return time.Now().Add(delay).UnixNano()
}

func encode(attributes map[string]string) (string, error) {
	if len(attributes) == 0 {
		return "", nil
	}
	b, err := json.Marshal(attributes)
	return string(b), err
}

func decode(attributes string) (map[string]string, error) {
	if attributes == "" {
		return nil, nil
	}
	var m map[string]string
	if err := json.Unmarshal([]byte(attributes), &m); err != nil {
		return nil, fmt.Errorf("read attributes: %w", err)
	}
	return m, nil
}
