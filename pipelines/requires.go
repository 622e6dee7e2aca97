package pipelines

import "strings"

// Limits of the labels that a pipeline, or a job, requires.
const (
	MaxLabels = 32
	MaxLabel  = 253 // bytes of a name or a value
)

// IsLabel says whether name can be that of a worker's label: 1 to 253 letters, digits, dots, hyphens, underscores and
// slashes, as Kubernetes has them.
func IsLabel(name string) bool {
	for i := range len(name) {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("._-/", c) >= 0:
		default:
			return false
		}
	}
	return name != "" && len(name) <= MaxLabel
}

// LabelName is how a label is known that is required as name: in lower case, and "kind" as the class that it means.
func LabelName(name string) string {
	name = strings.ToLower(name)
	if name == "kind" {
		return "class"
	}
	return name
}

// requires reads the labels that a worker must have. They are known before a job is chosen for a worker: nothing is rendered.
func (p *parser) requires(f field) map[string]string {
	fields := p.fields(f)
	if len(fields) > MaxLabels {
		p.Errorf(f.pos, "requires has %d labels, and %d are allowed", len(fields), MaxLabels)
		return nil
	}
	all := map[string]string{}
	for _, f := range fields {
		name, value := LabelName(f.key), strings.TrimSpace(p.text(f))
		switch {
		case !IsLabel(name):
			p.Errorf(f.pos, `requires: %q is no name of a label: it has letters, digits, ".", "_", "-" and "/"`, Shorten(f.key))
		case strings.Contains(value, "{{"), strings.Contains(value, "{%"):
			p.Errorf(f.pos, "requires.%s can't be a template: it is read before a worker takes the job", f.key)
		case value == "":
			p.Errorf(f.pos, `requires.%s is empty: write "*" for any value`, f.key)
		case len(value) > MaxLabel:
			p.Errorf(f.pos, "requires.%s is longer than %d bytes", f.key, MaxLabel)
		case all[name] != "":
			p.Errorf(f.pos, "requires: the label %q stands there twice", name)
		}
		all[name] = value
	}
	return all
}
