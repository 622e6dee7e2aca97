package route

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/nunjucks"
	"github.com/millrace/millrace/pipelines/render"
	"github.com/millrace/millrace/worker/job"
)

const (
	// maxState is how many bytes of JSON the state of a job may come to: a message has to hold it.
	maxState = 128 << 10
	// renderTime ends the templates of one upload.
	renderTime = time.Second
	// maxTitle bounds the title of a job, in characters.
	maxTitle = 200
)

// Staging variables: what every job of a rule has in its state, and no rule may set in its own.
const (
	stagingBucket = "stagingBucket"       // of input and results
	stagingInput  = "stagingInputPrefix"  // folder of the input, without a slash at its end
	stagingOutput = "stagingOutputPrefix" // folder of the results, likewise
	inputFilename = "inputFilename"       // name of the input
	outputStem    = "outputStem"          // name of the results, without their extension
)

// stagingNames are the staging variables, in the order in which a job has them.
func stagingNames() []string {
	return []string{stagingBucket, stagingInput, stagingOutput, inputFilename, outputStem}
}

// make makes the job of an object.
func (rs *Rules) make(r *Rule, o object) (*job.Job, error) {
	ctx, cancel := context.WithTimeout(context.Background(), renderTime)
	defer cancel()
	vars, err := rs.scope(ctx, r.variables(o))
	if err != nil {
		return nil, err
	}
	customer, err := r.customer(ctx, vars)
	if err != nil {
		return nil, err
	}
	j := r.base()
	j.ID, j.Customer, j.Name, j.Title = r.id(o, customer), customer, r.Name, title(o)
	vars = vars.With(map[string]any{"id": j.ID})
	staging, err := r.staging(ctx, o, vars)
	if err != nil {
		return nil, err
	}
	state, err := r.state(ctx, vars)
	if err != nil {
		return nil, err
	}
	maps.Copy(state, staging)
	text, err := json.Marshal(state)
	if err != nil {
		return nil, fmt.Errorf("write its state: %w", err)
	}
	if len(text) > maxState {
		return nil, fmt.Errorf("its state comes to %d bytes, and %d are allowed", len(text), maxState)
	}
	j.State, j.StateOrder = state, r.stateOrder()
	return j, nil
}

// base is a job as every one of the rule begins.
func (r *Rule) base() *job.Job {
	j := *r.job
	j.Requires = maps.Clone(j.Requires)
	if j.Callback != nil {
		j.Callback = new(*j.Callback)
	}
	if j.KeepOutputs != nil {
		j.KeepOutputs = new(*j.KeepOutputs)
	}
	return &j
}

// id is the same for every delivery of one change, wherever it is routed. What was uploaded to a gateway has the ID that the
// gateway has told its sender. The event's own ID, else the number that its source gives to changes, else its time tells two of
// the same content apart.
func (r *Rule) id(o object, customer string) string {
	if o.Source == fromGateway && o.ID != "" {
		return o.ID
	}
	change := cmp.Or(o.ID, o.Sequencer)
	if change == "" && !o.Time.IsZero() {
		change = o.Time.UTC().Format(time.RFC3339Nano)
	}
	h := sha256.New()
	for _, part := range []string{r.Name, o.Endpoint, o.Bucket, o.Key, cmp.Or(o.Version, o.ETag), change, string(o.Kind)} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	id := "u-" + hex.EncodeToString(h.Sum(nil)[:16])
	if customer != "" {
		return customer + "." + id
	}
	return id
}

// title is what people call the job of an object.
func title(o object) string {
	r := []rune(strings.TrimPrefix(o.Bucket+"/"+o.Key, "/"))
	if len(r) > maxTitle {
		return string(r[:maxTitle]) + "…"
	}
	return string(r)
}

// variableNames are what a rule's templates can say.
func variableNames() []string {
	return []string{
		"bucket", "key", "name", "stem", "extension", "directory", "size", "etag", "version", "sequencer", "event", "kind",
		"source", "region", "type", "time", "route", "id", "groups", "now",
	}
}

func (r *Rule) variables(o object) map[string]any {
	vars := map[string]any{
		"bucket": o.Bucket, "key": o.Key, "name": o.name, "stem": o.stem, "extension": o.ext, "directory": o.dir,
		"size": nil, "etag": o.ETag, "version": o.Version, "sequencer": o.Sequencer, "event": o.Event, "kind": string(o.Kind),
		"source": o.Source, "region": o.Region, "type": o.Type, "time": "", "route": r.Name, "groups": r.groups(o.Key),
	}
	if o.Size >= 0 {
		vars["size"] = o.Size
	}
	if !o.Time.IsZero() {
		vars["time"] = render.Timestamp(o.Time)
	}
	return vars
}

// groups are what the regex's named groups found; "" where one took no part.
func (r *Rule) groups(key string) map[string]any {
	all := map[string]any{}
	if r.Regex == nil {
		return all
	}
	found := r.Regex.FindStringSubmatch(key)
	for i, name := range r.Regex.SubexpNames() {
		if name != "" && i < len(found) {
			all[name] = found[i]
		}
	}
	return all
}

func (r *Rule) customer(ctx context.Context, vars *render.State) (string, error) {
	if r.Customer == "" {
		return "", nil
	}
	name, err := vars.Text(ctx, r.Customer)
	if err != nil {
		return "", fmt.Errorf("customer: %w", err)
	}
	if !job.IsName(name) {
		return "", fmt.Errorf("customer comes to %q, which is no customer's name: they have 1 to 40 of a-z, 0-9 and -, a letter or digit first", pipelines.Shorten(name))
	}
	return name, nil
}

// staging are the staging variables: where the input lies and where what is made of it belongs.
func (r *Rule) staging(ctx context.Context, o object, vars *render.State) (map[string]any, error) {
	folder, err := r.folder(ctx, o, vars)
	if err != nil {
		return nil, fmt.Errorf("output.prefix: %w", err)
	}
	stem, err := vars.Text(ctx, r.Output.Stem())
	switch {
	case err != nil:
		return nil, fmt.Errorf("output.name: %w", err)
	case stem == "" || len(stem) > 255 || strings.ContainsAny(stem, "/\x00"):
		return nil, fmt.Errorf("output.name comes to %q, which can't be a file's name", pipelines.Shorten(stem))
	case o.dir == folder && (stem == o.stem || stem == o.name):
		return nil, errors.New("its result would have the name of its input, which it would overwrite; say another output.name")
	}
	return map[string]any{
		stagingBucket: o.Bucket, stagingInput: o.dir, stagingOutput: folder, inputFilename: o.name, outputStem: stem,
	}, nil
}

// folder is where the results belong. What was uploaded to us has its own, beside that of the inputs.
func (r *Rule) folder(ctx context.Context, o object, vars *render.State) (string, error) {
	if inputs, ours := strings.CutSuffix(o.dir, "/inputs"); ours && r.Output.Prefix == "" && o.Source == fromGateway {
		return inputs + "/outputs", nil
	}
	folder, err := vars.Text(ctx, r.Output.Folder())
	if err != nil {
		return "", err
	}
	folder = strings.TrimSuffix(folder, "/")
	for part := range strings.SplitSeq(folder, "/") {
		if part == "" || part == "." || part == ".." || strings.IndexByte(part, 0) >= 0 {
			return "", fmt.Errorf("it comes to %q, and a folder can't have a part that is empty or dots alone", pipelines.Shorten(folder))
		}
	}
	if len(folder) > maxKey {
		return "", fmt.Errorf("it comes to %d bytes, and a key has %d at most", len(folder), maxKey)
	}
	return folder, nil
}

func (r *Rule) state(ctx context.Context, vars *render.State) (map[string]any, error) {
	out := make(map[string]any, len(r.State)+len(stagingNames()))
	for _, key := range slices.Sorted(maps.Keys(r.State)) {
		v, err := vars.Value(ctx, r.State[key])
		if err != nil {
			return nil, fmt.Errorf("state.%s: %w", pipelines.Shorten(key), err)
		}
		out[key] = v
	}
	return out, nil
}

// stateOrder is the rule's own keys as they stand there, then the staging variables.
func (r *Rule) stateOrder() *nunjucks.Order {
	out := &nunjucks.Order{Keys: append(r.order.Of(r.State), stagingNames()...)}
	if r.order != nil {
		out.In = r.order.In
	}
	return out
}

// scope is what templates see. The upload's own texts are data: no template in a key is ever rendered.
func (rs *Rules) scope(ctx context.Context, vars map[string]any) (*render.State, error) {
	return render.NewState(ctx, render.Config{Data: vars, TrustData: true, Templates: rs.cache})
}
