package record

import (
	"slices"
	"strings"

	"github.com/millrace/millrace/worker/job"
)

// Ours says whether a key of the store is one that is written there for jobs: a record, an output, an upload. A job made of such
// an object would be the next one's cause.
func Ours(key string) bool {
	folder, _, below := strings.Cut(key, "/")
	return below && (folder+"/" == job.Uploads || slices.Contains(folders(), folder))
}

// folders are those that the records of all jobs lie in, and their outputs.
func folders() []string {
	all := []string{"jobs", "index", "outbox", "pipelines", "probe", strings.TrimSuffix(KeptPrefix(0), "/")}
	for _, days := range Kept() {
		all = append(all, strings.TrimSuffix(KeptPrefix(days), "/"))
	}
	return all
}
