package cloud

import (
	"net/url"
	"strings"
)

// QueueRegion is the region in a host of SQS as AWS names them; empty where it has none.
func QueueRegion(host string) string {
	labels := strings.Split(host, ".")
	for i, l := range labels {
		switch {
		case (l == "sqs" || l == "sqs-fips") && i+1 < len(labels) && strings.Contains(labels[i+1], "-"):
			return labels[i+1] // sqs.REGION.amazonaws.com, vpce-….sqs.REGION.vpce.amazonaws.com
		case l == "queue" && i == 1 && IsAWS(host):
			return labels[0] // REGION.queue.amazonaws.com
		}
	}
	return ""
}

// QueueHost is the one name that a queue's server has in lists, by whatever host it is reached: of AWS's that of its region,
// of others their own.
func QueueHost(host string) string {
	region := QueueRegion(host)
	switch {
	case region == "" || !IsAWS(host):
		return host
	case strings.HasSuffix(host, ".cn"):
		return "sqs." + region + ".amazonaws.com.cn"
	}
	return "sqs." + region + ".amazonaws.com"
}

// IsAWS says whether a host is below a domain of AWS's. That does not make it one of AWS's services: customers' machines
// have names there too.
func IsAWS(host string) bool {
	return strings.HasSuffix(host, ".amazonaws.com") || strings.HasSuffix(host, ".amazonaws.com.cn") || strings.HasSuffix(host, ".api.aws")
}

// IsSQS says whether a queue's URL leads to AWS's own SQS and to nothing else: by TLS, on its usual port, and at a host that
// AWS gives to that service alone.
func IsSQS(u *url.URL) bool {
	if u.Scheme != "https" || u.Port() != "" && u.Port() != "443" || u.User != nil || !IsAWS(u.Hostname()) {
		return false
	}
	host := u.Hostname()
	for _, domain := range []string{".vpce.amazonaws.com.cn", ".vpce.amazonaws.com", ".amazonaws.com.cn", ".amazonaws.com", ".api.aws"} {
		if rest, ok := strings.CutSuffix(host, domain); ok {
			return isService(strings.Split(rest, "."), strings.HasPrefix(domain, ".vpce"))
		}
	}
	return false
}

// isService judges what stands before AWS's domain. A bucket may be called sqs: sqs.s3.amazonaws.com is one.
func isService(labels []string, endpoint bool) bool {
	switch {
	case endpoint: // vpce-ID.sqs.REGION
		return len(labels) == 3 && strings.HasPrefix(labels[0], "vpce-") && labels[1] == "sqs" && isRegion(labels[2])
	case len(labels) == 1: // queue
		return labels[0] == "queue"
	case len(labels) == 2 && (labels[0] == "sqs" || labels[0] == "sqs-fips"):
		return isRegion(labels[1])
	}
	return len(labels) == 2 && labels[1] == "queue" && isRegion(labels[0])
}

// isRegion says whether s looks like eu-west-1 or us-gov-east-1.
func isRegion(s string) bool {
	parts := strings.Split(s, "-")
	last := len(parts) - 1
	letter := func(r rune) bool { return r >= 'a' && r <= 'z' }
	return last >= 2 && len(parts[0]) == 2 && strings.Trim(strings.Join(parts[:last], ""), "abcdefghijklmnopqrstuvwxyz") == "" &&
		parts[last] != "" && !strings.ContainsFunc(parts[last], letter)
}
