package main

import (
	"errors"
	"syscall"
	"testing"
	"testing/fstest"
)

func TestParseSize(t *testing.T) {
	for _, test := range []struct {
		text string
		want int64
		bad  bool
	}{
		{text: "", want: 0}, {text: "8G", want: 8 << 30}, {text: "8g", want: 8 << 30}, {text: "8GiB", want: 8 << 30}, {text: "8GB", want: 8 << 30},
		{text: "1.5G", want: 3 << 29}, {text: "4000M", want: 4000 << 20}, {text: "512K", want: 512 << 10}, {text: "1T", want: 1 << 40},
		{text: "2000", want: 2000 << 20},
		{text: "0", bad: true}, {text: "-1G", bad: true}, {text: "G", bad: true}, {text: "B", bad: true}, {text: "NaN", bad: true}, {text: "1e30T", bad: true}, {text: "8X", bad: true},
	} {
		t.Run(test.text, func(t *testing.T) {
			got, err := parseSize("mem", test.text)
			if (err != nil) != test.bad || got != test.want {
				t.Errorf("parseSize(%q) = %d, %v, want %d, error %v", test.text, got, err, test.want, test.bad)
			}
		})
	}
}

func TestCheckSpace(t *testing.T) {
	for _, test := range []struct {
		name, image string
		bytes, free int64
		full        bool
	}{
		{"room enough", "a.nii", 100, 100, false},
		{"one byte short", "a.nii", 100, 99, true},
		{"compressed to half", "a.nii.gz", 100, 50, false},
		{"compressed and still too large", "a.nii.gz", 100, 49, true},
		{"free space not known", "a.nii", 100, -1, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := checkSpace(test.image, test.bytes, test.free)
			if errors.Is(err, syscall.ENOSPC) != test.full || (err != nil) != test.full {
				t.Errorf("checkSpace(%q, %d, %d) = %v, want an error: %v", test.image, test.bytes, test.free, err, test.full)
			}
			if test.full && exitCode(t.Context(), err) != exitNoResources {
				t.Errorf("exit status %d, want %d", exitCode(t.Context(), err), exitNoResources)
			}
		})
	}
	if free := freeSpace(t.TempDir()); free == 0 || free < -1 {
		t.Errorf("freeSpace = %d, want bytes or -1", free)
	}
}

func TestCgroupLimit(t *testing.T) {
	const none = "9223372036854771712\n" // as version 1 writes it
	for _, test := range []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"nothing known", nil, 0},
		{"version 2, in a container", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1000\n"}, 1000},
		{"version 2, no limit", map[string]string{"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n"}, 0},
		{"version 2, a limit around it", map[string]string{"proc/self/cgroup": "0::/job/step\n", "sys/fs/cgroup/job/memory.max": "2000\n", "sys/fs/cgroup/job/step/memory.max": "max\n"}, 2000},
		{"version 2, the lowest", map[string]string{"proc/self/cgroup": "0::/job/step\n", "sys/fs/cgroup/job/memory.max": "2000\n", "sys/fs/cgroup/job/step/memory.max": "500\n"}, 500},
		{"version 1", map[string]string{"proc/self/cgroup": "5:cpu,cpuacct:/x\n4:hugetlb,memory:/slurm/job\n", "sys/fs/cgroup/memory/slurm/job/memory.limit_in_bytes": "3000\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": none}, 3000},
		{"version 1, no limit", map[string]string{"proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": none}, 0},
		{"version 1, a container that is told another name", map[string]string{"proc/self/cgroup": "4:memory:/docker/abc\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "4000\n"}, 4000},
		{"both", map[string]string{"proc/self/cgroup": "4:memory:/a\n0::/b\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "4000\n", "sys/fs/cgroup/b/memory.max": "5000\n"}, 4000},
		{"groups not told", map[string]string{"sys/fs/cgroup/memory/memory.limit_in_bytes": "6000\n"}, 6000},
		{"a way out of the tree", map[string]string{"proc/self/cgroup": "0::/../../etc\n", "etc/memory.max": "7\n", "sys/fs/cgroup/memory.max": "8000\n"}, 8000},
		{"nonsense", map[string]string{"proc/self/cgroup": "memory\n:::\n", "sys/fs/cgroup/memory.max": "x\n"}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := fstest.MapFS{}
			for name, text := range test.files {
				root[name] = &fstest.MapFile{Data: []byte(text)}
			}
			if got := cgroupLimit(root); got != test.want {
				t.Errorf("cgroupLimit = %d, want %d", got, test.want)
			}
		})
	}
}
