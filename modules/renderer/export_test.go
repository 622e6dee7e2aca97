package renderer

import "time"

// CheckFont is an error where captions can't be drawn.
func CheckFont(file string) error { return checkFont(file) }

// Timed are the captions of a text: when each begins and ends, and what it says.
func Timed(text string, perMinute int) (starts, ends []time.Duration, texts []string) {
	for _, q := range timed(text, perMinute) {
		starts, ends, texts = append(starts, q.start), append(ends, q.end), append(texts, q.text)
	}
	return starts, ends, texts
}
