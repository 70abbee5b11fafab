package scratch

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
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

// watchEvery is how often the window is looked at. Pages that the system has in memory come in at some 20 MB per
// millisecond and thread.
const watchEvery = time.Millisecond

// New returns a Space whose files are in dir, which must exist, and of which
// window bytes at most stay in memory, give or take what comes in within a
// millisecond or two. Until it is closed the runtime has one processor more
// (GOMAXPROCS), so that the watch over the window never waits for work to end.
// Close it after use.
func New(dir string, window int64) (*Space, error) {
	statm, err := os.Open("/proc/self/statm")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	s := &Space{dir: dir, window: window, arrays: map[*float32][]byte{}, stop: make(chan struct{})}
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	s.ended.Go(func() { s.watch(statm) })
	return s, nil
}

// watch lets go of what is in memory whenever it will be more than the window by the next look, if it grows as it
// has since the last one. The content stays with the system, in memory if there is room, and comes back when it is
// touched.
func (s *Space) watch(statm *os.File) {
	defer statm.Close()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	buf := make([]byte, 256)
	last := int64(0)
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
		}
		n, _ := statm.ReadAt(buf, 0)
		now := shared(buf[:n])
		if grown := max(now-last, 0); now+2*grown > s.window {
			s.letGo()
			now = 0
		}
		last = now
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

// pieceBytes is how much of a file is written at once when it is made, and so the most that one touch maps.
const pieceBytes = 64 << 10

// reserve gives the file its blocks and puts zeros into the system's cache, piece by piece. The cache keeps the
// pieces as they come, and one touch of a mapped array brings in a whole piece: read by the system itself, which
// reads ahead by megabytes, scattered touches of one value in every volume would map the array as a whole.
func reserve(file *os.File, size int64) error {
	err := syscall.Fallocate(int(file.Fd()), 0, 0, size)
	if err != nil && !errors.Is(err, syscall.EOPNOTSUPP) && !errors.Is(err, syscall.ENOSYS) {
		return os.NewSyscallError("fallocate", err)
	}
	zeros := make([]byte, pieceBytes)
	for at := int64(0); at < size; at += pieceBytes {
		if _, err := file.WriteAt(zeros[:min(pieceBytes, size-at)], at); err != nil {
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
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) - 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	var failed error
	for k, b := range s.arrays {
		failed = errors.Join(failed, syscall.Munmap(b))
		delete(s.arrays, k)
	}
	return failed
}
