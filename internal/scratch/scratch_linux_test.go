package scratch

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Arrays keep what is written to them although only a window of them is in
// memory, are zero at first, and leave nothing in the folder at any time.
func TestSpace(t *testing.T) {
	dir := t.TempDir()
	const window = 8 << 20
	processors := runtime.GOMAXPROCS(0)
	s, err := New(dir, window)
	if err != nil {
		t.Fatal(err)
	}
	const n = 8 << 20
	var all [3][]float32
	for k := range all {
		if all[k], err = s.Floats(n); err != nil {
			t.Fatal(err)
		}
		for i, v := range all[k] {
			if v != 0 {
				t.Fatalf("array %d starts with %v at %d", k, v, i)
			}
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Fatalf("%d names in the folder, %v", len(left), err)
	}
	for range 2 {
		for k, x := range all {
			for i := range x {
				x[i] += float32(i%1000 + k)
			}
			s.letGo()
		}
	}
	for k, x := range all {
		for i, v := range x {
			if want := 2 * float32(i%1000+k); v != want {
				t.Fatalf("array %d has %v at %d, want %v", k, v, i, want)
			}
		}
	}
	s.Free(all[0])
	s.Free(all[0][:0]) // gone already
	if s.Peak() != 3*4*n || s.used != 2*4*n {
		t.Errorf("peak %d, used %d bytes", s.Peak(), s.used)
	}
	small, err := s.Floats(10)
	if err != nil || len(small) != 10 || len(s.arrays) != 2 {
		t.Errorf("a small array: %d values, %v, %d files", len(small), err, len(s.arrays))
	}
	if err := s.Close(); err != nil || len(s.arrays) != 0 {
		t.Errorf("closing: %v, %d arrays left", err, len(s.arrays))
	}
	if n := runtime.GOMAXPROCS(0); n != processors {
		t.Errorf("%d processors after closing, %d before", n, processors)
	}
}

// What is in memory stays within the window when a few values of every volume are read again and again, as
// transposing an image does, by as many threads as there are processors.
func TestWindow(t *testing.T) {
	const window, slack, volumes, volume = 64 << 20, 32 << 20, 128, 2 << 20 // bytes
	s, err := New(t.TempDir(), window)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	x, err := s.Floats(volumes * volume / 4)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(x); i += 1024 {
		x[i] = 1
	}
	s.letGo()
	before := peakSinceNow(t)
	const tile = 64
	var workers sync.WaitGroup
	for range runtime.NumCPU() {
		workers.Go(func() {
			sum := float32(0)
			for from := 0; from < volume/4; from += tile {
				for n := range volumes {
					for _, v := range x[n*volume/4+from : n*volume/4+from+tile] {
						sum += v
					}
				}
			}
			if want := float32(len(x) / 1024); sum != want {
				t.Errorf("sum %v, want %v", sum, want)
			}
		})
	}
	workers.Wait()
	if grown := readPeak(t) - before; grown > window+slack {
		t.Errorf("%d MB of %d in memory, the window is %d", grown>>20, volumes*volume>>20, window>>20)
	}
}

// peakSinceNow makes the system forget the peak of memory, and returns what is used now.
func peakSinceNow(t *testing.T) int64 {
	t.Helper()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Skipf("the peak of memory cannot be reset here: %v", err)
	}
	return readPeak(t)
}

func readPeak(t *testing.T) int64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		var kib int64
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	t.Skip("this system does not tell the peak of memory")
	return 0
}

// A disk without room is an error when the array is made.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("no tmpfs can be mounted here: %s", out)
	}
	defer syscall.Unmount(dir, 0)
	s, err := New(dir, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if x, err := s.Floats(8 << 20); !errors.Is(err, syscall.ENOSPC) || x != nil {
		t.Errorf("32 MB on a disk of 16: %d values, err = %v, want ENOSPC", len(x), err)
	}
	if _, err := s.Floats(2 << 20); err != nil {
		t.Errorf("8 MB on a disk of 16: %v", err)
	}
}
