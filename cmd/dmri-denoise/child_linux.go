package main

import (
	"os/exec"
	"syscall"
)

// stopGently puts a child out of reach of the terminal's Ctrl-C, which would count as a second signal after ours; stops it by
// SIGTERM, so that it cleans up; and has the kernel send the same if this process dies.
func stopGently(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
}
