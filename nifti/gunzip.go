package nifti

import (
	"bufio"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// members reads the concatenated members of a gzip file. Bytes after a
// complete member that do not begin another one end the data and set garbage.
type members struct {
	file    *bufio.Reader
	member  *gzip.Reader
	garbage bool
	err     error
}

func newMembers(file *bufio.Reader) (*members, error) {
	member, err := gzip.NewReader(file)
	if err != nil {
		return nil, err
	}
	member.Multistream(false)
	return &members{file: file, member: member}, nil
}

// Read implements io.Reader. io.EOF means that the last member is complete and
// its checksum is right.
func (m *members) Read(p []byte) (int, error) {
	for m.err == nil {
		n, err := m.member.Read(p)
		if err == io.EOF {
			err = m.nextMember()
		}
		m.err = err
		if n > 0 {
			return n, nil
		}
	}
	return 0, m.err
}

func (m *members) nextMember() error {
	magic, err := m.file.Peek(2)
	if len(magic) == 0 {
		return err
	}
	if string(magic) != gzipMagic {
		m.garbage = true
		return io.EOF
	}
	if err := m.member.Reset(m.file); err != nil {
		return err
	}
	m.member.Multistream(false)
	return nil
}

// readAhead decompresses in a goroutine of its own, a few blocks ahead of the
// conversion to float32.
type readAhead struct {
	full    chan aheadBlock
	empty   chan []byte
	stop    chan struct{}
	once    sync.Once
	current aheadBlock
	rest    []byte // unread part of current
}

type aheadBlock struct {
	data []byte
	err  error // why data is the last block
}

const (
	aheadBlocks    = 4
	aheadBlockSize = 1 << 20
)

func newReadAhead(r io.Reader) *readAhead {
	a := &readAhead{
		full:  make(chan aheadBlock, aheadBlocks),
		empty: make(chan []byte, aheadBlocks),
		stop:  make(chan struct{}),
	}
	for range aheadBlocks {
		a.empty <- nil
	}
	go a.fill(r)
	return a
}

func (a *readAhead) fill(r io.Reader) {
	defer close(a.full)
	for {
		var buf []byte
		select {
		case buf = <-a.empty:
		case <-a.stop:
			return
		}
		if buf == nil {
			buf = make([]byte, aheadBlockSize)
		}
		n, err := 0, error(nil)
		for n < len(buf) && err == nil {
			var k int
			k, err = r.Read(buf[n:])
			n += k
		}
		// Never blocks: full has room for every block there is.
		a.full <- aheadBlock{buf[:n], err}
		if err != nil {
			return
		}
	}
}

// Read implements io.Reader.
func (a *readAhead) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.current.err != nil {
			return 0, a.current.err
		}
		if a.current.data != nil {
			a.empty <- a.current.data[:aheadBlockSize]
		}
		block, ok := <-a.full
		if !ok {
			return 0, io.ErrClosedPipe
		}
		a.current, a.rest = block, block.data
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// Close ends the goroutine and waits for it.
func (a *readAhead) Close() {
	a.once.Do(func() {
		close(a.stop)
		for range a.full {
		}
	})
}
