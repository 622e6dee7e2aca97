package tool

import "time"

// Age makes everything that s remembers older.
func (s *Set) Age(by time.Duration) {
	for id, a := range s.asked {
		if !a.until.IsZero() {
			a.until = a.until.Add(-by)
			s.asked[id] = a
		}
	}
}
