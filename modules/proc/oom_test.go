package proc_test

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/proc"
)

func TestWhomTheKernelKillsForMemoryIsCounted(t *testing.T) {
	const v1, v2 = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", "low 0\nhigh 0\nmax 41\noom 9\noom_kill 7\noom_group_kill 0\n"
	for _, tt := range []struct {
		name, own, file, text string
		want                  int64
	}{
		{"in a container", "0::/\n", "sys/fs/cgroup/memory.events", v2, 7},
		{"in a group of systemd's", "0::/system.slice/millrace.service\n", "sys/fs/cgroup/system.slice/millrace.service/memory.events", v2, 7},
		{"by version 1", "5:cpu,cpuacct:/a\n4:memory:/jobs/a\n0::/\n", "sys/fs/cgroup/memory/jobs/a/memory.oom_control", v1, 3},
		{"by version 1 in a container", "4:hugetlb,memory:/docker/0f\n", "sys/fs/cgroup/memory/memory.oom_control", v1, 3},
		{"above the namespace's root", "0::/../../other\n", "sys/fs/cgroup/memory.events", v2, 7},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := fstest.MapFS{"proc/self/cgroup": {Data: []byte(tt.own)}, tt.file: {Data: []byte(tt.text)}}
			counter := proc.OOMCounter(root)
			require.Equal(t, tt.file, counter)
			n, err := proc.OOMKills(root, counter)
			require.NoError(t, err)
			require.Equal(t, tt.want, n)
		})
	}
}

func TestWhereNobodyCountsKillsForMemoryNothingIsMadeUp(t *testing.T) {
	for _, root := range []fstest.MapFS{{}, {"proc/self/cgroup": {Data: []byte("0::/\n1:cpu:/\nnonsense\n")}}} {
		require.Empty(t, proc.OOMCounter(root))
	}
	_, err := proc.OOMKills(fstest.MapFS{"memory.oom_control": {Data: []byte("under_oom 0\n")}}, "memory.oom_control")
	require.EqualError(t, err, "count kills for memory: memory.oom_control does not say (a kernel before 4.13)")
}
