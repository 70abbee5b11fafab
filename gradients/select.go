package gradients

// Select returns the table of some volumes, in the order given, without the
// text of the files it was read from. A nil table gives nil.
func (t *Table) Select(volumes []int) *Table {
	if t == nil {
		return nil
	}
	out := &Table{Frame: t.Frame, Files: t.Files}
	for _, n := range volumes {
		out.BVals = append(out.BVals, t.BVals[n])
		out.BVecs = append(out.BVecs, t.BVecs[n])
	}
	return out
}
