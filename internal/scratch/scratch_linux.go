package scratch

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Space hands out arrays in files.
type Space struct {
	dir    string
	window int64

	mu     sync.Mutex
	arrays map[*float32][]byte // what is mapped, by its first value
	used   int64               // bytes of it
	peak   int64
	stop   chan struct{}
	ended  sync.WaitGroup
}

// Supported tells whether New can succeed on this system.
const Supported = true

// watchEvery is how often the window is looked at: pages come in at a few GB/s,
// so that it is overshot by tens of megabytes.
const watchEvery = 5 * time.Millisecond

// New returns a Space whose files are in dir, which must exist, and of which
// window bytes at most stay in memory, give or take what comes in within a few
// milliseconds. Close it after use.
func New(dir string, window int64) (*Space, error) {
	statm, err := os.Open("/proc/self/statm")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	s := &Space{dir: dir, window: window, arrays: map[*float32][]byte{}, stop: make(chan struct{})}
	s.ended.Go(func() { s.watch(statm) })
	return s, nil
}

// watch lets go of what is in memory whenever it is more than the window. The
// content stays with the system, in memory if there is room, and comes back when
// it is touched.
func (s *Space) watch(statm *os.File) {
	defer statm.Close()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	buf := make([]byte, 256)
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
		}
		n, _ := statm.ReadAt(buf, 0)
		if shared(buf[:n]) > s.window {
			s.letGo()
		}
	}
}

// shared reads the pages that are mapped from files, in bytes: the third field
// of statm. The program's own text counts with it.
func shared(statm []byte) int64 {
	fields := bytes.Fields(statm)
	if len(fields) < 3 {
		return 0
	}
	pages, _ := strconv.ParseInt(string(fields[2]), 10, 64)
	return pages * int64(os.Getpagesize())
}

func (s *Space) letGo() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.arrays {
		// Of a shared mapping this drops the view only, never content.
		_ = syscall.Madvise(b, syscall.MADV_DONTNEED)
	}
}

// Floats returns n zeros. A disk without room for them is ENOSPC.
func (s *Space) Floats(n int) ([]float32, error) {
	if n < Least {
		return make([]float32, n), nil
	}
	b, err := s.mapped(4 * int64(n))
	if err != nil {
		return nil, fmt.Errorf("scratch file of %d MB in %s: %w", 4*int64(n)>>20, s.dir, err)
	}
	x := floats(b)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arrays[key(x)] = b
	s.used += int64(len(b))
	s.peak = max(s.peak, s.used)
	return x, nil
}

func (s *Space) mapped(size int64) ([]byte, error) {
	file, err := os.CreateTemp(s.dir, ".scratch-")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := os.Remove(file.Name()); err != nil {
		return nil, err
	}
	if err := reserve(file, size); err != nil {
		return nil, err
	}
	b, err := syscall.Mmap(int(file.Fd()), 0, int(size), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	return b, nil
}

// reserve gives the file its blocks: where the file system cannot promise them,
// by writing zeros.
func reserve(file *os.File, size int64) error {
	err := syscall.Fallocate(int(file.Fd()), 0, 0, size)
	if !errors.Is(err, syscall.EOPNOTSUPP) && !errors.Is(err, syscall.ENOSYS) {
		return os.NewSyscallError("fallocate", err)
	}
	zeros := make([]byte, 1<<20)
	for at := int64(0); at < size; at += int64(len(zeros)) {
		if _, err := file.WriteAt(zeros[:min(int64(len(zeros)), size-at)], at); err != nil {
			return err
		}
	}
	return nil
}

// Free gives an array of this Space back; nothing may use it any more. Others
// are left to the collector.
func (s *Space) Free(x []float32) {
	if cap(x) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.arrays[key(x)]
	if !ok {
		return
	}
	delete(s.arrays, key(x))
	s.used -= int64(len(b))
	_ = syscall.Munmap(b)
}

// Peak returns the most bytes that the files have had.
func (s *Space) Peak() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peak
}

// Close gives all arrays back; nothing may use them any more.
func (s *Space) Close() error {
	close(s.stop)
	s.ended.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	var failed error
	for k, b := range s.arrays {
		failed = errors.Join(failed, syscall.Munmap(b))
		delete(s.arrays, k)
	}
	return failed
}
