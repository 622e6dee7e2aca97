package job

import "strings"

const pointer = "a pointer to a body in S3"

// carrier names what packs the message, by its attributes; empty when nothing does.
func carrier(attributes map[string]string) string {
	for k := range attributes {
		switch strings.ToLower(k) {
		case "content-encoding":
			return "compressed (attribute " + k + ")"
		case "extendedpayloadsize", "sqslargepayloadsize":
			return pointer + " (attribute " + k + ")"
		}
	}
	return ""
}

// fromForeign refuses by name what is another system's.
func fromForeign(d document, c content) (*Message, error) {
	if list, ok := d.value.([]any); ok && len(list) > 0 {
		if class, ok := list[0].(string); ok && strings.HasSuffix(class, "S3Pointer") {
			return nil, c.packed(pointer)
		}
	}
	_, operations := d.fields["operations"].([]any)
	what := ""
	switch {
	case operations, d.has("agendaTemplateId"), d.has("agendaId", "params"):
		what = "an agenda"
	case d.fields["kind"] == "EphemeralAccelerationJob":
		what = "an EphemeralAccelerationJob"
	case d.has("appdef"), d.has("commands"):
		what = "an AppDef"
	default:
		return nil, nil
	}
	return nil, &Unrecognised{What: what, Keys: d.keys()}
}
