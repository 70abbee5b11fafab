// Package batch runs one program over many scans of a BIDS data set: on this machine within a budget of threads and memory,
// or as job arrays of a Slurm cluster.
//
// A [Plan] is a list of tasks, one scan each, kept as JSON lines. An [Executor] carries out one task: it looks whether the
// outputs are there already and were made from the same input with the same settings, calls a [Runner] that writes into a
// private work folder, and publishes everything by renaming, the image last. [Local] and [Slurm] decide when and where
// tasks run; both end in the same call, so their outputs are the same.
//
// There is no state but files: the outputs themselves, and logs/state/TASK.json with what happened to a task last. A batch
// that was stopped, killed or lost its node is taken up by running it again.
//
// The package knows no flags of the command line and prints nothing.
package batch
