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

// foreign names a message that is another system's; empty when it is not.
func foreign(d document) string {
	if list, ok := d.value.([]any); ok {
		return foreignList(list)
	}
	records, _ := d.fields["Records"].([]any)
	_, operations := d.fields["operations"].([]any)
	switch {
	case d.fields["Event"] == "s3:TestEvent":
		return S3TestEvent
	case d.has("Type", "TopicArn"):
		return "an SNS notification"
	case d.has("specversion"):
		return "a CloudEvent"
	case d.has("detail-type", "source"):
		return "an EventBridge event"
	case len(records) > 0:
		return "an S3 event"
	case d.has("bucket", "key", "operation"), d.has("bucket", "key", "notification"):
		return "an IBM Cloud Object Storage event"
	case operations, d.has("agendaTemplateId"), d.has("agendaId", "params"):
		return "an agenda"
	case d.fields["kind"] == "EphemeralAccelerationJob":
		return "an EphemeralAccelerationJob"
	case d.has("appdef"), d.has("commands"):
		return "an AppDef"
	}
	return ""
}

func foreignList(list []any) string {
	if len(list) == 0 {
		return ""
	}
	if class, ok := list[0].(string); ok && strings.HasSuffix(class, "S3Pointer") {
		return pointer
	}
	if event, ok := list[0].(map[string]any); ok && event["specversion"] != nil {
		return "a batch of CloudEvents"
	}
	return ""
}

// foreignJob names what is asked about only when the message is no job of ours.
func foreignJob(d document) string {
	if d.has("jobId", "avatar") || d.has("jobId", "avatarId") || d.has("jobId", "script") {
		return "a VideoGenie job"
	}
	return ""
}
