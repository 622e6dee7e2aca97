package route

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/worker/job"
)

// maxKey is how long a key may be, in bytes: S3 and COS take no longer ones.
const maxKey = 1024

// An object is what an upload tells of, its key taken apart.
type object struct {
	job.Upload
	dir  string // without the slash at its end; empty at the top
	name string // behind the last slash
	stem string // of name
	ext  string // of name, with its dot
	odd  string // why no rule takes it; empty where one may
}

// objectOf takes an upload apart.
func objectOf(u job.Upload) object {
	o := object{Upload: u, name: u.Key}
	if i := strings.LastIndexByte(u.Key, '/'); i >= 0 {
		o.dir, o.name = u.Key[:i], u.Key[i+1:]
	}
	o.stem = o.name
	if i := strings.LastIndexByte(o.name, '.'); i > 0 {
		o.stem, o.ext = o.name[:i], o.name[i:]
	}
	switch {
	case u.Key == "":
		o.odd = "the event names no object"
	case len(u.Key) > maxKey:
		o.odd = fmt.Sprintf("the key is longer than %d bytes, which no bucket takes", maxKey)
	case !utf8.ValidString(u.Key) || strings.IndexByte(u.Key, 0) >= 0:
		o.odd = "the key is no text: it holds a NUL, or is not UTF-8"
	case o.name == "":
		o.odd = "the key ends in a slash: it is a folder's, and holds no file"
	case o.name == "." || o.name == "..":
		o.odd = fmt.Sprintf("the key ends in %q, which can't be a file's name", o.name)
	case o.dir == "" && u.Key[0] == '/':
		o.odd = "the key is a slash and a name: it has a folder without a name, which no path can say"
	}
	return o
}

// refuses says why the rule does not take the object; "" where it does.
func (rs *Rules) refuses(r *Rule, o object) string {
	if o.odd != "" {
		return o.odd
	}
	for _, check := range []func(object) string{r.source, r.event, r.bucket, r.key, r.size} {
		if why := check(o); why != "" {
			return why
		}
	}
	return rs.result(r, o)
}

func (r *Rule) source(o object) string {
	if len(r.Sources) == 0 || slices.Contains(r.Sources, o.Source) {
		return ""
	}
	return fmt.Sprintf("the event comes from %q, and the route takes those of %s", pipelines.Shorten(o.Source), quoted(r.Sources))
}

func (r *Rule) event(o object) string {
	for _, e := range r.Events {
		head, any := strings.CutSuffix(e, "*")
		if e == string(o.Kind) || e == o.Event || any && strings.HasPrefix(o.Event, head) {
			return ""
		}
	}
	return fmt.Sprintf("the event is %q (%s), and the route takes %s", pipelines.Shorten(o.Event), o.Kind, quoted(r.Events))
}

func (r *Rule) bucket(o object) string {
	if r.takesBucket(o.Bucket) {
		return ""
	}
	return fmt.Sprintf("the bucket is %q, and the route takes %s", pipelines.Shorten(o.Bucket), quoted(r.Buckets))
}

func (r *Rule) takesBucket(name string) bool {
	return len(r.Buckets) == 0 || slices.ContainsFunc(r.Buckets, func(glob string) bool {
		ok, err := path.Match(glob, name)
		return ok && err == nil
	})
}

func (r *Rule) key(o object) string {
	if !strings.HasPrefix(o.Key, r.Prefix) {
		return fmt.Sprintf("the key does not begin with %q", r.Prefix)
	}
	if len(r.Suffixes) > 0 && !r.takesSuffix(o.Key, r.endsIn()) {
		why := "the key does not end in " + quoted(r.Suffixes)
		if !r.IgnoreCase && r.takesSuffix(o.Key, endsInAnyCase) {
			why += "; it would with ignore_case: true"
		}
		return why
	}
	if r.Regex != nil && !r.Regex.MatchString(o.Key) {
		return fmt.Sprintf("the key does not match the regex %q", r.Regex)
	}
	return ""
}

func (r *Rule) takesSuffix(key string, endsIn func(text, suffix string) bool) bool {
	return slices.ContainsFunc(r.Suffixes, func(s string) bool { return endsIn(key, s) })
}

// endsIn is how the rule holds a key against a suffix.
func (r *Rule) endsIn() func(text, suffix string) bool {
	if r.IgnoreCase {
		return endsInAnyCase
	}
	return strings.HasSuffix
}

// endsInAnyCase is strings.HasSuffix for letters of either case, of any script.
func endsInAnyCase(text, suffix string) bool {
	start := len(text)
	for range utf8.RuneCountInString(suffix) { // the two cases of a letter may differ in their bytes
		_, size := utf8.DecodeLastRuneInString(text[:start])
		start -= size
	}
	return strings.EqualFold(text[start:], suffix)
}

func (r *Rule) size(o object) string {
	switch {
	case r.MinSize <= 0 && r.MaxSize < 0:
	case o.Size < 0:
		return "the event does not say how large the object is, and the route wants to know"
	case o.Size < r.MinSize:
		return fmt.Sprintf("the object has %d bytes, and the route wants %d at least", o.Size, r.MinSize)
	case r.MaxSize >= 0 && o.Size > r.MaxSize:
		return fmt.Sprintf("the object has %d bytes, and the route takes %d at most", o.Size, r.MaxSize)
	}
	return ""
}

// result says why a rule does not take what a job of a rule has made. What a rule names in OutputsOf it takes, but never
// what it may have made itself.
func (rs *Rules) result(r *Rule, o object) string {
	maker, wanted := "", false
	for _, m := range rs.List {
		switch {
		case !m.made(o):
		case m == r:
			return "the object is a result of this route, by its folder and name: taking it would go on for ever"
		default:
			maker, wanted = m.Name, wanted || slices.Contains(r.OutputsOf, m.Name)
		}
	}
	if maker == "" || wanted {
		return ""
	}
	return fmt.Sprintf("the object is a result of the route %q, by its folder and name; to take those too say outputs_of: [%s]", maker, maker)
}

// made says whether an object is a result of the rule's jobs, by its folder and its name.
func (r *Rule) made(o object) bool {
	below := strings.HasPrefix(o.Key, r.Output.folderHead()) || r.Output.Prefix == "" && isStaged(o.Key)
	return o.Source != fromGateway && below && r.takesBucket(o.Bucket) && strings.HasPrefix(o.name, r.Output.nameHead())
}

// isStaged says whether a key is where the results of an upload to a gateway belong: below "uploads/<job>/outputs/".
func isStaged(key string) bool {
	_, below, _ := strings.Cut("/"+key, "/"+job.Uploads)
	_, rest, _ := strings.Cut(below, "/")
	return strings.HasPrefix(rest, "outputs/")
}

// takes is why the rule fires.
func (r *Rule) takes(o object) string {
	var parts []string
	if len(r.Buckets) > 0 {
		parts = append(parts, "the bucket is "+quoted([]string{o.Bucket}))
	}
	if r.Prefix != "" {
		parts = append(parts, "the key begins with "+strconv.Quote(r.Prefix))
	}
	if len(r.Suffixes) > 0 {
		parts = append(parts, "the key ends in "+quoted(r.Suffixes))
	}
	if r.Regex != nil {
		parts = append(parts, "the key matches the regex")
	}
	parts = append(parts, fmt.Sprintf("the event is %q (%s)", pipelines.Shorten(o.Event), o.Kind))
	return strings.Join(parts, ", ")
}

// quoted lists words: "a", "b" or "c".
func quoted(words []string) string {
	const shown = 8
	var out []string
	for _, w := range words[:min(len(words), shown)] {
		out = append(out, strconv.Quote(pipelines.Shorten(w)))
	}
	if more := len(words) - shown; more > 0 {
		out = append(out, fmt.Sprintf("%d more", more))
	}
	if len(out) == 1 {
		return out[0]
	}
	return strings.Join(out[:len(out)-1], ", ") + " or " + out[len(out)-1]
}
