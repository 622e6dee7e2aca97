package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// stream makes the lines of `go test -json`.
func stream(t *testing.T, events ...event) string {
	t.Helper()
	var lines strings.Builder
	for _, ev := range events {
		require.NoError(t, json.NewEncoder(&lines).Encode(ev))
	}
	return lines.String()
}

func passes(pkg, test string) []event {
	return []event{
		{Action: "run", Package: pkg, Test: test},
		{Action: "output", Package: pkg, Test: test, Output: "=== RUN   " + test + "\n"},
		{Action: "output", Package: pkg, Test: test, Output: "    x_test.go:1: noise\n"},
		{Action: "pass", Package: pkg, Test: test},
	}
}

func skips(pkg, test, reason string) []event {
	return []event{
		{Action: "run", Package: pkg, Test: test},
		{Action: "output", Package: pkg, Test: test, Output: "    x_test.go:1: " + reason + "\n"},
		{Action: "output", Package: pkg, Test: test, Output: "--- SKIP: " + test + " (0.00s)\n"},
		{Action: "skip", Package: pkg, Test: test},
	}
}

func summarise(t *testing.T, strict bool, events ...event) (text string, green bool) {
	t.Helper()
	var out bytes.Buffer
	r := newReport(&out)
	require.NoError(t, r.read(strings.NewReader(stream(t, events...))))
	green = r.close(strict)
	return out.String(), green
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	return lines[len(lines)-1]
}

func TestPassingTestsAreCountedAndTheirOutputIsLeftOut(t *testing.T) {
	events := append(passes("m/a", "TestOne"), passes("m/a", "TestOne/sub")...)
	events = append(events,
		event{Action: "output", Package: "m/a", Output: "ok  \tm/a\t0.1s\n"},
		event{Action: "pass", Package: "m/a"})
	text, green := summarise(t, true, events...)
	require.True(t, green)
	require.Equal(t, "ok  \tm/a\t0.1s\n2 passed, 0 failed, 0 skipped\n", text)
}

func TestFiguresOfPassingTestsStandAboveTheLastLine(t *testing.T) {
	text, green := summarise(t, true,
		event{Action: "run", Package: "m/a", Test: "TestOne"},
		event{Action: "output", Package: "m/a", Test: "TestOne", Output: "    x_test.go:1: figure: conformance: 3/3\n"},
		event{Action: "output", Package: "m/a", Test: "TestOne", Output: "    x_test.go:2: noise\n"},
		event{Action: "pass", Package: "m/a", Test: "TestOne"})
	require.True(t, green)
	require.Equal(t, "conformance: 3/3\n1 passed, 0 failed, 0 skipped\n", text)
}

func TestAFailedTestIsPrintedWhole(t *testing.T) {
	text, green := summarise(t, false,
		event{Action: "run", Package: "m/a", Test: "TestBad"},
		event{Action: "output", Package: "m/a", Test: "TestBad", Output: "=== RUN   TestBad\n"},
		event{Action: "output", Package: "m/a", Test: "TestBad", Output: "    x_test.go:2: wrong\n"},
		event{Action: "output", Package: "m/a", Test: "TestBad", Output: "--- FAIL: TestBad (0.00s)\n"},
		event{Action: "fail", Package: "m/a", Test: "TestBad"},
		event{Action: "output", Package: "m/a", Output: "-test.shuffle 7\n"},
		event{Action: "fail", Package: "m/a"})
	require.False(t, green)
	require.Contains(t, text, "--- FAIL: m/a TestBad\n    x_test.go:2: wrong\n-test.shuffle 7\n")
	require.Contains(t, text, "failed: m/a TestBad\n")
	require.Equal(t, "0 passed, 1 failed, 0 skipped", lastLine(text))
}

func TestATestThatDiedWithItsPackageFailed(t *testing.T) {
	text, green := summarise(t, false,
		event{Action: "run", Package: "m/a", Test: "TestPanics"},
		event{Action: "output", Package: "m/a", Test: "TestPanics", Output: "panic: boom\n"},
		event{Action: "fail", Package: "m/a"})
	require.False(t, green)
	require.Contains(t, text, "--- FAIL: m/a TestPanics\npanic: boom\n")
	require.Equal(t, "0 passed, 1 failed, 0 skipped", lastLine(text))
}

func TestAPackageThatDoesNotBuildIsOneFailure(t *testing.T) {
	events := append(passes("m/a", "TestOne"),
		event{Action: "build-output", ImportPath: "m/b", Output: "b_test.go:3:27: undefined: y\n"},
		event{Action: "build-fail", ImportPath: "m/b"},
		event{Action: "output", Package: "m/b", Output: "FAIL\tm/b [build failed]\n"},
		event{Action: "fail", Package: "m/b"})
	text, green := summarise(t, false, events...)
	require.False(t, green)
	require.Contains(t, text, "b_test.go:3:27: undefined: y\nFAIL\tm/b [build failed]\n")
	require.Equal(t, "1 passed, 1 failed, 0 skipped", lastLine(text))
}

func TestSkips(t *testing.T) {
	for _, tt := range []struct {
		name   string
		reason string
		strict bool
		green  bool
	}{
		{"a GPU may be missing in CI", "no GPU here: make gpu", true, true},
		{"a cluster may be missing in CI", "no cluster here: make e2e", true, true},
		{"a tool may not be missing in CI", "ffmpeg is missing: make tools", true, false},
		{"a tool may be missing elsewhere", "ffmpeg is missing: make tools", false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			events := append(passes("m/a", "TestOne"), skips("m/a", "TestTwo", tt.reason)...)
			text, green := summarise(t, tt.strict, events...)
			require.Equal(t, tt.green, green)
			require.Contains(t, text, "m/a TestTwo: x_test.go:1: "+tt.reason+"\n")
			require.Equal(t, "1 passed, 0 failed, 1 skipped", lastLine(text))
		})
	}
}

func TestNoTestAtAllIsAFailure(t *testing.T) {
	text, green := summarise(t, false,
		event{Action: "output", Package: "m/a", Output: "?   \tm/a\t[no test files]\n"},
		event{Action: "skip", Package: "m/a"})
	require.False(t, green)
	require.Equal(t, "0 passed, 0 failed, 0 skipped", lastLine(text))
}

func TestTheEndOfAFloodIsKept(t *testing.T) {
	r := newReport(new(bytes.Buffer))
	id := testID{"m/a", "TestFloods"}
	line := strings.Repeat("x", 1<<16) + "\n"
	for range 100 {
		r.print(id, line)
	}
	r.print(id, "the end\n")
	text := r.take(id)
	require.LessOrEqual(t, len(text), maxOutput+64)
	require.Contains(t, text, "bytes left out]\n")
	require.True(t, strings.HasSuffix(text, "the end\n"))
}

func TestALineThatIsNoEventIsPrintedAsItIs(t *testing.T) {
	var out bytes.Buffer
	r := newReport(&out)
	require.NoError(t, r.read(strings.NewReader("go: downloading something\n")))
	require.Equal(t, "go: downloading something\n", out.String())
}
