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
	default:
		return false
	}
	return true
}

func (r *Reached) put(t TaskRun) {
	if r.at == nil {
		r.at = make(map[int]int, len(r.Tasks)+1)
		for i, t := range r.Tasks {
			r.at[t.Index] = i
		}
	}
	i, known := r.at[t.Index]
	if known {
		r.Tasks[i] = t
		return
	}
	if len(r.Tasks) < maxReached {
		r.at[t.Index] = len(r.Tasks)
		r.Tasks = append(r.Tasks, t)
	}
}
