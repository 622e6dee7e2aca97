package job

import "bytes"

// fromPipeline reads a message that is a pipeline itself: a map with tasks or entries.
func fromPipeline(d document, c content) (*Message, error) {
	if !d.has("tasks") && !d.has("entries") {
		return nil, nil
	}
	j := &Job{Inline: d.body}
	j.Name, _ = d.fields["name"].(string) // pipelines.Parse says what is wrong with another type
	return c.asks(j, nil)
}

// fromTemplate takes a pipeline that is no YAML before its templates are expanded. It is for pipelines.Parse to say what
// is wrong with it, if anything is.
func fromTemplate(body []byte) *Job {
	if !bytes.Contains(body, []byte("{%")) && !bytes.Contains(body, []byte("{{")) {
		return nil
	}
	for line := range bytes.Lines(body) {
		if bytes.HasPrefix(line, []byte("tasks:")) || bytes.HasPrefix(line, []byte("entries:")) {
			return &Job{Inline: body}
		}
	}
	return nil
}
