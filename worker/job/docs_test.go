package job_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
)

const page = "../../docs/messages.md"

// messageOf reads an example: where it is marked as http, lines of attributes stand before an empty one.
func messageOf(language, text string) queue.Message {
	m := queue.Message{ID: "m-1", Body: []byte(text)}
	if language != "http" {
		return m
	}
	head, body, _ := strings.Cut(text, "\n\n")
	m.Body, m.Attributes = []byte(body), map[string]string{}
	for line := range strings.Lines(head) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		m.Attributes[name] = value
	}
	return m
}

// becomes says what becomes of a message, a line each.
func becomes(m queue.Message) string {
	d, err := job.Decode(m)
	if err != nil {
		return "> refused: " + err.Error() + "\n"
	}
	if d.Nothing != "" {
		return "> nothing: " + d.Nothing + "\n"
	}
	var lines []string
	for _, j := range d.Jobs {
		what := "of a pipeline of its own"
		if j.Pipeline != "" {
			what = "of pipeline `" + j.Pipeline + "`"
		}
		id := "`" + j.ID + "`"
		if j.ID == m.ID {
			id = "the queue's"
		}
		if len(j.State) > 0 {
			state, _ := json.Marshal(j.State) // it was decoded
			what += " with `" + string(state) + "`"
		}
		lines = append(lines, fmt.Sprintf("a job %s; its ID is %s", what, id))
	}
	for _, u := range d.Uploads {
		size := ""
		if u.Size >= 0 {
			size = fmt.Sprintf(", %d bytes", u.Size)
		}
		lines = append(lines, fmt.Sprintf("an upload: `%s` in bucket `%s` was %s%s", u.Key, u.Bucket, u.Kind, size))
	}
	return "> " + strings.Join(lines, "  \n> ") + "\n"
}

// The page of messages has below each example what it becomes.
func TestTheExamplesOfMessagesBecomeWhatThePageSays(t *testing.T) {
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	var out strings.Builder
	language, example, open, after := "", "", false, false
	examples := 0
	for line := range strings.Lines(string(text)) {
		fence, is := strings.CutPrefix(line, "```")
		switch {
		case is && !open:
			language, example = strings.TrimSpace(fence), ""
			open = true
		case is:
			open, after = false, true
			examples++
			out.WriteString(line + "\n" + becomes(messageOf(language, example)))
			continue
		case open:
			example += line
		case after && (line == "\n" || strings.HasPrefix(line, ">")):
			continue
		case after:
			after = false
			out.WriteString("\n")
		}
		out.WriteString(line)
	}
	require.Greater(t, examples, 15)
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(out.String()), 0o644))
	}
	require.Equal(t, out.String(), string(text), "`go test ./worker/job -run TheExamples -update` writes docs/messages.md anew")
}

func TestThePageOfMessagesHasEveryKeyOfAJob(t *testing.T) {
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	var keys map[string]any
	require.NoError(t, json.Unmarshal([]byte(whole), &keys))
	for key := range keys {
		require.Regexp(t, "(?m)^\\| .*`"+key+"[`:]", string(text), key)
	}
}
