package keda

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/keda/pods"
	"github.com/millrace/millrace/worker/queue"
)

func TestWork(t *testing.T) {
	five := trigger{target: 5, slots: 5}
	for _, tt := range []struct {
		name    string
		load    queue.Load
		census  pods.Census
		trigger trigger
		want    int
	}{
		{"nothing is nothing", queue.Load{}, pods.Census{Complete: true}, five, 0},
		{"what waits, and what was sent with a delay", queue.Load{Visible: 3, Delayed: 2}, pods.Census{Complete: true}, five, 5},
		{"what SQS hides for back-off is no work while all pods answer", queue.Load{InFlight: 7}, pods.Census{Complete: true, Pods: 2}, five, 0},
		{"nor with no pod at all", queue.Load{InFlight: 7}, pods.Census{Complete: true}, five, 0},
		{"what COS hides for back-off is none anyway", queue.Load{Later: 7}, pods.Census{}, five, 0},
		{"what runs the pods know", queue.Load{Visible: 4, InFlight: 9}, pods.Census{Complete: true, Pods: 1, Busy: 1, Jobs: 3}, five, 7},
		{"where nobody knows pods, all in flight runs", queue.Load{Visible: 4, InFlight: 9}, pods.Census{}, five, 13},
		{"each busy pod keeps a replica", queue.Load{}, pods.Census{Complete: true, Pods: 5, Busy: 3, Jobs: 3}, five, 15},
		{"so does a silent one", queue.Load{}, pods.Census{Complete: true, Pods: 5, Busy: 1, Jobs: 1, Silent: 2}, five, 15},
		{"a silent pod may have all its slots busy", queue.Load{InFlight: 9}, pods.Census{Complete: true, Pods: 1, Silent: 1}, trigger{target: 1, slots: 4}, 4},
		{"but no more than are in flight", queue.Load{InFlight: 2}, pods.Census{Complete: true, Pods: 1, Silent: 1}, trigger{target: 1, slots: 4}, 2},
		{"a broker that lags does not make a job vanish", queue.Load{}, pods.Census{Complete: true, Pods: 1, Busy: 1, Jobs: 3}, trigger{target: 1, slots: 4}, 3},
		{"nor count as one that waits", queue.Load{Visible: 2}, pods.Census{Complete: true, Pods: 1, Busy: 1, Jobs: 3}, trigger{target: 1, slots: 4}, 5},
		{"nor where pods may be missing", queue.Load{InFlight: 1}, pods.Census{Pods: 1, Busy: 1, Jobs: 3}, trigger{target: 1, slots: 4}, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, reading{load: tt.load, then: tt.census, census: tt.census}.work(tt.trigger))
		})
	}
}

func TestWhatIsDueBesidesMessagesKeepsOneReplica(t *testing.T) {
	five := trigger{target: 5, slots: 5}
	require.Equal(t, 1, reading{due: true, census: pods.Census{Complete: true}}.work(five))
	require.Equal(t, 3, reading{due: true, load: queue.Load{Visible: 3}}.work(five), "those workers do it")
}

func TestInAnOutageWhatBeganSinceIsNotCountedTwice(t *testing.T) {
	r := reading{load: queue.Load{Visible: 4}, then: pods.Census{Complete: true, Pods: 2}, census: pods.Census{Complete: true, Pods: 2, Busy: 2, Jobs: 4}}
	require.Equal(t, 4, r.work(trigger{target: 2, slots: 4}))
	r.load.Visible = 0
	require.Equal(t, 4, r.work(trigger{target: 1, slots: 4}), "what runs keeps its replicas")
}

func TestParseTrigger(t *testing.T) {
	for _, tt := range []struct {
		name     string
		metadata map[string]string
		want     trigger
		wrong    string
	}{
		{"the defaults", map[string]string{"queue": "light", "scalerAddress": "millrace-scaler:9090"}, trigger{queue: "light", target: 5, slots: 5}, ""},
		{"a GPU has one job", map[string]string{"queue": "gpu"}, trigger{queue: "gpu", target: 1, slots: 1}, ""},
		{"a pod has as many slots as make a replica, unless it says", map[string]string{"queue": "gpu", "target": "2"}, trigger{queue: "gpu", target: 2, slots: 2}, ""},
		{"both are said", map[string]string{"queue": "heavy", "target": "8", "slots": "4", "enableTLS": "true"}, trigger{queue: "heavy", target: 8, slots: 4}, ""},
		{"KEDA has read it from the environment", map[string]string{"queueFromEnv": "light"}, trigger{queue: "light", target: 5, slots: 5}, ""},
		{"a key that is misspelt", map[string]string{"queue": "light", "traget": "8"}, trigger{}, `there is no key "traget"; there are queue, target and slots`},
		{"a key that is there twice", map[string]string{"queue": "light", "queueFromEnv": "gpu"}, trigger{}, "there is both queue and queueFromEnv"},
		{"no number", map[string]string{"queue": "light", "target": "many"}, trigger{}, `target must be 1 to 10000, got "many"`},
		{"too much", map[string]string{"queue": "light", "slots": "10001"}, trigger{}, `slots must be 1 to 10000, got "10001"`},
		{"nothing", map[string]string{"queue": "light", "slots": "0"}, trigger{}, `slots must be 1 to 10000, got "0"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseTrigger(tt.metadata)
			if tt.wrong != "" {
				require.ErrorContains(t, err, tt.wrong)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}
