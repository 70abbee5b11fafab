package main

import (
	"context"
	"fmt"
	"path/filepath"
	"syscall"

	"github.com/dmri-denoise/dmri-denoise/internal/scratch"
)

// scanSize is what the memory of a run depends on.
type scanSize struct {
	voxels  int // of one volume
	rows    int // of them denoised: all without a mask
	volumes int
	threads int
	walks   bool // a sampler that walks holds up to three more copies of the signals
	learned bool // the learned prior holds the measurement and the Gaussian estimate with its stages
	pages   bool // a report with pictures is made
	// blank is the share of the output that no value is ever written to, in whole pages of memory outside the mask: the system gives none for them.
	blank float64
}

// mostCoefficients is the number of a scan's components at most (docs/architecture.md, Gaussian prior).
const mostCoefficients = 80

// array is the size of so many values for every voxel in bytes.
func array(voxels, values int) int64 { return 4 * int64(voxels) * int64(values) }

func (s scanSize) image() int64   { return array(s.voxels, s.volumes) }
func (s scanSize) signals() int64 { return array(s.rows, s.volumes) }

// coefficients is one array of a scan's components.
func (s scanSize) coefficients() int64 {
	return array(s.rows, min(s.volumes*componentShare/100, mostCoefficients))
}

const (
	componentShare  = 33       // per cent of the volumes that are components, more or less, on real and simulated heads
	coefficientUses = 3        // arrays of coefficients at once: measured, pilot and estimate
	mapBytes        = 30       // per voxel: masks, grid, noise map and what it is made with
	programBytes    = 24 << 20 // the program's pages, the runtime's tables and what does not grow with the scan
	threadBytes     = 4 << 20  // scratch of one thread: groups of patches, blocks being compressed
	pageBytes       = 32 << 20 // pictures of a report, which are held until the page is written, and the page
	retained        = 5        // per cent of the heap that the runtime keeps of what many small arrays leave
	leastWindow     = 16 << 20 // of the scratch file in memory, below which work would be reading it
	touchBytes      = 64 << 10 // what one touch of the scratch file brings in (scratch)
)

// beside is what a run holds beside the arrays of the scan's size, at any time.
func (s scanSize) beside() int64 {
	moments := 8 * 16 * int64(s.volumes) * int64(s.volumes)
	return programBytes + mapBytes*int64(s.voxels) + moments
}

// groups is the scratch of all threads.
func (s scanSize) groups() int64 { return int64(max(s.threads, 1)) * threadBytes }

// tail is what smoothing what lies across the components takes: two volumes and the rows of one, for as many
// directions as fit (prior.Gaussian).
func (s scanSize) tail() int64 {
	lanes := min(max((1<<18)/max(s.voxels, 1), 1), 16, s.volumes)
	return int64(max(s.threads, 1)) * (array(2*s.voxels, lanes) + array(s.rows, lanes))
}

// page is what a report takes beside the images.
func (s scanSize) page() int64 {
	if s.pages {
		return pageBytes
	}
	return 0
}

// estimateMemory foretells the peak of a run in bytes: that of its three parts which takes most. A scan of reloadFrom
// bytes or more is let go of while its signals are worked on and read again for the end. Measured beside it: docs/trust.md.
func estimateMemory(s scanSize) int64 {
	groups := coefficientUses*s.coefficients() + s.groups()
	tail := (coefficientUses-1)*s.coefficients() + s.tail() // measured coefficients and groups are gone
	if s.learned {                                          // the estimate is beside the measurement; then both for the network, with the stages between them
		groups, tail = groups+9*s.signals()/4, tail+s.signals()
	}
	work := s.signals() + max(groups, tail)
	scatter := s.signals() + s.image()
	output := int64((1 - s.blank) * float64(s.image()))
	end := (s.image() + output + max(s.page(), s.groups())) * (100 + retained) / 100 // the page is written before the image
	growth := int64(heapGrowthLarge)
	if s.image() < reloadFrom {
		work += s.image()
		scatter += s.image()
		growth = heapGrowth
	}
	if s.walks {
		work += 3 * s.signals()
	}
	return max(work, scatter, end)*(100+growth)/100 + s.beside()
}

// estimateDraws foretells the peak of uncertainty: the estimate kept while the scan is denoised once
// more, then both beside the measurement, then maps and estimate.
func estimateDraws(s scanSize) int64 {
	const ofFOD = 80 // values per voxel: the distribution to order 8, peaks, cones and the rest
	work := s.image() + s.signals() + max(coefficientUses*s.coefficients()+s.groups(), (coefficientUses-1)*s.coefficients()+s.tail())
	if s.learned {
		work += 9 * s.signals() / 4
	}
	maps := s.image() + s.signals() + array(s.rows, ofFOD)
	return max(2*s.image()+max(s.signals(), s.image()), work, maps)*(100+heapGrowthLarge)/100 + s.beside()
}

// inScratch is the heap of a run whose arrays of the scan's size are in a scratch file.
func (s scanSize) inScratch() int64 { return s.beside() + max(s.tail(), s.page(), s.groups()) }

// leastInScratch is the least window of the scratch file: two touches of every volume by every thread, which is what
// transposing takes.
func (s scanSize) leastInScratch() int64 {
	return max(leastWindow, 2*touchBytes*int64(s.volumes)*int64(max(s.threads, 1)))
}

// checkMemory estimates what the run needs and decides where its arrays are.
func (p *runPlan) checkMemory() error {
	if err := p.countMask(); err != nil {
		return err
	}
	size := p.size()
	extra := p.options.impute.memory(size.voxels, size.volumes, p.target)
	p.memory = estimateMemory(size) + extra
	limit := p.options.memory
	if limit > 0 && p.memory > limit {
		least := size.inScratch() + size.leastInScratch()
		if !scratch.Supported || size.walks || size.learned || extra > 0 || least > limit {
			return withHint(fmt.Errorf("%w: %s needs about %s, --mem allows %s", errOutOfMemory, p.options.input, formatBytes(p.memory), formatBytes(limit)),
				p.lessMemory(size, extra, least))
		}
		p.scratch, p.memory = true, limit
		return nil
	}
	return p.checkRoom("; --mem SIZE works within less")
}

// checkDrawMemory estimates what posterior draws need.
func (p *runPlan) checkDrawMemory() error {
	if err := p.countMask(); err != nil {
		return err
	}
	p.memory = estimateDraws(p.size())
	return p.checkRoom("")
}

// checkRoom refuses what cannot fit, and warns of what is not available now, before any work.
func (p *runPlan) checkRoom(remedy string) error {
	if err := fitAddressSpace(p.options.input, p.memory); err != nil {
		return err
	}
	if available := availableMemory(); available > 0 && p.memory > available {
		p.warnings = append(p.warnings, fmt.Sprintf("about %s of memory will be needed and %s is available%s", formatBytes(p.memory), formatBytes(available), remedy))
	}
	return nil
}

// lessMemory says what would do with less memory.
func (p *runPlan) lessMemory(size scanSize, extra, least int64) string {
	switch {
	case !scratch.Supported:
		return "give more memory with --mem, or crop the scan"
	case size.walks:
		return "--sampler mean can work in a scratch file"
	case size.learned:
		return "--prior fast can work in a scratch file"
	case extra > 0:
		return "what is imputed is kept in memory; give more with --mem"
	default:
		return fmt.Sprintf("with a scratch file --mem %dM is the least, fewer threads (--nthreads) take less", least>>20+1)
	}
}

// countMask counts the voxels of the mask.
func (p *runPlan) countMask() error {
	if p.options.mask == "" {
		return nil
	}
	mask, err := loadMask(context.Background(), p.options.mask)
	const pageVoxels = 4096 / 4
	written, before := 0, -1
	for v, in := range mask {
		if in {
			p.masked++
			if page := v / pageVoxels; page != before {
				written, before = written+1, page
			}
		}
	}
	if n := len(mask) / pageVoxels; n > 0 {
		p.blank = max(1-float64(written)/float64(n), 0)
	}
	return err
}

// size is that of the scan at hand.
func (p *runPlan) size() scanSize {
	nx, ny, nz, nt := p.header.Shape()
	s := scanSize{voxels: nx * ny * nz, rows: nx * ny * nz, volumes: nt, threads: p.options.threads, walks: p.options.sampler != "mean",
		pages: p.options.qcDir != "", learned: p.table != nil && (p.options.prior == "auto" || p.options.prior == "learned")}
	if p.masked > 0 {
		s.rows = p.masked
		if s.image() >= reloadFrom { // memory of smaller scans is used again, not given back and taken anew
			s.blank = p.blank
		}
	}
	return s
}

// window is how much of the scratch file may be in memory, 0 without one.
func (p *runPlan) window() int64 {
	if !p.scratch {
		return 0
	}
	return p.options.memory - p.size().inScratch()
}

// scratchBytes is the size of the scratch file, 0 without one: the image, its signals, their coefficients and the
// output.
func (p *runPlan) scratchBytes() int64 {
	if !p.scratch {
		return 0
	}
	size := p.size()
	return 2*size.image() + size.signals() + coefficientUses*array(size.rows, min(size.volumes, mostCoefficients))
}

func (p *runPlan) scratchText() string {
	if !p.scratch {
		return ""
	}
	return fmt.Sprintf(" and a scratch file of up to %s in %s", formatBytes(p.scratchBytes()), filepath.Dir(p.image))
}

// checkScratchSpace refuses to start work whose scratch file cannot fit.
func (p *runPlan) checkScratchSpace() error {
	dir := filepath.Dir(p.image)
	free := freeSpace(dir)
	if need := p.scratchBytes(); free >= 0 && need > free {
		return withHint(fmt.Errorf("the scratch file needs up to %s, the disk of %s has %s left: %w", formatBytes(need), dir, formatBytes(free), syscall.ENOSPC),
			"make room, write to another disk, or give more memory with --mem")
	}
	return nil
}
