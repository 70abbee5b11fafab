package synthesis

import (
	"context"
	"fmt"
	"github.com/dmri-denoise/dmri-denoise/diffusion"
	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
	"log/slog"
	"math"
	"os"
	"testing"
)

func phantomRows(t testing.TB, o phantom.Options) ([]float32, *phantom.Phantom) {
	p, err := phantom.Make(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	d := p.Table.Len()
	n := len(p.Mask.Voxels())
	var rows []float32
	for i, m := range p.Mask.Voxels() {
		if m > 0 {
			for k := range d {
				rows = append(rows, p.Truth.Voxels()[i+k*n])
			}
		}
	}
	return rows, p
}

func TestDev(t *testing.T) {
	rows, p := phantomRows(t, phantom.Options{Protocol: "multishell", Shape: [3]int{40, 40, 12}, Seed: 1, SNR: 20})
	m, err := Learn(context.Background(), Source{Rows: rows, Table: p.Table}, Options{Steps: 1200, Threads: 1, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("%+v\n", m.Report())
	sch, _ := diffusion.Cosine(1000)
	lin, _ := diffusion.Linear(1000)
	fmt.Println("sigma last", sch.Sigma(999), sch.Sigma(998), lin.Sigma(999))
	for _, o := range []DrawOptions{{Threads: 1}, {Steps: 400, Threads: 1}} {
		v, _ := m.Draw(context.Background(), 1024, o)
		k := m.learned
		mean, sq, small := make([]float64, k), make([]float64, k), make([]float64, k)
		z := make([]float32, k)
		for i := range v.Len() {
			m.white.encode(z, v.numbers[i*m.space.size():(i+1)*m.space.size()])
			for j, x := range z {
				x /= float32(math.Sqrt(m.white.variance[j]))
				mean[j] += float64(x) / 1024
				sq[j] += float64(x*x) / 1024
				if x < 0.5 && x > -0.5 {
					small[j] += 1. / 1024
				}
			}
		}
		fmt.Printf("mean %.2f\nsq %.2f\nsmall %.2f\n", mean[:8], sq[:8], small[:8])
	}
	tr := newDataFor(m, rows, p)
	_ = tr
}

func newDataFor(m *Model, rows []float32, p *phantom.Phantom) int {
	o := Options{}.withDefaults()
	sh := p.Table.Shells(50)
	f, _ := newFitter(m.space, sh, p.Table)
	nums, held, _ := numbersOf(context.Background(), f, Source{Rows: rows, Table: p.Table}, o)
	k := m.learned
	mean, sq, small := make([]float64, k), make([]float64, k), make([]float64, k)
	z := make([]float32, k)
	n := float64(len(held))
	for i := range held {
		m.white.encode(z, nums[i*m.space.size():(i+1)*m.space.size()])
		for j, x := range z {
			x /= float32(math.Sqrt(m.white.variance[j]))
			mean[j] += float64(x) / n
			sq[j] += float64(x*x) / n
			if x < 0.5 && x > -0.5 {
				small[j] += 1 / n
			}
		}
	}
	fmt.Printf("DATA mean %.2f\nsq %.2f\nsmall %.2f\n", mean[:8], sq[:8], small[:8])
	return 0
}
