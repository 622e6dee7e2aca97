package gltfcheck

import (
	"bytes"
	"context"
	_ "embed" // the scripts
	"encoding/json"
	"fmt"
	"strings"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/tool"
)

//go:embed check.js
var checkScript string

//go:embed node.js
var nodeScript string

// inNode runs the validator that the machine has.
func (v Validator) inNode(ctx context.Context, found tool.Found, r request) ([]byte, proc.Stats, error) {
	stdin, err := json.Marshal(r)
	if err != nil {
		return nil, proc.Stats{}, err
	}
	var report, said limited
	limits := v.Tools.LimitsOf(tool.GLTFValidator())
	exit, err := v.Exec.Run(ctx, proc.Cmd{
		Path: found.Runner, Args: []string{"-e", checkScript + nodeScript, found.Path}, Env: v.Env, Dir: r.Root,
		Stdin: bytes.NewReader(stdin), Stdout: &report, Stderr: &said, Limits: limits,
	})
	if err != nil {
		return nil, proc.Stats{}, fmt.Errorf("run %s: %w", found.Name, err)
	}
	last := lastLine(said.text)
	if exit.Code == 1 && exit.Over == "" && last != "" {
		return nil, proc.Stats{}, verdict(last)
	}
	if err := exit.Failure(found.Name, limits, last); err != nil {
		return nil, proc.Stats{}, err
	}
	if report.over {
		return nil, proc.Stats{}, fault.As(fault.Permanent, fmt.Errorf("the report is longer than %d MiB", maxReport>>20))
	}
	return report.text, exit.Stats, nil
}

func lastLine(text []byte) string {
	text = bytes.TrimSpace(text)
	return strings.ToValidUTF8(string(text[bytes.LastIndexByte(text, '\n')+1:]), "�")
}
