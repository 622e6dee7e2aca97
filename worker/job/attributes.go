package job

import (
	"strings"

	"github.com/millrace/millrace/pipelines/nunjucks"
	"github.com/millrace/millrace/worker/queue"
)

// fromAttributes reads the job from the message's attributes "pipeline", "version", "entry" and "state.<key>" when its
// body is {}.
func fromAttributes(d document, m queue.Message) (*Job, error) {
	name, ok := m.Attributes["pipeline"]
	if d.fields == nil || len(d.fields) > 0 || !ok {
		return nil, nil
	}
	j := &Job{Entry: m.Attributes["entry"]}
	if err := j.call(name); err != nil {
		return nil, err
	}
	if version, ok := m.Attributes["version"]; ok {
		if err := j.pin(version); err != nil {
			return nil, err
		}
	}
	order := map[string]*nunjucks.Order{}
	for k, v := range m.Attributes {
		key, ok := strings.CutPrefix(k, "state.")
		if !ok || key == "" {
			continue
		}
		if j.State == nil {
			j.State = map[string]any{}
		}
		j.State[key], order[key] = typed(v)
	}
	j.StateOrder = nunjucks.Ordering(nil, order)
	return j, nil
}
