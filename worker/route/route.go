// Package route says which job is made of an upload: by a table of rules, in a file.
//
// The first rule that takes an upload makes the job, in the order of the file. Nothing is kept between two uploads, so every
// worker and every gateway with the same table comes to the same job, and a redelivery to the same ID.
package route

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/nunjucks"
	"github.com/millrace/millrace/pipelines/render"
	"github.com/millrace/millrace/worker/job"
)

// Rules are one table as it was read. They never change and are safe for concurrent use.
type Rules struct {
	Name  string // what messages call the table
	List  []*Rule
	cache *render.Cache
}

// A Rule is what is made of which uploads. What it leaves open, any upload meets.
type Rule struct {
	Name        string
	Description string
	Pos         pipelines.Pos

	Buckets    []string // names, or globs
	Prefix     string   // of the key
	Suffixes   []string // of the key: one of them
	IgnoreCase bool     // of Suffixes
	Regex      *regexp.Regexp
	anchor     string   // what every key that Regex matches begins with
	Events     []string // kinds (job.Change), or events as the source calls them, "*" at the end for any
	Sources    []string
	MinSize    int64 // bytes
	MaxSize    int64 // bytes; -1 is any
	OutputsOf  []string

	Output   Output
	Customer string         // a template
	State    map[string]any // templates
	order    *nunjucks.Order
	job      *job.Job // what every job of the rule has
}

// An Output is where a rule's jobs put what they make, and how they call it.
type Output struct {
	Prefix   string   // a template
	Name     string   // a template: what results are called, without their extension
	Suffixes []string // that results have; nil is any
}

// Pipeline is the name of the pipeline that the rule's jobs run.
func (r *Rule) Pipeline() string { return r.job.Pipeline }

// A Verdict is what a rule says of an upload.
type Verdict struct {
	Rule  string `json:"name"`
	Fires bool   `json:"fires"`
	Why   string `json:"why"` // a sentence
}

// Route makes the job of an upload, by the first rule that takes it; else it says in a sentence why there is none.
func (rs *Rules) Route(u job.Upload) (*job.Job, string) {
	j, why, err := rs.Make(u)
	if err != nil {
		return nil, err.Error()
	}
	return j, why
}

// Make is Route, but for an upload that a rule takes and can't make a job of: somebody waits for that, and the error is permanent.
func (rs *Rules) Make(u job.Upload) (j *job.Job, why string, err error) {
	o := objectOf(u)
	var verdicts []Verdict
	for _, r := range rs.List {
		if why := rs.refuses(r, o); why != "" {
			verdicts = append(verdicts, Verdict{Rule: r.Name, Why: why})
			continue
		}
		if j, err = rs.make(r, o); err != nil {
			return nil, "", fault.As(fault.Permanent, fmt.Errorf("route %q of %s: %s: %w", r.Name, rs.Name, noJob, err))
		}
		return j, "", nil
	}
	return nil, sentence(rs.Name, u, verdicts), nil
}

const noJob = "it takes the upload, but can't make a job of it"

// Explain says of each rule, in the order of the file, why it fires or does not. At most one does. Those behind the one that
// takes the upload are asked as well: they are who else would have.
func (rs *Rules) Explain(u job.Upload) []Verdict {
	o := objectOf(u)
	taken := ""
	var verdicts []Verdict
	for _, r := range rs.List {
		v := Verdict{Rule: r.Name, Why: rs.refuses(r, o)}
		switch {
		case v.Why != "":
		case taken != "":
			v.Why = fmt.Sprintf("it would take the upload, but %q stands before it", taken)
		default:
			taken = r.Name
			if _, err := rs.make(r, o); err != nil {
				v.Why = fmt.Sprintf("%s: %v", noJob, err)
				break
			}
			v.Fires, v.Why = true, r.takes(o)
		}
		verdicts = append(verdicts, v)
	}
	return verdicts
}

// sentence is why no rule fired.
func sentence(table string, u job.Upload, verdicts []Verdict) string {
	const shown = 3
	what := fmt.Sprintf("no route of %s takes %s of %q", table, u.Event, pipelines.Shorten(u.Bucket+"/"+u.Key))
	if len(verdicts) == 0 {
		return what + ": there are none"
	}
	same := true
	for _, v := range verdicts {
		same = same && v.Why == verdicts[0].Why
	}
	if same {
		return what + ": " + verdicts[0].Why
	}
	var parts []string
	for _, v := range verdicts[:min(len(verdicts), shown)] {
		parts = append(parts, v.Rule+": "+v.Why)
	}
	if more := len(verdicts) - shown; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return what + " (" + strings.Join(parts, "; ") + ")"
}
