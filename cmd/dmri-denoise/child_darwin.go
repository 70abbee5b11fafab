package main

import (
	"os/exec"
	"syscall"
)

// stopGently puts a child out of reach of the terminal's Ctrl-C, which would count as a second signal after ours, and stops
// it by SIGTERM, so that it cleans up.
func stopGently(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
}
