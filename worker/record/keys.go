package record

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/fault"
)

const (
	indexPrefix = "index/"
	dateFormat  = time.DateOnly
	// maxIDBytes leaves room for the time in an index entry's name within the 255 bytes of a file name.
	maxIDBytes = 200
)

func checkID(id string) error {
	if err := blob.CheckKey(id); err != nil || strings.Contains(id, "/") || len(id) > maxIDBytes || id[0] == '.' {
		return fault.As(fault.Permanent, fmt.Errorf(
			"job id %.100q can't name a record; use at most %d bytes without slashes, backslashes or control characters, not beginning with a dot",
			id, maxIDBytes))
	}
	return nil
}

// jobDir is where the job's objects lie, with a slash at its end.
func jobDir(id string) string {
	sum := sha256.Sum256([]byte(id))
	return "jobs/" + hex.EncodeToString(sum[:1]) + "/" + id + "/"
}

func attemptKey(id string, n int) string { return jobDir(id) + "attempt-" + strconv.Itoa(n) }
func endKey(id string, n int) string     { return attemptKey(id, n) + ".end" }
func finalKey(id string) string          { return jobDir(id) + "final" }
func cancelKey(id string) string         { return jobDir(id) + "cancel" }
func quarantineKey(id string) string     { return jobDir(id) + "quarantine" }
func sentKey(id string) string           { return jobDir(id) + "sent" }
func crumbKey(id string, n int) string   { return jobDir(id) + "crumb-" + strconv.Itoa(n) }
func callbackKey(id string) string       { return jobDir(id) + "callback" }
func owedKey(id string, seq int) string  { return fmt.Sprintf("%sowed-%d", jobDir(id), seq) }

// Kept are the days, in order, of the folders for outputs whose job says how long they are kept: what is kept for up to so
// long lies in the folder of that many days, so that a bucket can remove it by a rule.
func Kept() []int { return []int{1, 3, 7, 14, 30, 90, 365} }

// KeptPrefix is the folder of Kept's days; 0 is of jobs that say nothing.
func KeptPrefix(days int) string {
	if days == 0 {
		return "artifacts/"
	}
	return fmt.Sprintf("artifacts-%dd/", days)
}

// artifactsOf is where all attempts of a job publish, with a slash at its end. keep is the job's own; nil is none.
func artifactsOf(id string, keep *time.Duration) string {
	days := 0
	if keep != nil {
		all := Kept()
		days = all[len(all)-1]
		for _, d := range slices.Backward(all) {
			if *keep <= time.Duration(d)*24*time.Hour {
				days = d
			}
		}
	}
	return KeptPrefix(days) + id + "/"
}

func chunkKey(id, kind string, c chunk) string {
	return fmt.Sprintf("%s%s-%d-%d", jobDir(id), kind, c.n, c.seq)
}

func waitKey(id string, c chunk) string { return chunkKey(id, "wait", c) }

// indexKey sorts the entries of a day with the newest first: its number is the nanoseconds left of the day.
func indexKey(id string, enqueued time.Time) string {
	t := enqueued.UTC()
	left := t.Truncate(24 * time.Hour).Add(24 * time.Hour).Sub(t)
	return fmt.Sprintf("%s%s/%014d-%s", indexPrefix, t.Format(dateFormat), left, id)
}

// parseIndexKey undoes indexKey. It returns false for what is no index entry.
func parseIndexKey(key string) (id string, enqueued time.Time, ok bool) {
	date, rest, _ := strings.Cut(strings.TrimPrefix(key, indexPrefix), "/")
	number, id, found := strings.Cut(rest, "-")
	day, dayErr := time.Parse(dateFormat, date)
	left, leftErr := strconv.ParseInt(number, 10, 64)
	if !found || dayErr != nil || leftErr != nil {
		return "", time.Time{}, false
	}
	return id, day.Add(24*time.Hour - time.Duration(left)), true
}

// A chunk is one piece of an attempt's log or progress.
type chunk struct{ n, seq int }

func compareChunks(a, b chunk) int {
	if a.n != b.n {
		return a.n - b.n
	}
	return a.seq - b.seq
}

// A folder is the names of a job's objects.
type folder struct {
	attempts                []int        // claimed, sorted
	ended                   map[int]bool // has an end
	crumbs                  map[int]bool // has a crumb
	final, cancel, callback bool
	owed                    int     // number of the newest word on an owed callback; 0 is none
	logs, progress          []chunk // sorted
	waits                   []chunk // of an attempt and the delivery of a Wait that came after it
}

func (f *folder) empty() bool {
	return len(f.attempts) == 0 && !f.final && !f.cancel && len(f.waits) == 0
}

// waited is the delivery of the newest Wait since the newest attempt; 0 is none.
func (f *folder) waited() (delivery int) {
	for _, c := range f.waits {
		if c.n == f.newest() {
			delivery = max(delivery, c.seq)
		}
	}
	return delivery
}

// newest is the number of the last attempt; 0 is none.
func (f *folder) newest() int {
	if len(f.attempts) == 0 {
		return 0
	}
	return f.attempts[len(f.attempts)-1]
}

// folder lists what lies in a job's folder. Names that it does not know are left alone: a later version may.
func (b *Book) folder(ctx context.Context, id string) (*folder, error) {
	f := &folder{ended: make(map[int]bool), crumbs: make(map[int]bool)}
	dir := jobDir(id)
	for in, err := range b.store.List(ctx, dir, "") {
		if err != nil {
			return nil, err
		}
		f.add(strings.TrimPrefix(in.Key, dir))
	}
	slices.Sort(f.attempts)
	slices.SortFunc(f.logs, compareChunks)
	slices.SortFunc(f.progress, compareChunks)
	return f, nil
}

func (f *folder) add(name string) {
	kind, rest, _ := strings.Cut(name, "-")
	number, seq, _ := strings.Cut(rest, "-")
	switch kind {
	case "final":
		f.final = true
	case "cancel":
		f.cancel = true
	case "callback":
		f.callback = true
	case "attempt":
		number, end := strings.CutSuffix(number, ".end")
		n, err := strconv.Atoi(number)
		switch {
		case err != nil:
		case end:
			f.ended[n] = true
		default:
			f.attempts = append(f.attempts, n)
		}
	case "crumb":
		if n, err := strconv.Atoi(number); err == nil {
			f.crumbs[n] = true
		}
	case "owed":
		if n, err := strconv.Atoi(number); err == nil {
			f.owed = max(f.owed, n)
		}
	case "log", "progress", "wait":
		n, nErr := strconv.Atoi(number)
		s, seqErr := strconv.Atoi(seq)
		if nErr != nil || seqErr != nil {
			return
		}
		chunks := map[string]*[]chunk{"log": &f.logs, "progress": &f.progress, "wait": &f.waits}[kind]
		*chunks = append(*chunks, chunk{n, s})
	}
}
