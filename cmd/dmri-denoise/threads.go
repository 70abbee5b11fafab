package main

import (
	"runtime"
	"strconv"
)

// threadVariables are read in this order when --nthreads is not given: what batch systems grant a job, then the
// habit of OpenMP programs.
var threadVariables = []string{"SLURM_CPUS_PER_TASK", "NSLOTS", "PBS_NCPUS", "OMP_NUM_THREADS"}

// threadCount returns the number of workers to use. requested comes from --nthreads (or DMRI_DENOISE_NTHREADS) when
// given is true; 0 means one thread, as in MRtrix. Without it the batch system's grant counts, else the CPUs that
// the process may use, container limits included.
func threadCount(requested int, given bool, getenv func(string) string) (int, error) {
	if given {
		if requested < 0 {
			return 0, usagef("--nthreads %d: must not be negative", requested)
		}
		return max(requested, 1), nil
	}
	for _, name := range threadVariables {
		if n, err := strconv.Atoi(getenv(name)); err == nil && n > 0 {
			return n, nil
		}
	}
	return runtime.GOMAXPROCS(0), nil
}
