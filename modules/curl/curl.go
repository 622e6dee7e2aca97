// Package curl is the Curl module: it fetches a file, and takes the options of the program of that name.
//
// It differs from that program where a pipeline would suffer from it: an answer that is no success (status 300 and above)
// is an error, and never saved; a failed transfer is tried again, from where it broke off where the server allows; one
// that hardly moves is given up; and the file appears under its name when it is complete and checked.
package curl

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/egress"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/redact"
)

// Module is the Curl task.
var Module = modules.Define(modules.Spec{
	Name:    "Curl",
	Summary: "Downloads a file from a web address.",
	Example: "- module: Curl\n  props:\n    src: https://models.example.com/gear.stl\n    dest: gear.stl\n    config: {location: true}\n  register: fetched",
}, run)

// Props are what a task writes under props.
type Props struct {
	Src      string         `json:"src" aliases:"url" doc:"Address, http or https."`
	Dest     string         `json:"dest,omitzero" aliases:"dst" doc:"File to write, unless config has output; it appears when it is complete."`
	Checksum string         `json:"checksum,omitzero" doc:"What the file must come to, such as sha256:9f86d08…; also sha512, sha1 and md5."`
	Config   map[string]any `json:"config,omitzero" doc:"Options of curl, by long or short name: request, location, header, data, user, max-time, retry, max-filesize, range and others. An answer of status 300 or above fails (as with fail), retry is 4 unless given (0 for other methods than GET and HEAD), max-filesize 10G (0 is none), speed-limit 1024 bytes a second over a speed-time of 60 s."`
}

// Output is what register stores.
type Output struct {
	modules.ToolOutput
	Status      int    `json:"status" doc:"Status code of the last answer: 200, or 206 where a part was asked for."`
	ContentType string `json:"contentType,omitzero" doc:"Type of the file, as the server says."`
	Resumed     int    `json:"resumed" doc:"How often the transfer broke off and went on from there."`
}

// Validate checks what the tags can't say.
func (p *Props) Validate() error {
	var problems []modules.Problem
	report := func(path, format string, args ...any) {
		problems = append(problems, modules.Problem{Path: path, Msg: fmt.Sprintf(format, args...)})
	}
	if u, err := url.Parse(p.Src); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		report("src", `prop "src" must be an address such as https://example.com/gear.stl; curl's other protocols are not spoken here`)
	}
	o, wrong := parse(p.Config)
	problems = append(problems, wrong...)
	if p.Dest == "" && o.output == "" {
		report("dest", `prop "dest" is missing; say which file to write`)
	}
	if _, _, err := parseSum(p.Checksum); p.Checksum != "" && err != nil {
		report("checksum", `prop "checksum" %v`, err)
	}
	if problems != nil {
		return &modules.PropError{Problems: problems}
	}
	return nil
}

func run(ctx context.Context, c *modules.Call, p Props) (Output, error) {
	measured := modules.Measure()
	o, wrong := parse(p.Config)
	if wrong != nil {
		return Output{}, fault.As(fault.Permanent, &modules.PropError{Problems: wrong})
	}
	u, err := url.Parse(p.Src)
	if err != nil {
		return Output{}, fault.As(fault.Permanent, errors.New(`prop "src" is no address`))
	}
	tellSecrets(u, o, c.Secret)
	where := o.request() + " " + egress.Place(u)
	limited, cancel := ctx, func() {}
	if o.maxTime > 0 {
		late := fault.As(fault.Transient, fmt.Errorf("%s: not done within %s (max-time)", where, o.maxTime))
		limited, cancel = context.WithTimeoutCause(ctx, o.maxTime, late)
	}
	defer cancel()
	dest := p.Dest
	if dest == "" {
		dest = o.output
	}
	d := &download{call: c, client: client(c.HTTP, o), options: o, url: u, where: where, sum: p.Checksum}
	if err := c.Workspace.Replace(dest, func(f *os.File) error { return d.fetch(limited, f) }); err != nil {
		return Output{}, err
	}
	return Output{
		ToolOutput: modules.ToolOutput{
			Src: egress.Place(u), Dest: dest, Config: shown(p.Config), Size: strconv.FormatInt(d.size, 10), Stats: measured(),
		},
		Status: d.status, ContentType: d.contentType, Resumed: d.resumed,
	}, nil
}

// tellSecrets hands over what the request says only to its receiver.
func tellSecrets(u *url.URL, o options, tell func(string)) {
	if tell == nil {
		return
	}
	for _, s := range append(secretsIn(u), o.secrets...) {
		tell(s)
	}
}

// secretsIn are what an address holds that opens it: its password, and what its query says under a telling name.
func secretsIn(u *url.URL) (all []string) {
	if password, ok := u.User.Password(); ok && password != "" {
		all = append(all, password)
	}
	for name, values := range u.Query() {
		for _, v := range values {
			if v != "" && (redact.NameIsSecret(name) || signs(name)) {
				all = append(all, v)
			}
		}
	}
	return all
}

// signs says whether a query's name is that of a signature, which opens the address to whoever has it: those of AWS,
// Google and Azure.
func signs(name string) bool {
	name = strings.ToLower(name)
	return name == "sig" || strings.HasSuffix(name, "signature")
}
