package gradients

import "testing"

func TestCheck(t *testing.T) {
	files := Files{BVal: "a.bval", BVec: "a.bvec"}
	table := &Table{BVals: make([]float64, 5), BVecs: make([][3]float64, 5), Files: files}
	if err := table.Check(5); err != nil {
		t.Errorf("Check(5) of five volumes: %v", err)
	}
	for _, tc := range []struct {
		name    string
		volumes int
		says    []string
	}{
		{"one more volume", 6, []string{"a.bval", "a.bvec", "5 gradients", "6 volumes", "ADC or trace", "(5, counting from 0)"}},
		{"one volume less", 4, []string{"5 gradients", "4 volumes", "ADC or trace", "remove its entry"}},
		{"a single volume", 1, []string{"4-D"}},
		{"something else", 9, []string{"5 gradients", "9 volumes"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			checkError(t, tc.volumes, table.Check(tc.volumes), ErrCount, tc.says)
		})
	}
	t.Run("table at odds with itself", func(t *testing.T) {
		odd := &Table{BVals: make([]float64, 5), BVecs: make([][3]float64, 4)}
		checkError(t, 5, odd.Check(5), ErrCount, []string{"5 b-values", "4 directions"})
	})
}
