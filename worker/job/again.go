package job

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
)

const (
	// againAttribute lists the marks of the times that a message of several jobs was sent again out of a dead-letter queue.
	againAttribute = "job.again"
	maxMarks       = 32
	markLen        = 12
	retry          = "-retry-"
)

// Mark makes the mark of a message that is sent again of what tells this time from others.
func Mark(of []byte) string {
	sum := sha256.Sum256(of)
	return hex.EncodeToString(sum[:markLen/2])
}

// MarkAgain returns attributes that say of a message of several jobs, or of one whose jobs a routing table makes, that it is
// sent again: a worker gives those of its jobs that have failed new IDs, and runs no other. ok is false when there is no
// room for one more attribute, or mark: without the first ones jobs that have succeeded would run again.
func MarkAgain(attributes map[string]string, mark string) (marked map[string]string, ok bool) {
	marked = map[string]string{}
	maps.Copy(marked, attributes)
	marks := append(marksOf(attributes), mark)
	marked[againAttribute] = strings.Join(marks, " ")
	return marked, len(marked) <= maxAttributes && len(marks) <= maxMarks
}

// marksOf reads what MarkAgain wrote. Anybody may have: what is no mark counts for nothing.
func marksOf(attributes map[string]string) []string {
	marks := strings.Fields(attributes[againAttribute])
	if len(marks) > maxMarks {
		return nil
	}
	return slices.DeleteFunc(marks, func(m string) bool {
		_, err := hex.DecodeString(m)
		return err != nil || len(m) != markLen
	})
}

// Renew gives j the ID that it has in a message with these attributes, and notes those that it had before. Decode does so with
// the jobs that it finds.
func (j *Job) Renew(attributes map[string]string) {
	first := j.ID
	for _, mark := range marksOf(attributes) {
		j.Before = append(j.Before, j.ID)
		j.ID = AgainID(first, mark)
	}
}

// AgainID is a job's ID once it is sent again. It begins as the job's own did, does not grow from time to time, and differs
// for every two jobs.
func AgainID(id, mark string) string {
	base, _, _ := strings.Cut(id, retry)
	base = base[:min(len(base), maxID-len(retry)-markLen)]
	return base + retry + Mark([]byte(mark+" "+id))
}
