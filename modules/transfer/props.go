package transfer

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/workspace"
)

// What is the props by which a task says what to move. Modules embed it.
type What struct {
	Action   string   `json:"action" enum:"download,upload" doc:"download brings objects into the workspace, upload takes files to the bucket."`
	Src      string   `json:"src" doc:"What to move: a key or file; everything below a prefix, which ends in a slash, or in a folder; or a pattern such as renders/*.png, where ** is any number of folders. A slash in front of a key is left out."`
	Dest     string   `json:"dest" aliases:"dst" doc:"Where to: the new key or file; or, where it ends in a slash, is a folder, or several are moved, what they go below. The bucket itself is \"/\", the workspace \".\"."`
	Include  []string `json:"include,omitzero" doc:"Of several, only those that one of these patterns matches: the last part of their name, or, by a pattern with a slash, all of it below src."`
	Exclude  []string `json:"exclude,omitzero" doc:"Of several, not those that one of these patterns matches."`
	MaxFiles int      `json:"maxFiles" default:"10000" doc:"How many objects or files it may be; more are refused before anything is moved."`
	MaxBytes int64    `json:"maxBytes" default:"0" doc:"How many bytes several may have in all; 0 is any number."`
}

// Stored is the props by which a task says how objects are kept. Modules embed it.
type Stored struct {
	ContentType  string            `json:"contentType,omitzero" doc:"Content type of what is uploaded; without it the one that its extension stands for."`
	CacheControl string            `json:"cacheControl,omitzero" doc:"Cache-Control header that it is served with."`
	Metadata     map[string]string `json:"metadata,omitzero" doc:"Metadata of your own to keep with it."`
	StorageClass string            `json:"storageClass,omitzero" doc:"Storage class of the service's; without it the bucket's own."`
}

// A Remote is the props by which a task says how to reach a server that speaks S3. Modules embed it.
type Remote struct {
	ACL             string `json:"acl,omitzero" doc:"Canned ACL of what is uploaded, such as public-read. Without it none is asked for: most buckets take none."`
	Region          string `json:"region,omitzero" doc:"Region of the bucket; without it the operator's, else us-east-1."`
	Endpoint        string `json:"endpoint,omitzero" filled:"true" doc:"URL of the server; without it the operator's, or the service's own. Another one never gets the operator's keys from a worker."`
	AccessKeyID     string `json:"accessKeyId,omitzero" filled:"true" doc:"Access key of your own; without it the operator's."`
	SecretAccessKey string `json:"secretAccessKey,omitzero" secret:"true" filled:"true" doc:"Secret that belongs to it."`
	SessionToken    string `json:"sessionToken,omitzero" secret:"true" filled:"true" doc:"Session token, of keys that end."`
}

// Keys are the task's own; nil where it has none.
func (r *Remote) Keys() *cloud.Keys {
	if r.AccessKeyID == "" {
		return nil
	}
	return &cloud.Keys{ID: r.AccessKeyID, Secret: r.SecretAccessKey, Token: r.SessionToken}
}

// Problems returns what is wrong with props that no tag can say.
func (r *Remote) Problems() (all []modules.Problem) {
	if (r.AccessKeyID == "") != (r.SecretAccessKey == "") {
		all = append(all, modules.Problem{Path: "secretAccessKey", Msg: `props "accessKeyId" and "secretAccessKey" belong together: give both or none`})
	}
	if r.SessionToken != "" && r.AccessKeyID == "" {
		all = append(all, modules.Problem{Path: "sessionToken", Msg: `prop "sessionToken" belongs to an "accessKeyId"; give both or none`})
	}
	if u, err := url.Parse(r.Endpoint); r.Endpoint != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil) {
		all = append(all, modules.Problem{Path: "endpoint", Msg: `prop "endpoint" must be the URL of a server, such as https://host:port, without a password in it`})
	}
	if strings.Trim(r.Region, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || len(r.Region) > 63 {
		all = append(all, modules.Problem{Path: "region", Msg: fmt.Sprintf(`prop "region" must be a region's name, such as eu-central-1, got %q`, r.Region)})
	}
	return all
}

// BucketProblems returns what is wrong with the name of a bucket. It becomes part of a host's name, so it holds what all
// services let it hold and nothing else.
func BucketProblems(name string) []modules.Problem {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"
	if strings.Trim(name, letters) == "" && strings.Trim(name, ".") == name && len(name) <= 222 {
		return nil
	}
	return []modules.Problem{{Path: "bucket", Msg: fmt.Sprintf(`prop "bucket" must be the name of a bucket alone, got %q; a folder in it belongs to src or dest`, name)}}
}

// Problems returns what is wrong with props that no tag can say.
func (w *What) Problems() (all []modules.Problem) {
	for _, given := range []struct {
		prop     string
		patterns []string
	}{{"src", []string{w.Src}}, {"include", w.Include}, {"exclude", w.Exclude}} {
		for _, p := range given.patterns {
			if workspace.IsPattern(p) && !wellFormed(p) {
				all = append(all, modules.Problem{Path: given.prop, Msg: fmt.Sprintf("prop %q: pattern %q is not well formed; close every [", given.prop, p)})
			}
		}
	}
	if w.MaxFiles < 1 {
		all = append(all, modules.Problem{Path: "maxFiles", Msg: fmt.Sprintf(`prop "maxFiles" must be 1 or more, got %d`, w.MaxFiles)})
	}
	if w.MaxBytes < 0 {
		all = append(all, modules.Problem{Path: "maxBytes", Msg: fmt.Sprintf(`prop "maxBytes" must be 0 or more, got %d`, w.MaxBytes)})
	}
	return all
}
