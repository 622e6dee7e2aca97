package worker_test

import "github.com/millrace/millrace/worker/job"

func jobOf(id string) *job.Job { return &job.Job{ID: id, Pipeline: "p"} }
