package main

import (
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

// param returns the address of a parameter.
func param(name string) Op {
	b, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return b.Addr
}
