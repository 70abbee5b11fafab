package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// machine describes the machine and the day.
func machine() string {
	cpu := "unknown CPU"
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			if name, ok := strings.CutPrefix(s.Text(), "model name"); ok {
				cpu = strings.TrimSpace(strings.TrimLeft(name, "\t :"))
				break
			}
		}
	}
	load := "unknown"
	if data, err := os.ReadFile("/proc/loadavg"); err == nil {
		load = strings.Fields(string(data))[0]
	}
	return fmt.Sprintf("%d cores (%s), %s/%s, load %s at the start, %s", runtime.NumCPU(), cpu, runtime.GOOS, runtime.GOARCH, load, time.Now().Format("2006-01-02"))
}

// versions names the programs that were compared.
func (e *evaluation) versions() string {
	out := strings.TrimSpace(output(e.bin, "--version")) + ", " + runtime.Version()
	if mrtrix := output("dwidenoise", "-version"); mrtrix != "" {
		out += ", " + strings.Trim(strings.SplitN(mrtrix, "\n", 2)[0], "= ")
	}
	return out
}

func output(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return ""
	}
	return string(out)
}

// usage is what a command took.
type usage struct {
	seconds float64
	peak    int64 // bytes resident
}

// timed runs a command and tells its time and memory. Its own memory is what is
// counted, because this program is small.
func (e *evaluation) timed(name string, args ...string) (usage, error) {
	started := time.Now()
	cmd := exec.CommandContext(e.ctx, name, args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return usage{}, fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	u := usage{seconds: time.Since(started).Seconds()}
	if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.peak = r.Maxrss << 10
	}
	return u, nil
}

// phantom makes a simulated scan in the work folder, once, and returns its folder.
func (e *evaluation) phantom(name string, args ...string) (string, error) {
	dir := filepath.Join(e.work, name)
	if _, err := os.Stat(filepath.Join(dir, "dwi.nii.gz")); err == nil {
		return dir, nil
	}
	_, err := e.timed(e.bin, append([]string{"phantom", dir, "-q", "--force"}, args...)...)
	return dir, err
}
