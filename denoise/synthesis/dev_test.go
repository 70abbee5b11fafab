package synthesis

import ("testing";"context";"fmt";"time";"log/slog";"os"
"github.com/dmri-denoise/dmri-denoise/internal/phantom")

func phantomRows(t testing.TB, o phantom.Options) ([]float32, *phantom.Phantom) {
	p, err := phantom.Make(context.Background(), o)
	if err != nil { t.Fatal(err) }
	d := p.Table.Len()
	n := len(p.Mask.Voxels())
	var rows []float32
	for i, m := range p.Mask.Voxels() {
		if m > 0 { for k := range d { rows = append(rows, p.Truth.Voxels()[i+k*n]) } }
	}
	return rows, p
}

func TestDev(t *testing.T) {
	rows, p := phantomRows(t, phantom.Options{Protocol: "multishell", Shape: [3]int{40,40,12}, Seed: 1, SNR: 20})
	t0 := time.Now()
	m, err := Learn(context.Background(), Source{Rows: rows, Table: p.Table}, Options{Steps: 600, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil { t.Fatal(err) }
	fmt.Printf("%+v %v\n", m.Report(), time.Since(t0))
	fmt.Println(m.white.sd)
	t0 = time.Now()
	v, err := m.Draw(context.Background(), 512, DrawOptions{})
	if err != nil { t.Fatal(err) }
	s, err := v.Signals(context.Background(), p.Table, 0, 0)
	fmt.Println(len(s), time.Since(t0))
}
