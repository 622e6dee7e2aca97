package engine

// maxReached is how many tasks are kept of a run that somebody else tells: as many as pipelines.Parse allows. The events
// may be a hostile job's invention.
const maxReached = 5000

// Reached is the tasks of a run as its events tell them, in the order they started: what is known of it while it runs,
// and when its process died.
type Reached struct {
	Tasks []TaskRun
	at    map[int]int // where in Tasks, by index; made when it is first needed
}

// See takes an event and says whether it is about how a task stands.
func (r *Reached) See(ev *Event) bool {
	switch {
	case ev.Task < 0 || ev.Task >= maxReached:
		return false
	case ev.Kind == TaskStarted:
		r.put(TaskRun{Index: ev.Task, Name: ev.Name, Module: ev.Module, Status: Running, Started: ev.Time})
	case ev.Kind == TaskEnded && ev.TaskRun != nil:
		run := *ev.TaskRun
		run.Index = ev.Task
		r.put(run)
	case ev.Kind == TaskProgress:
		return r.progress(ev)
	default:
		return false
	}
	return true
}

// progress takes in how far a task is that runs.
func (r *Reached) progress(ev *Event) bool {
	i, known := r.places()[ev.Task]
	if !known || r.Tasks[i].Status != Running {
		return false
	}
	r.Tasks[i].Progress = min(1, max(0, ev.Progress))
	return true
}

// places is where the tasks are in Tasks, by index.
func (r *Reached) places() map[int]int {
	if r.at == nil {
		r.at = make(map[int]int, len(r.Tasks)+1)
		for i, t := range r.Tasks {
			r.at[t.Index] = i
		}
	}
	return r.at
}

func (r *Reached) put(t TaskRun) {
	i, known := r.places()[t.Index]
	if known {
		r.Tasks[i] = t
		return
	}
	if len(r.Tasks) < maxReached {
		r.at[t.Index] = len(r.Tasks)
		r.Tasks = append(r.Tasks, t)
	}
}
