// Command dmri-denoise removes thermal noise from diffusion MRI scans.
//
// Each subcommand has a file of its own: an options struct, a constructor that declares its flags, a validation
// that runs before any work, and a function that does the work. The mathematics is in the packages denoise,
// diffusion, gradients, nifti and qc; this package only wires them, prints and exits.
package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

func main() {
	os.Exit(realMain())
}

// heapGrowth is how far the heap may grow over what is in use before it is
// collected, in per cent. Nearly all of it is a few large arrays, so collecting
// costs next to nothing, while the usual 100 would double the peak.
const (
	heapGrowth      = 10
	heapGrowthLarge = 5 // for scans of reloadFrom bytes and more
)

func realMain() int {
	debug.SetGCPercent(heapGrowth)
	ctx, stop := withSignals(context.Background())
	defer stop()
	u := newUI(os.Stdout, os.Stderr)
	err := execute(ctx, u, os.Args[1:])
	if err == nil {
		err = u.printed()
	}
	if errors.Is(err, syscall.EPIPE) { // the reader has all it wanted: info IN | head
		return exitSignalBase + int(syscall.SIGPIPE)
	}
	if err != nil && !interrupted(ctx) {
		u.fail(err)
	}
	if sig, ok := signalOf(ctx); ok && err != nil {
		u.interrupt(sig)
	}
	return exitCode(ctx, err)
}

// Exit statuses, as printed under EXIT STATUS in every help page.
const (
	exitOK          = 0
	exitError       = 1
	exitUsage       = 2
	exitBadInput    = 3
	exitSomeFailed  = 4
	exitNoResources = 5
	exitSignalBase  = 128
)

// exitCode is the only place where an error becomes a process exit status.
func exitCode(ctx context.Context, err error) int {
	sig, signalled := signalOf(ctx)
	var usage *usageError
	var input *inputError
	switch {
	case signalled:
		return exitSignalBase + int(sig)
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, errOutOfMemory), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.ENOMEM):
		return exitNoResources
	case errors.As(err, &input), isBadImage(err), isBadTable(err):
		return exitBadInput
	case errors.Is(err, errSomeFailed):
		return exitSomeFailed
	default:
		return exitError
	}
}

func isBadImage(err error) bool {
	for _, kind := range []error{nifti.ErrNotNIfTI, nifti.ErrUnsupported, nifti.ErrTruncated,
		nifti.ErrCorrupt, nifti.ErrInvalidHeader, nifti.ErrTooLarge} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

func isBadTable(err error) bool {
	for _, kind := range []error{gradients.ErrNotFound, gradients.ErrSyntax, gradients.ErrShape, gradients.ErrValue,
		gradients.ErrCount, gradients.ErrSwapped} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// signalCause is the cancellation cause left in the context by a signal.
type signalCause struct{ signal syscall.Signal }

func (s signalCause) Error() string { return "stopped by signal: " + s.signal.String() }

// stopSignals end the work: the user's, the batch system's, the closed terminal's, and that of a pipe whose reader has
// gone (run IN 2>&1 | head).
var stopSignals = []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE}

// withSignals returns a context that the first of stopSignals cancels, so that running work can clean up after itself;
// a second signal ends the process at once.
func withSignals(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	for _, s := range stopSignals {
		// A shell script ignores SIGINT for what it starts with &, nohup ignores SIGHUP; that stays so.
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	go func() {
		for n := 0; ; n++ {
			received, open := <-signals
			if !open {
				return
			}
			number, ok := received.(syscall.Signal)
			if !ok {
				number = syscall.SIGINT
			}
			if number == syscall.SIGPIPE && n > 0 {
				continue // messages on the way out meet the same pipe
			}
			if n > 0 {
				os.Exit(exitSignalBase + int(number))
			}
			cancel(signalCause{number})
		}
	}()
	return ctx, func() { signal.Stop(signals); close(signals); cancel(nil) }
}

func signalOf(ctx context.Context) (syscall.Signal, bool) {
	var cause signalCause
	if errors.As(context.Cause(ctx), &cause) {
		return cause.signal, true
	}
	return 0, false
}

func interrupted(ctx context.Context) bool {
	_, ok := signalOf(ctx)
	return ok
}
