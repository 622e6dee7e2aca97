package job_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/job"
)

func TestAJobHasItsOwnInputsAlone(t *testing.T) {
	for _, tt := range []struct {
		name, id, customer string
		in                 job.Input
		wrong              string // part of the sentence; empty is fine
	}{
		{"an upload of the job's own", "a1", "", job.Input{Key: "uploads/a1/inputs/gear.stl", Name: "gear.stl"}, ""},
		{"any upload, of the operator", "a1", "", job.Input{Key: "uploads/b2/inputs/gear.stl", Name: "in/gear.stl"}, ""},
		{"a file of the operator's", "a1", "", job.Input{Key: "files/gear.stl", Name: "gear.stl"}, ""},
		{"an archive for the workspace", "a1", "", job.Input{Key: "uploads/a1/inputs/w.zip", Name: ".", Unpack: true}, ""},
		{"another upload of the customer", "acme.2", "acme", job.Input{Key: "uploads/acme.1/inputs/x", Name: "x"}, ""},
		{"a file of the customer", "acme.2", "acme", job.Input{Key: "files/acme/x", Name: "x"}, ""},
		{"the job's own, of a customer that sends itself", "7", "Acme Inc", job.Input{Key: "uploads/7/inputs/x", Name: "x"}, ""},
		{"unicode", "a1", "", job.Input{Key: "uploads/a1/inputs/Zahnräder ü.stl", Name: "Zahnräder ü.stl"}, ""},

		{"another customer's", "acme.2", "acme", job.Input{Key: "uploads/other.1/inputs/x", Name: "x"}, "is no upload of customer"},
		{"a customer whose name only begins so", "acme.2", "acme", job.Input{Key: "uploads/acme-2.1/inputs/x", Name: "x"}, "is no upload of customer"},
		{"the operator's file, for a customer", "acme.2", "acme", job.Input{Key: "files/x", Name: "x"}, "is no upload of customer"},
		{"a job called like the folder", "files", "acme", job.Input{Key: "files/x", Name: "x"}, "is no upload of customer"},
		{"a record", "a1", "", job.Input{Key: "jobs/ab/a1/final", Name: "x"}, "lies outside uploads/"},
		{"a way out of the uploads", "a1", "", job.Input{Key: "uploads/a1/../../jobs/x", Name: "x"}, `has a part ".."`},
		{"a way out of the workspace", "a1", "", job.Input{Key: "uploads/a1/x", Name: "../x"}, "is no path inside a folder"},
		{"an absolute name", "a1", "", job.Input{Key: "uploads/a1/x", Name: "/etc/passwd"}, "is no path inside a folder"},
		{"the workspace, of a plain file", "a1", "", job.Input{Key: "uploads/a1/x", Name: "."}, "is no path inside a folder"},
		{"the folder of archives", "a1", "", job.Input{Key: "uploads/a1/x", Name: ".inputs/0.zip"}, "which is taken"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := (&job.Job{ID: tt.id, Customer: tt.customer, Inputs: []job.Input{tt.in}}).CheckInputs()
			if tt.wrong == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.wrong)
			require.Equal(t, fault.Permanent, fault.Of(err))
		})
	}
}

func FuzzInputsStayWhereTheyBelong(f *testing.F) {
	f.Add("acme", "uploads/acme.1/inputs/x", "a/b")
	f.Add("", "files/x", "..\\x")
	f.Fuzz(func(t *testing.T, customer, key, name string) {
		j := &job.Job{ID: "j", Customer: customer, Inputs: []job.Input{{Key: key, Name: name}}}
		if j.CheckInputs() != nil {
			return
		}
		require.True(t, strings.HasPrefix(key, job.Uploads) || strings.HasPrefix(key, job.Files))
		require.NotContains(t, strings.Split(key, "/"), "..")
		require.True(t, filepath.IsLocal(name))
		require.NotEqual(t, ".", filepath.Clean(name))
	})
}
