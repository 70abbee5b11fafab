package main

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

const (
	barWidth    = 30 // characters inside the brackets; less on a narrow terminal
	barInterval = 100 * time.Millisecond
)

// progress shows how far the work is: a bar that redraws itself on a terminal, a line per 10 % elsewhere, nothing
// with --quiet. Its report method may be called from several goroutines.
type progress struct {
	ui *ui

	mu    sync.Mutex
	stage string
	tenth int       // last tenth printed for this stage, -1 before the first
	drawn time.Time // when the bar was last drawn
}

func newProgress(u *ui) *progress { return &progress{ui: u, tenth: -1} }

// report says that done of total units of the named stage are finished.
func (p *progress) report(stage string, done, total int) {
	if p.ui.quiet || total <= 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if stage != p.stage {
		p.stage, p.tenth, p.drawn = stage, -1, time.Time{}
	}
	done = min(max(done, 0), total)
	if p.ui.terminal {
		p.drawBar(done, total)
		return
	}
	tenth := done * 10 / total
	if tenth > p.tenth && tenth > 0 {
		p.tenth = tenth
		p.ui.say("%s %d %%", stage, tenth*10)
	}
}

func (p *progress) drawBar(done, total int) {
	if now := time.Now(); done < total && now.Sub(p.drawn) < barInterval {
		return
	} else {
		p.drawn = now
	}
	label := fmt.Sprintf(" %3d %% %s", done*100/total, p.stage)
	// A line that fills the terminal would wrap, and could not be drawn over again.
	width := min(barWidth, max(0, p.ui.columns()-len(programName+": []")-len(label)-1))
	filled := done * width / total
	p.ui.mu.Lock()
	defer p.ui.mu.Unlock()
	fmt.Fprintf(p.ui.stderr, "\r%s: [%s%s]%s\x1b[K", programName, strings.Repeat("=", filled), strings.Repeat(" ", width-filled), label)
	p.ui.barOpen = true
}

// finish takes the bar away.
func (p *progress) finish() {
	p.ui.mu.Lock()
	defer p.ui.mu.Unlock()
	p.ui.closeBar()
}
