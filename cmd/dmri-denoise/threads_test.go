package main

import "testing"

func TestThreadCount(t *testing.T) {
	for _, test := range []struct {
		name      string
		requested int
		given     bool
		env       map[string]string
		want      int
	}{
		{name: "flag wins", requested: 3, given: true, env: map[string]string{"SLURM_CPUS_PER_TASK": "8"}, want: 3},
		{name: "zero is one", given: true, want: 1},
		{name: "Slurm before OpenMP", env: map[string]string{"SLURM_CPUS_PER_TASK": "8", "OMP_NUM_THREADS": "2"}, want: 8},
		{name: "SGE", env: map[string]string{"NSLOTS": "5"}, want: 5},
		{name: "PBS", env: map[string]string{"PBS_NCPUS": "6"}, want: 6},
		{name: "OpenMP", env: map[string]string{"OMP_NUM_THREADS": "7"}, want: 7},
		{name: "nonsense is passed over", env: map[string]string{"SLURM_CPUS_PER_TASK": "many", "NSLOTS": "-1", "OMP_NUM_THREADS": "7"}, want: 7},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := threadCount(test.requested, test.given, func(name string) string { return test.env[name] })
			if err != nil || got != test.want {
				t.Errorf("threadCount = %d, %v, want %d", got, err, test.want)
			}
		})
	}
	if got, err := threadCount(0, false, func(string) string { return "" }); err != nil || got < 1 {
		t.Errorf("threadCount without anything = %d, %v, want at least 1", got, err)
	}
	if _, err := threadCount(-1, true, func(string) string { return "" }); err == nil {
		t.Error("threadCount(-1): no error")
	}
}
