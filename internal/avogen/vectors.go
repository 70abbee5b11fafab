package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// stages writes a loop over whole groups of vectors, then single vectors, then
// single elements, of n elements. body gets the width in vectors, 0 for one
// element; it must advance the pointers.
func (p precision) stages(name string, n Op, group int, body func(vectors int)) {
	per := 32 / p.size
	for _, s := range []struct {
		label    string
		vectors  int
		elements int
	}{{"group", group, group * per}, {"vector", 1, per}, {"element", 0, 1}} {
		Label(name + "_" + s.label)
		CMPQ(n, Imm(uint64(s.elements)))
		next := map[string]string{"group": "vector", "vector": "element", "element": "done"}[s.label]
		JLT(LabelRef(name + "_" + next))
		body(s.vectors)
		SUBQ(Imm(uint64(s.elements)), n)
		JMP(LabelRef(name + "_" + s.label))
	}
	Label(name + "_done")
}

// advance moves pointers behind what body has read.
func (p precision) advance(vectors int, pointers ...reg.Register) {
	step := 32 * vectors
	if vectors == 0 {
		step = p.size
	}
	for _, x := range pointers {
		ADDQ(Imm(uint64(step)), x)
	}
}

// dot writes the scalar product. Sums are kept in four vectors, added in a
// fixed order at the end.
func (p precision) dot() {
	name := "dot" + p.suffix
	TEXT(name, NOSPLIT, "func(n int, x, y *"+p.goType+") "+p.goType)
	Doc(name + " returns Σ x[i]·y[i].")
	n := Load(Param("n"), GP64())
	x := Load(Param("x"), GP64()).(reg.Register)
	y := Load(Param("y"), GP64()).(reg.Register)
	acc := []reg.VecVirtual{YMM(), YMM(), YMM(), YMM()}
	for _, a := range acc {
		VXORPS(a, a, a)
	}
	tail, t := XMM(), YMM()
	VXORPS(tail, tail, tail)
	p.stages(name, n, 4, func(vectors int) {
		for v := range vectors {
			p.move(Mem{Base: x, Disp: 32 * v}, t)
			p.fma231(Mem{Base: y, Disp: 32 * v}, t, acc[v])
		}
		if vectors == 0 {
			p.scalarMove(Mem{Base: x}, t.AsX())
			p.scalarFMA231(Mem{Base: y}, t.AsX(), tail)
		}
		p.advance(vectors, x, y)
	})
	p.add(acc[1], acc[0], acc[0])
	p.add(acc[3], acc[2], acc[2])
	p.add(acc[2], acc[0], acc[0])
	p.sum(acc[0], t)
	p.scalarAdd(tail, acc[0].AsX(), tail)
	Store(tail, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

// sum adds the elements of y into its first; t is scratch.
func (p precision) sum(y, t reg.VecVirtual) {
	VEXTRACTF128(Imm(1), y, t.AsX())
	p.add(t.AsX(), y.AsX(), y.AsX())
	if p.size == 4 {
		VMOVHLPS(y.AsX(), y.AsX(), t.AsX())
		VADDPS(t.AsX(), y.AsX(), y.AsX())
		VMOVSHDUP(y.AsX(), t.AsX())
	} else {
		VUNPCKHPD(y.AsX(), y.AsX(), t.AsX())
	}
	p.scalarAdd(t.AsX(), y.AsX(), y.AsX())
}

// axpy writes y += f·x.
func (p precision) axpy() {
	name := "axpy" + p.suffix
	TEXT(name, NOSPLIT, "func(n int, f "+p.goType+", x, y *"+p.goType+")")
	Doc(name + " adds f·x[i] to y[i].")
	n := Load(Param("n"), GP64())
	f := YMM()
	p.broadcast(param("f"), f)
	x := Load(Param("x"), GP64()).(reg.Register)
	y := Load(Param("y"), GP64()).(reg.Register)
	t := []reg.VecVirtual{YMM(), YMM(), YMM(), YMM()}
	p.stages(name, n, 4, func(vectors int) {
		for v := range vectors {
			p.move(Mem{Base: y, Disp: 32 * v}, t[v])
			p.fma231(Mem{Base: x, Disp: 32 * v}, f, t[v])
			p.move(t[v], Mem{Base: y, Disp: 32 * v})
		}
		if vectors == 0 {
			p.scalarMove(Mem{Base: y}, t[0].AsX())
			p.scalarFMA231(Mem{Base: x}, f.AsX(), t[0].AsX())
			p.scalarMove(t[0].AsX(), Mem{Base: y})
		}
		p.advance(vectors, x, y)
	})
	VZEROUPPER()
	RET()
}

// dots writes the scalar products of four rows with one vector.
func (p precision) dots() {
	name := "dots" + p.suffix
	TEXT(name, NOSPLIT, fmt.Sprintf("func(n int, a *%[1]s, lda int, x, y *%[1]s)", p.goType))
	Doc(name + " sets y[r] to Σ a[r·lda+i]·x[i] for r < 4.")
	n := Load(Param("n"), GP64())
	rows := p.fourRows("a", "lda")
	x := Load(Param("x"), GP64()).(reg.Register)
	y := Load(Param("y"), GP64()).(reg.Register)
	acc, more := vecs(4), vecs(4)
	tail := make([]reg.VecVirtual, 4)
	for r := range 4 {
		VXORPS(acc[r], acc[r], acc[r])
		VXORPS(more[r], more[r], more[r])
		tail[r] = XMM()
		VXORPS(tail[r], tail[r], tail[r])
	}
	t := vecs(2)
	p.stages(name, n, 2, func(vectors int) {
		for v := range vectors {
			p.move(Mem{Base: x, Disp: 32 * v}, t[v])
			for r, sums := range [][]reg.VecVirtual{acc, more}[v] {
				p.fma231(rows.at(r, 32*v), t[v], sums)
			}
		}
		if vectors == 0 {
			p.scalarMove(Mem{Base: x}, t[0].AsX())
			for r := range 4 {
				p.scalarFMA231(rows.at(r, 0), t[0].AsX(), tail[r])
			}
		}
		p.advance(vectors, x, rows.base)
	})
	for r := range 4 {
		p.add(more[r], acc[r], acc[r])
		p.sum(acc[r], t[0])
		p.scalarAdd(tail[r], acc[r].AsX(), tail[r])
		p.scalarMove(tail[r], Mem{Base: y, Disp: p.size * r})
	}
	VZEROUPPER()
	RET()
}

// axpys writes y += Σ f[r]·row r for four rows.
func (p precision) axpys() {
	name := "axpys" + p.suffix
	TEXT(name, NOSPLIT, fmt.Sprintf("func(n int, f, a *%[1]s, lda int, y *%[1]s)", p.goType))
	Doc(name + " adds Σ f[r]·a[r·lda+i] over r < 4 to y[i].")
	n := Load(Param("n"), GP64())
	f := Load(Param("f"), GP64()).(reg.Register)
	rows := p.fourRows("a", "lda")
	y := Load(Param("y"), GP64()).(reg.Register)
	factors, t := vecs(4), vecs(2)
	for r := range 4 {
		p.broadcast(Mem{Base: f, Disp: p.size * r}, factors[r])
	}
	p.stages(name, n, 2, func(vectors int) {
		for v := range vectors {
			p.move(Mem{Base: y, Disp: 32 * v}, t[v])
			for r := range 4 {
				p.fma231(rows.at(r, 32*v), factors[r], t[v])
			}
			p.move(t[v], Mem{Base: y, Disp: 32 * v})
		}
		if vectors == 0 {
			p.scalarMove(Mem{Base: y}, t[0].AsX())
			for r := range 4 {
				p.scalarFMA231(rows.at(r, 0), factors[r].AsX(), t[0].AsX())
			}
			p.scalarMove(t[0].AsX(), Mem{Base: y})
		}
		p.advance(vectors, y, rows.base)
	})
	VZEROUPPER()
	RET()
}

// param returns the address of a parameter.
func param(name string) Op {
	b, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return b.Addr
}

// fourRows are the addresses of four rows, ld bytes apart.
type fourRows struct{ base, ld, three reg.Register }

func (p precision) fourRows(name, ld string) fourRows {
	r := fourRows{base: Load(Param(name), GP64()).(reg.Register), ld: p.bytes(ld), three: GP64()}
	LEAQ(Mem{Base: r.ld, Index: r.ld, Scale: 2}, r.three)
	return r
}

// at addresses row i, disp bytes from where base is.
func (r fourRows) at(i, disp int) Mem {
	m := strided(r.base, r.base, r.ld, r.three, i)
	m.Disp = disp
	return m
}

func vecs(n int) []reg.VecVirtual {
	out := make([]reg.VecVirtual, n)
	for i := range out {
		out[i] = YMM()
	}
	return out
}
