package phantom

// Fibres are the true fibre populations of a voxel.
type Fibres struct {
	White     float64       // share of white matter in the voxel
	Fraction  [3]float64    // of the white matter, 0 for a population that is absent
	Direction [3][3]float64 // unit vectors along scanner axes, to a sign
}

// Anatomy tells the truth about places of a phantom that an image does not show.
type Anatomy struct {
	h *head
	g grid
}

// Anatomy draws the phantom's anatomy again, from its seed.
func (p *Phantom) Anatomy() *Anatomy { return &Anatomy{newHead(p.Options.Seed), newGrid(p.Options)} }

// Fibres returns the fibre populations of voxel (x, y, z).
func (a *Anatomy) Fibres(x, y, z int) Fibres {
	v := a.h.voxel(a.g.at(x, y, z), a.g.edge)
	f := Fibres{White: v.white}
	if v.white == 0 {
		return f
	}
	for i, p := range v.fibres {
		f.Fraction[i], f.Direction[i] = p.fraction, p.direction
	}
	return f
}
