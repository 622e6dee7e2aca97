package usdchecker_test

import (
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/tool"
	"github.com/millrace/millrace/modules/usdchecker"
)

// A verdict is what OpenUSD says of a file.
type verdict struct {
	Verdict  string   `json:"verdict"`
	Errors   []string `json:"errors"`
	Warnings []string `json:"warnings"`
}

// verdicts are OpenUSD's, by file and mode.
func verdicts(t *testing.T) map[string]map[string]verdict {
	t.Helper()
	text, err := os.ReadFile("testdata/verdicts.json")
	require.NoError(t, err)
	var all map[string]map[string]verdict
	require.NoError(t, json.Unmarshal(text, &all))
	require.Len(t, all, 30)
	return all
}

// call is a call with the test files in its workspace: with the real tool, or without.
func call(t *testing.T, with bool) (*modules.Call, *moduletest.Recorder) {
	t.Helper()
	c, r := moduletest.Call(t)
	c.Exec, c.Tools = &proc.Local{}, &tool.Set{}
	if with {
		c.Tools = moduletest.Tools(t)
	}
	require.NoError(t, os.CopyFS(c.Workspace.Real(), os.DirFS("testdata")))
	return c, r
}

func texts(v any) []string {
	list, _ := v.([]any)
	all := make([]string, len(list))
	for i, e := range list {
		all[i] = e.(string)
	}
	return all
}

func TestEveryVerdictAndErrorIsOpenUSDs(t *testing.T) {
	c, _ := call(t, true)
	for file, modes := range verdicts(t) {
		for mode, want := range modes {
			if same := modes["arkit"]; mode == "default" && slices.Equal(same.Errors, want.Errors) && slices.Equal(same.Warnings, want.Warnings) {
				continue // asked where it says something else
			}
			t.Run(mode+" "+file, func(t *testing.T) {
				t.Parallel()
				out, err := usdchecker.Module.Run(t.Context(), c, map[string]any{"src": file, "config": map[string]any{"arkit": mode == "arkit"}})
				require.NoError(t, err)
				require.Equal(t, want.Verdict, out["verdict"])
				require.ElementsMatch(t, want.Errors, texts(out["errors"]))
				require.ElementsMatch(t, want.Warnings, texts(out["warnings"]))
				require.Equal(t, want.Verdict == "pass", out["valid"])
				require.Equal(t, "OpenUSD 26.11", out["by"])
			})
		}
	}
}

// ours are the rules that need no OpenUSD.
func ours(codes []string) []string {
	var all []string
	for _, code := range codes {
		for _, rule := range []string{"StageMetadataChecker.", "UnresolvableDependency", "UsdzPackageValidator.", "FileExtensionValidator."} {
			if strings.Contains(code, rule) {
				all = append(all, code)
			}
		}
	}
	return all
}

func TestWithoutOpenUSDNothingIsJudgedWrongly(t *testing.T) {
	c, _ := call(t, false)
	for file, modes := range verdicts(t) {
		for mode, want := range modes {
			out, err := usdchecker.Module.Run(t.Context(), c, map[string]any{"src": file, "config": map[string]any{"arkit": mode == "arkit"}})
			require.NoError(t, err, file)
			require.NotEqual(t, "pass", out["verdict"])
			require.Equal(t, false, out["valid"])
			if want.Verdict == "unreadable" {
				require.Equal(t, want.Verdict, out["verdict"], file)
				require.NotEmpty(t, out["reason"])
				continue
			}
			require.NotEmpty(t, out["unchecked"])
			unseen := strings.Contains(strings.Join(texts(out["unchecked"]), "\n"), "stage metadata")
			require.Equal(t, unseen, crate(t, file), "%s: %v", file, out["unchecked"])
			if !unseen {
				require.ElementsMatch(t, ours(want.Errors), texts(out["errors"]), file)
			}
			require.Subset(t, append(want.Errors, want.Warnings...), append(texts(out["errors"]), texts(out["warnings"])...), file)
		}
	}
}

// crate says whether a file's stage is binary.
func crate(t *testing.T, file string) bool {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", file))
	require.NoError(t, err)
	return strings.Contains(string(data[:min(len(data), 200)]), "PXR-USDC")
}

const stage = "#usda 1.0\n(\n    \"\"\"upAxis = \"Q\" # no\n    \"\"\"\n    defaultPrim = \"World\"\n    metersPerUnit = 1\n    upAxis = \"Y\"\n)\n\ndef Xform \"World\"\n{\n    BODY\n}\n"

func TestAReportNamesTheFileByItsName(t *testing.T) {
	c, _ := call(t, true)
	require.NoError(t, c.Workspace.WriteFile("model.txt", []byte("#usda 1.0\ndef Xform \"a\" {}\n")))
	out, err := usdchecker.Module.Run(t.Context(), c, map[string]any{"src": "model.txt", "dest": "report.json"})
	require.NoError(t, err)
	require.Equal(t, "fail", out["verdict"])
	text, err := c.Workspace.ReadFile("report.json")
	require.NoError(t, err)
	require.Contains(t, string(text), "model.txt")
	require.NotContains(t, string(text), ".usdchecker-")
}

func TestBothSayTheSameOfText(t *testing.T) {
	const unresolved = "usdUtilsValidators:MissingReferenceValidator.UnresolvableDependency"
	const noDefault = "usdValidation:StageMetadataChecker.MissingDefaultPrim"
	swap := func(old, by string) string { return strings.Replace(stage, old, by, 1) }
	for _, tt := range []struct {
		name, text string
		errors     []string
	}{
		{"clean", swap("BODY", ""), nil},
		{"a picture that is there", swap("BODY", "asset a = @./clean/texture.jpg@"), nil},
		{"one that is not", swap("BODY", "asset a = @nope.png@"), []string{unresolved}},
		{"one of another machine", swap("BODY", "asset a = @/home/artist/nope.png@"), []string{unresolved}},
		{"a web address", swap("BODY", "asset a = @https://example.com/x.png@"), []string{unresolved}},
		{"no path", swap("BODY", "asset a = @@"), nil},
		{"in a comment and in a text", swap("BODY", "# @no.png@\n string s = \"@no.png@\" /* @no.png@ */"), nil},
		{"what names the asset itself", swap("{\n    BODY", "(assetInfo = { asset identifier = @no.png@ })\n{"), nil},
		{"custom data", swap("{\n    BODY", "(customData = { asset identifier = @no.png@ })\n{"), []string{unresolved}},
		{"another prim", swap("defaultPrim = \"World\"", "defaultPrim = \"Other\""), []string{noDefault}},
		{"a path to the prim", swap("defaultPrim = \"World\"", "defaultPrim = \"/World\""), nil},
		{"a sublayer that lacks a picture", swap("upAxis = \"Y\"", "subLayers = [@./bad/brokenDep.usd@]\n upAxis = \"Y\""), []string{unresolved}},
		{"a layer that refers to itself", swap("BODY", "def \"x\" (references = @a.usda@</World>)\n{\n}"), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, with := range []bool{true, false} {
				c, _ := call(t, with)
				require.NoError(t, c.Workspace.WriteFile("a.usda", []byte(strings.Replace(tt.text, "BODY", "", 1))))
				out, err := usdchecker.Module.Run(t.Context(), c, map[string]any{"src": "a.usda"})
				require.NoError(t, err)
				got := texts(out["errors"])
				if with {
					got = ours(got)
				}
				require.NotEqual(t, "unreadable", out["verdict"], out["reason"])
				require.ElementsMatch(t, tt.errors, got, out["by"])
			}
		})
	}
}

func TestTheReportIsAFileAnOutputAndAValueOfTheState(t *testing.T) {
	c, r := call(t, true)
	out, err := usdchecker.Module.Run(t.Context(), c, map[string]any{
		"src": "/home/workspace/bad/brokenDep.usd", "dest": "out/report.json", "resultKey": "usd", "config": map[string]any{"arkit": true, "s": true},
	})
	require.NoError(t, err)
	require.Equal(t, out, r.State["usd"])
	require.Contains(t, texts(out["warnings"]), "config.skipVariants changes nothing: every variant is checked")
	require.Contains(t, r.Stdout.String(), "/home/workspace/bad/brokenDep.usd: fail (OpenUSD 26.11): 3 errors, 0 warnings\n")
	text, err := c.Workspace.ReadFile("out/report.json")
	require.NoError(t, err)
	require.Contains(t, string(text), "Found unresolvable external dependency '/home/workspace/bad/nonExistent.jpg'.")
	require.NotContains(t, string(text), c.Workspace.Real())
}

func TestAFileIsWhatItHolds(t *testing.T) {
	c, _ := call(t, true)
	require.NoError(t, c.Workspace.Rename("clean/clean.usdz", "upload.bin"))
	require.NoError(t, c.Workspace.Rename("clean/clean_flat.usdc", "flat.usda"))
	for _, name := range []string{"upload.bin", "flat.usda"} {
		out, err := usdchecker.Module.Run(t.Context(), c, map[string]any{"src": name})
		require.NoError(t, err)
		if name == "upload.bin" {
			require.Equal(t, "pass", out["verdict"], out["reason"])
		} else {
			require.NotEqual(t, "unreadable", out["verdict"], out["reason"])
		}
	}
	left, err := c.Workspace.Glob(".usdchecker*")
	require.NoError(t, err)
	require.Empty(t, left)
	for _, text := range []string{"", "solid x", "\x00\x01\x02"} {
		require.NoError(t, c.Workspace.WriteFile("junk.usdz", []byte(text)))
		out, err := usdchecker.Module.Run(t.Context(), c, map[string]any{"src": "junk.usdz"})
		require.NoError(t, err)
		require.Equal(t, "unreadable", out["verdict"])
		require.Equal(t, "it is none of the formats of USD: text, crate and package", out["reason"])
	}
}

func TestNothingOutsideTheWorkspaceIsRead(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret.usda")
	require.NoError(t, os.WriteFile(secret, []byte(strings.Replace(stage, "BODY", "", 1)), 0o600))
	for _, with := range []bool{true, false} {
		for name, to := range map[string]string{
			"an absolute path": secret, "a path upwards": strings.Repeat("../", 12) + secret[1:], "a link": "link.usda",
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				c, r := call(t, with)
				require.NoError(t, os.Symlink(secret, path.Join(c.Workspace.Real(), "link.usda")))
				require.NoError(t, c.Workspace.WriteFile("a.usda", []byte(strings.Replace(stage, "BODY", "def \"x\" (references = @"+to+"@)\n{\n}", 1))))
				_, err := usdchecker.Module.Run(t.Context(), c, map[string]any{"src": "a.usda", "dest": "r.json"})
				require.ErrorContains(t, err, "check a.usda: it refers to files outside the workspace: [")
				require.Equal(t, fault.Permanent, fault.Of(err))
				require.NotContains(t, r.Stdout.String(), "upAxis")
			})
		}
	}
}

func TestWhatIsTooLargeIsRefusedBeforeItIsRead(t *testing.T) {
	c, _ := moduletest.Call(t)
	require.NoError(t, c.Workspace.WriteFile("big.usdc", []byte("PXR-USDC")))
	big := filepath.Join(c.Workspace.Real(), "big.usdc")
	require.NoError(t, os.Truncate(big, 1<<20))
	w, err := modules.Probe(t.Context(), usdchecker.Module, c, map[string]any{"src": "big.usdc"})
	require.NoError(t, err)
	require.Equal(t, modules.Demand{Input: 1 << 20, Memory: 134 << 20}, w.Demand)
	require.NoError(t, os.Truncate(big, 3<<30))
	_, err = modules.Probe(t.Context(), usdchecker.Module, c, map[string]any{"src": "big.usdc"})
	require.EqualError(t, err, "read big.usdc: it has 3072 MiB, more than the 2048 that are checked")
	require.Equal(t, fault.Permanent, fault.Of(err))
}
