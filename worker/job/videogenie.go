package job

// videoGenie is the pipeline that its payloads are for.
const videoGenie = "videogenie_render"

// fromVideoGenie reads what VideoGenie's producers send, as its renderer, its orchestrator or its avatar service has it:
// {"jobId", "avatar", "script"}, {"jobId", "avatarId", "voiceId", "text", "script", "slides"}, {"avatarId", "voiceUrl"}. All of it
// becomes the state of the pipeline, which knows either name.
func fromVideoGenie(d document, c content) (*Message, error) {
	if !isVideoGenie(d) {
		return nil, nil
	}
	j := &Job{Pipeline: videoGenie, State: d.fields, StateOrder: d.order}
	if d.fields["jobId"] != nil {
		if err := set("jobId", d.fields["jobId"], "text", &j.ID); err != nil {
			return nil, err
		}
	}
	return c.asks(j, nil)
}

func isVideoGenie(d document) bool {
	avatar := d.has("avatar") || d.has("avatarId")
	words := d.has("script") || d.has("text")
	return d.has("jobId") && (avatar || words) || avatar && (words || d.has("voiceUrl"))
}
