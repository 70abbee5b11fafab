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
	"strings"
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
	case "train":
		check((&evaluation{ctx, 1}).trainShipped(os.Args[2]))
	case "gen": // gen FILE firstSeed count perScan
		first, _ := strconv.Atoi(os.Args[3])
		count, _ := strconv.Atoi(os.Args[4])
		per, _ := strconv.Atoi(os.Args[5])
		f, err := os.Create(os.Args[2])
		check(err)
		for s := range count {
			seed := uint64(first + s)
			start := time.Now()
			var k *known
			switch os.Args[6] {
			case "head":
				k, err = simulate(ctx, seed, seed%2 == 0)
			case "block":
				k, err = block(ctx, seed)
			case "crop":
				k, err = crop(ctx, seed)
			}
			check(err)
			scan, err := scanOf(ctx, k, k.noisy.Values, 1, os.Args[6] != "head" && seed%3 == 0)
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
		train, test := &learned.Samples{}, &learned.Samples{}
		for _, n := range strings.Split(os.Args[2], ",") {
			per := per
			if at := strings.IndexByte(n, ':'); at > 0 {
				per, _ = strconv.Atoi(n[at+1:])
				n = n[:at]
			}
			a := load(n, per)
			train.Features, train.Truth, train.Weight = append(train.Features, a.Features...), append(train.Truth, a.Truth...), append(train.Weight, a.Weight...)
		}
		for _, n := range strings.Split(os.Args[3], ",") {
			a := load(n, 5000)
			test.Features, test.Truth, test.Weight = append(test.Features, a.Features...), append(test.Truth, a.Truth...), append(test.Weight, a.Weight...)
		}
		hidden, _ := strconv.Atoi(os.Args[5])
		blocks, _ := strconv.Atoi(os.Args[6])
		steps, _ := strconv.Atoi(os.Args[7])
		rate, _ := strconv.ParseFloat(os.Args[8], 64)
		rng := rand.New(rand.NewPCG(1, 1))
		m, err := learned.NewModel(train.Features, hidden, blocks, rng)
		check(err)
		start := time.Now()
		curve, _, err := m.Train(ctx, train, test, learned.TrainOptions{Steps: steps, Rate: rate, Rng: rng, Threads: 2, Every: 500, Decay: 0.01, Patience: 30})
		check(err)
		for _, p := range curve {
			fmt.Printf("%d train %.5f heldout %.5f\n", p.Step, p.Train, p.HeldOut)
		}
		fmt.Println(train.Len(), test.Len(), time.Since(start), runtime.NumCPU())
		f, err := os.Create(os.Args[9])
		check(err)
		check(m.Write(f, nil))
		check(f.Close())
	case "self": // self MODEL|none case steps rate decay: train on the scan by SURE
		k := pick(ctx, os.Args[3])
		steps, _ := strconv.Atoi(os.Args[4])
		rate, _ := strconv.ParseFloat(os.Args[5], 64)
		decay, _ := strconv.ParseFloat(os.Args[6], 64)
		still, err := scanOf(ctx, k, k.noisy.Values, 2, false)
		check(err)
		y := append([]float32(nil), k.noisy.Values...)
		rng := rand.New(rand.NewPCG(3, 3))
		for i := range y {
			if rng.IntN(2) == 0 {
				y[i] += 0.02
			} else {
				y[i] -= 0.02
			}
		}
		moved, err := scanOf(ctx, k, y, 2, false)
		check(err)
		train, held := &learned.Samples{}, &learned.Samples{}
		check((&learned.Pair{Still: still, Moved: moved}).Sample(ctx, train, held, 150000, 24, nil, 1, 2))
		var m *learned.Model
		if os.Args[2] == "none" {
			m, err = learned.NewModel(train.Features, 32, 1, rng)
			check(err)
		} else {
			f, err := os.Open(os.Args[2])
			check(err)
			m, _, err = learned.ReadModel(f)
			check(err)
		}
		out := make([]float32, len(still.Gaussian))
		show := func() {
			check(m.Estimate(ctx, still, out, nil, nil, 2, nil))
			a, b := rms(still.Gaussian, k.truth.Values), rms(out, k.truth.Values)
			fmt.Printf("%-40s gaussian %.4f (mse %.4f) learned %.4f (mse %.4f)  %+.2f %%\n", k.name, a, a*a, b, b*b, 100*(b/a-1))
		}
		show()
		start := time.Now()
		curve, _, err := m.Train(ctx, train, held, learned.TrainOptions{Steps: steps, Rate: rate, Rng: rng, Threads: 2, Every: steps / 10, Decay: decay})
		check(err)
		for _, p := range curve {
			fmt.Printf("%d train %.5f heldout %.5f\n", p.Step, p.Train, p.HeldOut)
		}
		fmt.Println(time.Since(start), train.Len(), held.Len())
		show()
	case "let": // let MODEL cases
		f, err := os.Open(os.Args[2])
		check(err)
		m, _, err := learned.ReadModel(f)
		check(err)
		soft := len(os.Args) > 4
		for _, name := range strings.Split(os.Args[3], ",") {
			k := pick(ctx, name)
			still, err := scanOf(ctx, k, k.noisy.Values, 2, soft)
			check(err)
			y := append([]float32(nil), k.noisy.Values...)
			rng := rand.New(rand.NewPCG(3, 3))
			for i := range y {
				if rng.IntN(2) == 0 {
					y[i] += 0.02
				} else {
					y[i] -= 0.02
				}
			}
			moved, err := scanOf(ctx, k, y, 2, soft)
			check(err)
			ev, err := m.Weigh(ctx, &learned.Pair{Still: still, Moved: moved}, nil, 1, 2)
			check(err)
			out := make([]float32, len(still.Gaussian))
			a := rms(still.Gaussian, k.truth.Values)
			check(m.Estimate(ctx, still, out, nil, nil, 2, nil))
			b := rms(out, k.truth.Values)
			w, all, each := ev.Judge(len(k.table.Shells(50).All))
			check(m.Estimate(ctx, still, out, w, nil, 2, nil))
			c := rms(out, k.truth.Values)
			fmt.Printf("%-40s K %d gaussian %.4f learned %.4f %+.2f %% calibrated %.4f %+.2f %%  true gain %.4f SURE %+v\n", k.name, still.Stages.K, a, b, 100*(b/a-1), c, 100*(c/a-1), a*a-c*c, all)
			_ = each
		}
	case "eval": // eval MODEL
		f, err := os.Open(os.Args[2])
		check(err)
		m, _, err := learned.ReadModel(f)
		check(err)
		names := []string{"c5", "c10", "c20", "c40", "s12", "m15", "t8", "t15", "t30", "f8", "f15", "f30"}
		if len(os.Args) > 3 {
			names = strings.Split(os.Args[3], ",")
		}
		for _, name := range names {
			k := pick(ctx, name)
			scan, err := scanOf(ctx, k, k.noisy.Values, 2, false)
			check(err)
			out := make([]float32, len(scan.Gaussian))
			start := time.Now()
			check(m.Estimate(ctx, scan, out, nil, nil, 2, nil))
			a, b := rms(scan.Gaussian, k.truth.Values), rms(out, k.truth.Values)
			fmt.Printf("%-40s gaussian %.4f learned %.4f  %+.2f %%  (%.1fs for %d)\n", k.name, a, b, 100*(b/a-1), time.Since(start).Seconds(), len(out))
		}
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
		mse := 0.0
		for _, v := range t {
			mse += float64(v*v) / float64(per)
		}
		for range per {
			s.Weight = append(s.Weight, float32(1/(mse+0.01)))
		}
	}
	return s
}

func pick(ctx context.Context, name string) *known {
	snr, err := strconv.ParseFloat(name[1:], 64)
	check(err)
	data := "../shared/data"
	var k *known
	switch name[0] {
	case 'c':
		k, err = phantomCase(ctx, "clinical", snr, 301, [3]int{48, 48, 12})
	case 's':
		k, err = phantomCase(ctx, "small", snr, 302, [3]int{64, 64, 12})
	case 'm':
		k, err = phantomCase(ctx, "multishell", snr, 303, [3]int{40, 40, 12})
	case 't':
		k, err = realCase(ctx, data+"/tissue-msmt", "dwi.nii.gz", "dwi", snr, 3)
	case 'f':
		k, err = realCase(ctx, data+"/structured-field", "groundtruth.nii", "dwi", snr, 3)
	}
	check(err)
	return k
}
