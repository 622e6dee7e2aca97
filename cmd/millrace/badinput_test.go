//go:build linux

package main_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

// task is a message whose pipeline has one task, or several.
func task(yaml string) string {
	b, _ := json.Marshal(map[string]any{"pipeline": "name: bad\ntasks:\n" + yaml}) // maps of texts always can be
	return string(b)
}

// bomb is a few hundred bytes of YAML that stand for 9^9 texts.
func bomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := range 9 {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 9), ", "))
	}
	return "tasks: [{module: Now, props: {key: x}}]\nstate:\n  " + strings.ReplaceAll(strings.TrimSpace(b.String()), "\n", "\n  ") + "\n"
}

const link = `
  - {module: Shell, props: {command: ln, args: [-s, %s, link]}}
  - {module: %s}
`

// badMessages can never pass. The sentence that each is buried with says the place and the remedy.
var badMessages = []struct {
	name, body string
	says       []string
}{
	{"malformed JSON", `{"pipeline": "hello_world",`, []string{""}},
	{"malformed YAML", "tasks:\n  - module: [Shell\n    props: {}\n", []string{""}},
	{"malformed YAML in a pipeline", task("  - module: [Shell\n"), []string{"message:"}},
	{"empty", "", []string{"the message is empty", `send {"pipeline": "name"}`}},
	{"blank", " \n\t ", []string{"the message is empty"}},
	{"NULs", "{\"pipeline\": \"hello\x00world\"}", []string{"NUL at byte"}},
	{"NULs alone", strings.Repeat("\x00", 1000), []string{"NUL at byte 0"}},
	{"no UTF-8", "{\"pipeline\": \"\xff\xfe\"}", []string{"not UTF-8"}},
	{"a mebibyte of JSON", `{"pipeline": "` + strings.Repeat("x", 1<<20-16) + `"}`, []string{""}},
	{"a mebibyte of text", strings.Repeat("all work and no play ", 1<<20/21), []string{""}},
	{"a mebibyte of brackets", strings.Repeat("[", 1<<20), []string{""}},
	{"JSON 10,000 deep", `{"pipeline": "hello_world", "state": ` + strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000) + "}", []string{"deep"}},
	{"YAML 10,000 deep", "tasks: " + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000), []string{"deep"}},
	{"an alias bomb", bomb(), []string{"alias"}},
	{"an alias bomb in a pipeline", task("  - {module: Now, props: {key: x}}\n" + "state:\n" + strings.SplitN(bomb(), "state:\n", 2)[1]), []string{"alias"}},
	{"a list", `["hello_world"]`, []string{""}},
	{"a number", `42`, []string{""}},
	{"an unknown key", `{"pipeline": "hello_world", "stat": {}}`, []string{`"stat"`, `did you mean "state"?`}},
	{"an unknown pipeline", `{"pipeline": "hello_wrld"}`, []string{`"hello_wrld"`, `did you mean "hello_world"`}},
	{"a pipeline out of the folder", `{"pipeline": "../../etc/passwd"}`, []string{"../../etc/passwd"}},
	{"no tasks", `{"pipeline": {"name": "x"}}`, []string{"tasks"}},
	{"tasks of a wrong type", `{"pipeline": {"tasks": "Shell"}}`, []string{"tasks", "list"}},
	{"an unknown module", task("  - {module: Shel, props: {command: ls}}\n"), []string{"message:3:", `"Shel"`, `did you mean "Shell"?`}},
	{"a module of a later version", task("  - {module: VntanaMetrics}\n"), []string{"message:3:", "millrace modules"}},
	{"an unknown prop", task("  - {name: it, module: Shell, props: {comand: ls}}\n"), []string{"message:3:", `"comand"`, `"command"`}},
	{"a missing prop", task("  - {name: it, module: Zip, props: {src: x}}\n"), []string{"message:3:", `"dest"`}},
	{"a prop of a wrong type", task("  - {name: it, module: Shell, props: {command: ls, args: {a: 1}}}\n"), []string{"message:3:", `"args"`, "list"}},
	{"an empty variable", task("  - {name: it, module: Stat, props: {src: \"{{ nothing }}\"}}\n"), []string{"message:3:", `"nothing" is not defined`}},
	{"a broken template", task("  - {name: it, module: Stat, props: {src: \"{{ a b }}\"}}\n"), []string{"message:3:", "src"}},
	{"a broken condition", task("  - {name: it, when: \"a >\", module: Stat, props: {src: x}}\n"), []string{"message:3:", "when"}},
	{"a missing program", task("  - {module: Shell, props: {command: no-such-program}}\n"), []string{`"no-such-program"`, "install it"}},
	{"a missing file", task("  - {module: Zip, props: {src: nowhere.obj, dest: out.zip}}\n"), []string{`"nowhere.obj"`, "check the path"}},
	{"a path out of the workspace", task("  - {module: Stat, props: {src: ../../../../etc/passwd}}\n"), []string{"../../../../etc/passwd", "/home/workspace"}},
	{"an absolute path", task("  - {module: Zip, props: {src: /etc/passwd, dest: out.zip}}\n"), []string{"/etc/passwd", "/home/workspace"}},
	{"a destination out of the workspace", task("  - {module: Shell, props: {command: touch, args: [a]}}\n  - {module: Zip, props: {src: a, dest: /tmp/out.zip}}\n"), []string{"/tmp/out.zip", "/home/workspace"}},
	{"a link out, looked at", task(fmt.Sprintf(link, "/etc/passwd", "Stat, props: {src: link}")), []string{`"link"`, "/home/workspace"}},
	{"a link out, packed", task(fmt.Sprintf(link, "/etc/passwd", "Zip, props: {src: link, dest: out.zip}")), []string{`"link"`, "symbolic link"}},
	{"a linked folder, packed", task(fmt.Sprintf(link, "/etc", "Zip, props: {src: link/passwd, dest: out.zip}")), []string{`"link/passwd"`, "/home/workspace"}},
	{"a linked folder, written into", task(fmt.Sprintf(link, "/tmp", "Zip, props: {src: /home/workspace, dest: link/out.zip}")), []string{`"link/out.zip"`, "/home/workspace"}},
	{"a private address", task("  - {module: Http, props: {url: \"http://169.254.169.254/latest/meta-data\"}}\n"), []string{"169.254.169.254", "MILLRACE_ALLOW_HOSTS"}},
	{"a template without end", task("  - {module: StdOut, props: {message: \"{% for i in range(900000) %}{% for j in range(900000) %}x{% endfor %}{% endfor %}\"}}\n"), []string{"message:3:"}},
	{"too many attempts", `{"pipeline": "hello_world", "max_attempts": 10000}`, []string{`"max_attempts"`, "1 to 20"}},
	{"a deadline that is none", `{"pipeline": "hello_world", "deadline": "soon"}`, []string{`"deadline"`, "20m"}},
	{"a callback to nowhere", `{"pipeline": "hello_world", "callback": {"url": "file:///etc/passwd"}}`, []string{`"callback.url"`, "http"}},
	{"reserved state", `{"pipeline": "hello_world", "state": {"__kafka": {}}}`, []string{`"__kafka"`}},
}

// What can never pass is tried once, and buried with one sentence; what was sent along is done.
func TestF31BadMessagesAreBuriedWithOneSentence(t *testing.T) {
	t.Parallel()
	m := newMill(t)
	ids := make([]string, len(badMessages))
	for i, b := range badMessages {
		ids[i] = m.send(b.body)
		if i%5 == 0 {
			m.job(fmt.Sprintf("sibling-%d", i), "hello_world", nil)
		}
	}
	m.work("--slots=2")
	reasons := m.buried()
	for i, b := range badMessages {
		t.Run(b.name, func(t *testing.T) { requireBuried(t, m, ids[i], reasons[ids[i]], b.says) })
		if i%5 == 0 {
			require.Equal(t, record.Succeeded, m.record(fmt.Sprintf("sibling-%d", i)).Status)
		}
	}
	depth, err := m.queue.Depth(t.Context())
	require.NoError(t, err)
	require.Equal(t, queue.Depth{Dead: len(badMessages)}, depth)
}

// buried is why each dead message was buried, by its ID.
func (m *mill) buried() map[string]string {
	m.t.Helper()
	dead, err := m.queue.Dead(m.t.Context(), 1000)
	require.NoError(m.t, err)
	reasons := map[string]string{}
	for _, d := range dead {
		reasons[d.ID] = d.Reason
	}
	return reasons
}

func requireBuried(t *testing.T, m *mill, id, reason string, says []string) {
	t.Helper()
	t.Log(reason)
	rec := m.record(id)
	require.Equal(t, record.Failed, rec.Status)
	require.Len(t, rec.Attempts, 1, "it is tried once")
	first, _, _ := strings.Cut(rec.Message, "\n") // the end of the log may follow
	require.Equal(t, reason, first)
	require.NotEmpty(t, reason)
	require.Less(t, len(reason), 2000)
	for _, text := range says {
		require.Contains(t, reason, text)
	}
	for _, text := range []string{"\n", "goroutine", "panic", "0x", "runtime error", "failed to", "/slot-", ".go:"} {
		require.NotContains(t, reason, text)
	}
}

func TestWhatTheOperatorForbidsIsBuriedWithTheWayToAllowIt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, flag, body string
		says             []string
	}{
		{"pipelines of messages", "--inline=off", task("  - {module: Now, props: {key: x}}\n"), []string{"MILLRACE_INLINE", "catalogue"}},
		{"programs", "--shell=none", task("  - {module: Shell, props: {command: ls}}\n"), []string{"message:3:", "MILLRACE_SHELL"}},
		{"programs of messages", "--shell=catalogue", task("  - {module: Shell, props: {command: ls}}\n"), []string{"message:3:", "MILLRACE_SHELL"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMill(t)
			id := m.send(tt.body)
			m.job("sibling", "cwd", nil)
			m.work("--slots=1", tt.flag)
			requireBuried(t, m, id, m.buried()[id], tt.says)
			require.Equal(t, tt.flag != "--shell=none", m.record("sibling").Status == record.Succeeded)
		})
	}
}

// Whoever runs a file by hand reads one line about it, and a script sees by the code whose fault it was.
func TestRunSaysWhatIsWrongInOneLine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, file string
		args       []string
		code       int
		says       []string
	}{
		{"malformed YAML", "tasks:\n  - module: [Shell\n", nil, 1, []string{"bad.yaml:"}},
		{"malformed JSON", `{"tasks": [`, nil, 1, []string{"bad.yaml:"}},
		{"an empty file", "", nil, 1, []string{"bad.yaml"}},
		{"NULs", "tasks:\x00", nil, 1, []string{"bad.yaml"}},
		{"no UTF-8", "tasks: \xff\xfe", nil, 1, []string{"bad.yaml"}},
		{"no tasks", "name: x\n", nil, 1, []string{"bad.yaml:1:1", "tasks"}},
		{"more than a mebibyte", "tasks: []\n#" + strings.Repeat("x", 1<<20), nil, 1, []string{"bad.yaml"}},
		{"10,000 deep", "tasks: " + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000), nil, 1, []string{"bad.yaml:1:", "flatten"}},
		{"an alias bomb", bomb(), nil, 1, []string{"bad.yaml:", "alias"}},
		{"an unknown module", "tasks:\n  - {module: Shel}\n", nil, 1, []string{"bad.yaml:2:", `did you mean "Shell"?`}},
		{"an unknown prop", "tasks:\n  - {module: Shell, props: {command: ls, arg: [-l]}}\n", nil, 1, []string{"bad.yaml:2:", `did you mean "args"?`}},
		{"a path out of the workspace", "tasks:\n  - {module: Zip, props: {src: /etc/passwd, dest: x.zip}}\n", nil, 1, []string{"/etc/passwd", "outside the workspace"}},
		{"a missing file", "tasks:\n  - {module: Zip, props: {src: nowhere, dest: x.zip}}\n", nil, 1, []string{`"nowhere"`, "check the path"}},
		{"a file that is not there", "", []string{"run", "nowhere.yaml"}, 1, []string{"nowhere.yaml"}},
		{"a folder", "", []string{"run", "-f", "."}, 1, []string{"directory"}},
		{"an unknown flag", "", []string{"run", "--worksapce=x", "bad.yaml"}, 2, []string{"--worksapce", "--help"}},
		{"a form that is none", "", []string{"run", "-i", "xml", "bad.yaml"}, 2, []string{"xml"}},
		{"a log that is none", "", []string{"run", "--logger", "xml", "bad.yaml"}, 2, []string{"xml"}},
		{"state without a value", "tasks: [{module: Now, props: {key: x}}]\n", []string{"run", "bad.yaml", "name"}, 2, []string{"key=value"}},
		{"nothing", "", []string{"run"}, 1, []string{"no pipeline"}},
		{"a worker's unknown flag", "", []string{"work", "--slot=1"}, 2, []string{"--slot"}},
		{"a worker's number that is none", "", []string{"work", "--slots=many"}, 2, []string{"--slots", "many"}},
		{"a worker's isolation that is none", "", []string{"work", "--isolation=full"}, 2, []string{"full", "job, pipeline, none"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlace(t)
			p.write("bad.yaml", tt.file)
			if tt.args == nil {
				tt.args = []string{"run", "bad.yaml"}
			}
			r := p.millrace(tt.args...)
			require.Equal(t, tt.code, r.code, r.stderr)
			for _, text := range tt.says {
				require.Contains(t, r.stderr, text)
			}
			require.Equal(t, 1, strings.Count(r.stderr, "\n"), r.stderr)
			require.Empty(t, r.stdout)
		})
	}
}
