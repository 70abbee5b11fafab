package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/dmri-denoise/dmri-denoise/denoise/learned"
	"github.com/dmri-denoise/dmri-denoise/internal/fastblas"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	fastblas.Register()
	ctx := context.Background()
	switch os.Args[1] {
	case "room":
		os.Args = os.Args[1:]
		room()
	case "gen": // gen FILE firstSeed count perScan
		first, _ := strconv.Atoi(os.Args[3])
		count, _ := strconv.Atoi(os.Args[4])
		per, _ := strconv.Atoi(os.Args[5])
		f, err := os.Create(os.Args[2])
		check(err)
		for s := range count {
			seed := uint64(first + s)
			start := time.Now()
			k, err := simulate(ctx, seed, seed%2 == 0)
			check(err)
			scan, err := scanOf(ctx, k, k.noisy.Values, 1, false)
			check(err)
			g := time.Since(start)
			sm := sample(k, scan, per, rand.New(rand.NewPCG(seed, 5)))
			check(binary.Write(f, binary.LittleEndian, sm.Features))
			check(binary.Write(f, binary.LittleEndian, sm.Truth))
			e := 0.0
			for _, t := range sm.Truth {
				e += float64(t * t)
			}
			fmt.Printf("seed %d rows %d D %d K %d rmse %.4f gauss %.1fs all %.1fs\n", seed, k.noisy.Len(), k.noisy.D, scan.Stages.K, math.Sqrt(e/float64(len(sm.Truth))), g.Seconds(), time.Since(start).Seconds())
		}
		check(f.Close())
	case "fit": // fit TRAIN TEST per hidden blocks steps rate
		per, _ := strconv.Atoi(os.Args[4])
		train, test := load(os.Args[2], per), load(os.Args[3], per)
		hidden, _ := strconv.Atoi(os.Args[5])
		blocks, _ := strconv.Atoi(os.Args[6])
		steps, _ := strconv.Atoi(os.Args[7])
		rate, _ := strconv.ParseFloat(os.Args[8], 64)
		rng := rand.New(rand.NewPCG(1, 1))
		m, err := learned.NewModel(train.Features[:20000*learned.FeatureCount], hidden, blocks, rng)
		check(err)
		start := time.Now()
		curve, _, err := m.Train(ctx, train, test, learned.TrainOptions{Steps: steps, Rate: rate, Rng: rng, Threads: 2, Every: 500, Decay: 0.01})
		check(err)
		for _, p := range curve {
			fmt.Printf("%d train %.5f heldout %.5f\n", p.Step, p.Train, p.HeldOut)
		}
		fmt.Println(train.Len(), test.Len(), time.Since(start), runtime.NumCPU())
	}
}

// sample takes per samples from a scan, all of some rows' directions.
func sample(k *known, scan *learned.Scan, per int, rng *rand.Rand) *learned.Samples {
	e := learned.NewExtractor(scan)
	d := scan.D
	row := make([]float32, d*learned.FeatureCount)
	s := &learned.Samples{}
	each := min(d, 10)
	for n := 0; n < per; {
		r := rng.IntN(scan.Grid.Len())
		e.Row(row, r)
		for _, i := range rng.Perm(d)[:each] {
			if n++; n > per {
				break
			}
			s.Features = append(s.Features, row[i*learned.FeatureCount:(i+1)*learned.FeatureCount]...)
			s.Truth = append(s.Truth, k.truth.Row(r)[i]-scan.Gaussian[r*d+i])
		}
	}
	return s
}

func load(name string, per int) *learned.Samples {
	f, err := os.Open(name)
	check(err)
	defer f.Close()
	s := &learned.Samples{}
	x, t := make([]float32, per*learned.FeatureCount), make([]float32, per)
	for {
		if err := binary.Read(f, binary.LittleEndian, x); err != nil {
			break
		}
		check(binary.Read(f, binary.LittleEndian, t))
		s.Features, s.Truth = append(s.Features, x...), append(s.Truth, t...)
	}
	return s
}
