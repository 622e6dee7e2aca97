package renderer_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/renderer"
)

func TestCaptionsAreTimedByTheirWords(t *testing.T) {
	starts, ends, texts := renderer.Timed("Welcome to the first lesson. Today we learn how a mill works.\n\nThe water comes down the race and turns the wheel, which drives the stones.", 150)
	require.Equal(t, []string{"Welcome to the first lesson.", "Today we learn how a mill works.", "The water comes down the race and turns the wheel, which drives the stones."}, texts)
	require.Equal(t, []time.Duration{0, 2 * time.Second, 4800 * time.Millisecond}, starts)
	require.Equal(t, []time.Duration{2 * time.Second, 4800 * time.Millisecond, 10400 * time.Millisecond}, ends)
}

func TestCaptionsHoldEveryWordInTheirTime(t *testing.T) {
	text := strings.Repeat("Words follow words, and "+strings.Repeat("é", 50)+" sentences end; 漢字かな交じり文は空白なしに続くので長い。 ", 40)
	starts, ends, texts := renderer.Timed(text, 150)
	require.Equal(t, strings.Join(strings.Fields(text), ""), strings.ReplaceAll(strings.Join(texts, ""), " ", ""))
	for i := range texts {
		require.LessOrEqual(t, utf8.RuneCountInString(texts[i]), 84+42)
		require.Less(t, starts[i], ends[i])
		require.LessOrEqual(t, ends[i]-starts[i], 7*time.Second)
		if i > 0 {
			require.Equal(t, ends[i-1], starts[i])
		}
	}
	_, _, none := renderer.Timed(" \n\u200b\x00 \u202e ", 150)
	require.Empty(t, none, "what is not seen is no caption")
}

func TestAMissingFontIsASentence(t *testing.T) {
	require.EqualError(t, renderer.CheckFont("/no/font.ttf"),
		"captions need the font DejaVu Sans, and there is no /no/font.ttf; use the heavy image, or as root on Debian 12: apt-get install fonts-dejavu-core")
}
