package renderer

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// font is DejaVu Sans, which has Latin, Greek, Cyrillic, Arabic, Hebrew and many signs. Others that are installed are used for what it lacks.
	font = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"

	maxCaptions = 128 << 10 // bytes of text
	maxCues     = 10_000
	lineLetters = 42 // of a line that is read at a glance
	cueLetters  = 2 * lineLetters
	longWord    = 15 // letters; a longer word takes as long as several
	shownFor    = 7 * time.Second
)

// checkFont is an error where captions can't be drawn.
func checkFont(file string) error {
	if _, err := os.Stat(file); err != nil {
		return fmt.Errorf("captions need the font DejaVu Sans, and there is no %s; use the heavy image, or as root on Debian 12: apt-get install fonts-dejavu-core", file)
	}
	return nil
}

// A cue is a caption and when it is shown.
type cue struct {
	start, end time.Duration
	text       string
}

// frames are the first and the last frame that show a caption; the last comes first where it falls between two. Times are read as script
// writes them.
func (q cue) frames(fps, most int) (first, last int) {
	at := func(d time.Duration) int { return int(math.Ceil(float64(hundredths(d))/100*float64(fps) - 1e-6)) }
	return at(q.start), min(at(q.end), most) - 1
}

// captioned leaves out the captions that no frame shows, and tells of those and of what is too long to be seen whole.
func (pl *plan) captioned() {
	all := len(pl.cues)
	pl.cues = slices.DeleteFunc(pl.cues, func(q cue) bool {
		first, last := q.frames(pl.FPS, pl.frames)
		return last < first
	})
	if n := all - len(pl.cues); n > 0 {
		pl.warn("%d of %d captions are not shown: they fall between two frames, or after the last", n, all)
	}
	size := letterSize(pl.Width, pl.Height)
	fit := (pl.Width * 7 / 8 * 2 / size) * (pl.Height * 17 / 18 * 5 / 6 / size) // a letter is about half as wide as high
	if slices.ContainsFunc(pl.cues, func(q cue) bool { return utf8.RuneCountInString(q.text) > fit }) {
		pl.warn("a caption has more letters than the picture has room for (about %d), and is not seen whole; cut it into several", fit)
	}
}

// letterSize is the height of a line of captions, in pixels.
func letterSize(width, height int) int { return max(min(width, height)/15, 8) }

// readCaptions reads one text, or a list with times.
func readCaptions(v any, perMinute int) ([]cue, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		if len(v) > maxCaptions {
			return nil, fmt.Errorf("the text has %d bytes, and may have %d", len(v), maxCaptions)
		}
		return timed(v, perMinute), nil
	case []any:
		return listed(v)
	}
	return nil, errors.New("write a text, or a list of {text, start, end}")
}

// listed reads a list of captions.
func listed(list []any) ([]cue, error) {
	if len(list) > maxCues {
		return nil, fmt.Errorf("there are %d, and may be %d", len(list), maxCues)
	}
	var all []cue
	bytes := 0
	for i, item := range list {
		m, ok := item.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("caption %d must be a map of text, start and end", i)
		}
		text, isText := m["text"].(string)
		start, starts := number(m["start"])
		end, ends := number(m["end"])
		bytes += len(text)
		switch {
		case !isText || !starts || !ends || len(m) != 3:
			return nil, fmt.Errorf("caption %d must have a text, and a start and an end in seconds", i)
		case start < 0 || end <= start || end > maxDuration.Seconds():
			return nil, fmt.Errorf("caption %d is shown from %v to %v s, and must end after it starts and within %s", i, start, end, maxDuration)
		case bytes > maxCaptions:
			return nil, fmt.Errorf("their texts have more than %d bytes", maxCaptions)
		}
		if words := words(text); len(words) > 0 {
			all = append(all, cue{seconds(start), seconds(end), strings.Join(words, " ")})
		}
	}
	return all, nil
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case int:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// timed cuts a text into captions of two lines, at the end of a sentence where there is one, and gives each the time that reading its
// words takes.
func timed(text string, perMinute int) []cue {
	each := time.Minute / time.Duration(perMinute)
	var all []cue
	var held []string
	letters, spoken, at := 0, 0, time.Duration(0)
	flush := func() {
		if held == nil {
			return
		}
		end := at + time.Duration(spoken)*each
		all = append(all, cue{at, end, strings.Join(held, " ")})
		held, letters, spoken, at = nil, 0, 0, end
	}
	for _, word := range words(text) {
		n := utf8.RuneCountInString(word)
		takes := (n + longWord - 1) / longWord
		if letters+n > cueLetters || time.Duration(spoken+takes)*each > shownFor {
			flush()
		}
		held, letters, spoken = append(held, word), letters+n+1, spoken+takes
		if strings.ContainsAny(word[len(word)-1:], ".!?") && letters > lineLetters/2 {
			flush()
		}
	}
	flush()
	return all
}

// words are what is read of a text: what is not seen is left out, and what is longer than a line is cut.
func words(text string) []string {
	seen := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == utf8.RuneError || unicode.IsControl(r) || isDirection(r):
			return -1
		}
		return r
	}, text)
	var all []string
	for word := range strings.FieldsSeq(seen) {
		if strings.IndexFunc(word, isSeen) < 0 {
			continue
		}
		letters := []rune(word)
		for len(letters) > lineLetters {
			all, letters = append(all, string(letters[:lineLetters])), letters[lineLetters:]
		}
		all = append(all, string(letters))
	}
	return all
}

// isDirection says whether a sign turns the direction of what follows, also beyond its own text: the text itself tells it well enough.
func isDirection(r rune) bool {
	return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// isSeen says whether a sign is drawn by itself.
func isSeen(r rune) bool {
	return unicode.IsGraphic(r) && !unicode.IsMark(r) && !unicode.Is(unicode.Cf, r) && !unicode.IsSpace(r) && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// script is the captions as libass reads them (Advanced SubStation Alpha).
func script(cues []cue, width, height int) string {
	var b strings.Builder
	side, size := min(width, height), letterSize(width, height)
	fmt.Fprintf(&b, "[Script Info]\nScriptType: v4.00+\nPlayResX: %d\nPlayResY: %d\nWrapStyle: 0\nScaledBorderAndShadow: yes\nYCbCr Matrix: None\n\n", width, height)
	b.WriteString("[V4+ Styles]\nFormat: Name, Fontname, Fontsize, PrimaryColour, OutlineColour, BackColour, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding\n")
	// White with a black edge, below in the middle; -1 takes the direction of writing from the text.
	fmt.Fprintf(&b, "Style: Caption,DejaVu Sans,%d,&H00FFFFFF,&H00000000,&H80000000,1,%d,0,2,%d,%d,%d,-1\n\n", size, max(side/240, 1), width/16, width/16, height/18)
	b.WriteString("[Events]\nFormat: Layer, Start, End, Style, Text\n")
	for _, q := range cues {
		fmt.Fprintf(&b, "Dialogue: 0,%s,%s,Caption,%s\n", clock(q.start), clock(q.end), escape(q.text))
	}
	return b.String()
}

// escape takes their meaning from the signs that have one in a script. A backslash means nothing before a sign that joins words and is not seen.
func escape(text string) string {
	return strings.NewReplacer(`\`, "\\\u2060", "{", `\{`, "}", `\}`).Replace(text)
}

func hundredths(d time.Duration) int64 {
	return int64((d + 5*time.Millisecond) / (10 * time.Millisecond))
}

// clock writes a time as scripts have it: hundredths of a second.
func clock(d time.Duration) string {
	n := hundredths(d)
	return fmt.Sprintf("%d:%02d:%02d.%02d", n/360_000, n/6000%60, n/100%60, n%100)
}
