package main

import (
	"math"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// symeig writes the kernels of ../symeig. Rows are multiples of four float64
// long, and come in groups of four where a kernel works on a matrix.
func symeig() {
	updateMultiply()
	reflect()
	qlSweep()
}

// sumFour puts the sums of four vectors into one.
func sumFour(a []reg.VecVirtual, dst, t reg.VecVirtual) {
	VHADDPD(a[1], a[0], a[0])
	VHADDPD(a[3], a[2], a[2])
	VPERM2F128(Imm(0x21), a[2], a[0], t) // high half of 0, low half of 2
	VBLENDPD(Imm(0xc), a[2], a[0], dst)
	VADDPD(t, dst, dst)
}

func updateMultiply() {
	const name = "updateMultiply"
	TEXT(name, NOSPLIT, "func(groups, vectors int, a *float64, ld int, v, w, u, y *float64)")
	Doc(name+" subtracts v·wᵀ + w·vᵀ from the matrix a of 4·groups rows by 4·vectors columns", "and sets y to its product with u.")
	groups := Load(Param("groups"), GP64())
	a := float64s.fourRows("a", "ld")
	y := Load(Param("y"), GP64()).(reg.Register)
	vi := Load(Param("v"), GP64()).(reg.Register)
	wi := Load(Param("w"), GP64()).(reg.Register)
	v, w, u, n := GP64(), GP64(), GP64(), GP64()
	next := GP64()
	Label("update_group")
	Load(Param("v"), v)
	Load(Param("w"), w)
	Load(Param("u"), u)
	Load(Param("vectors"), n)
	LEAQ(Mem{Base: a.base, Index: a.ld, Scale: 4}, next)
	bv, bw, acc := vecs(4), vecs(4), vecs(4)
	for i := range 4 {
		VBROADCASTSD(Mem{Base: vi, Disp: 8 * i}, bv[i])
		VBROADCASTSD(Mem{Base: wi, Disp: 8 * i}, bw[i])
		VXORPD(acc[i], acc[i], acc[i])
	}
	x := vecs(3)
	t := YMM()
	Label("update_columns")
	for i, p := range []reg.Register{v, w, u} {
		VMOVUPD(Mem{Base: p}, x[i])
		ADDQ(Imm(32), p)
	}
	for i := range 4 {
		VMOVUPD(a.at(i, 0), t)
		VFNMADD231PD(x[1], bv[i], t)
		VFNMADD231PD(x[0], bw[i], t)
		VMOVUPD(t, a.at(i, 0))
		VFMADD231PD(x[2], t, acc[i])
	}
	ADDQ(Imm(32), a.base)
	DECQ(n)
	JNZ(LabelRef("update_columns"))
	sumFour(acc, x[0], x[1])
	VMOVUPD(x[0], Mem{Base: y})
	ADDQ(Imm(32), y)
	ADDQ(Imm(32), vi)
	ADDQ(Imm(32), wi)
	MOVQ(next, a.base)
	DECQ(groups)
	JNZ(LabelRef("update_group"))
	VZEROUPPER()
	RET()
}

func reflect() {
	const name = "reflect"
	TEXT(name, NOSPLIT, "func(groups, vectors int, a *float64, ld int, u *float64, tau float64)")
	Doc(name + " multiplies the matrix a of 4·groups rows by 4·vectors columns by I - tau·u·uᵀ from the right.")
	groups := Load(Param("groups"), GP64())
	a := float64s.fourRows("a", "ld")
	tau := YMM()
	VBROADCASTSD(param("tau"), tau)
	u, n, next := GP64(), GP64(), GP64()
	Label("reflect_group")
	acc, more := vecs(4), vecs(4)
	LEAQ(Mem{Base: a.base, Index: a.ld, Scale: 4}, next)
	start := GP64()
	MOVQ(a.base, start)
	reflectDot(a, u, n, acc, more)
	sum, t := YMM(), YMM()
	sumFour(acc, sum, t)
	VMULPD(tau, sum, sum)
	for i, order := range []uint64{0x00, 0x55, 0xaa, 0xff} {
		VPERMPD(Imm(order), sum, acc[i])
	}
	MOVQ(start, a.base)
	Load(Param("u"), u)
	Load(Param("vectors"), n)
	Label("reflect_subtract")
	x := YMM()
	VMOVUPD(Mem{Base: u}, x)
	for i := range 4 {
		VMOVUPD(a.at(i, 0), more[i])
		VFNMADD231PD(x, acc[i], more[i])
		VMOVUPD(more[i], a.at(i, 0))
	}
	ADDQ(Imm(32), u)
	ADDQ(Imm(32), a.base)
	DECQ(n)
	JNZ(LabelRef("reflect_subtract"))
	MOVQ(next, a.base)
	DECQ(groups)
	JNZ(LabelRef("reflect_group"))
	VZEROUPPER()
	RET()
}

// reflectDot leaves the four rows' products with u in acc, two vectors at a
// time to keep the multipliers busy.
func reflectDot(a fourRows, u, n reg.Register, acc, more []reg.VecVirtual) {
	for i := range 4 {
		VXORPD(acc[i], acc[i], acc[i])
		VXORPD(more[i], more[i], more[i])
	}
	x := vecs(2)
	Load(Param("u"), u)
	Load(Param("vectors"), n)
	Label("reflect_two")
	CMPQ(n, Imm(2))
	JLT(LabelRef("reflect_one"))
	VMOVUPD(Mem{Base: u}, x[0])
	VMOVUPD(Mem{Base: u, Disp: 32}, x[1])
	for i := range 4 {
		VFMADD231PD(a.at(i, 0), x[0], acc[i])
		VFMADD231PD(a.at(i, 32), x[1], more[i])
	}
	ADDQ(Imm(64), u)
	ADDQ(Imm(64), a.base)
	SUBQ(Imm(2), n)
	JMP(LabelRef("reflect_two"))
	Label("reflect_one")
	TESTQ(n, n)
	JZ(LabelRef("reflect_dotted"))
	VMOVUPD(Mem{Base: u}, x[0])
	for i := range 4 {
		VFMADD231PD(a.at(i, 0), x[0], acc[i])
	}
	Label("reflect_dotted")
	for i := range 4 {
		VADDPD(more[i], acc[i], acc[i])
	}
}

// qlSweep writes one QL step: the scalar recurrence and the rotation of two rows
// for each of its rotations. Rows are turned one rotation late, when its cosine
// is there already, and in two halves: a processor takes what is ready in
// program order, so a long stretch of turning would hold up the recurrence,
// which is one chain of dependencies.
func qlSweep() {
	TEXT("qlSweep", NOSPLIT, "func(count, vectors int, d, e, z *float64, ld int, s *float64)")
	Doc("qlSweep makes count rotations of 4·vectors columns, upwards from elements d, e and row z;", "s are the eight numbers of a sweep.")
	count := Load(Param("count"), GP64())
	d := Load(Param("d"), GP64()).(reg.Register)
	e := Load(Param("e"), GP64()).(reg.Register)
	z := Load(Param("z"), GP64()).(reg.Register)
	ld := float64s.bytes("ld")
	s := Load(Param("s"), GP64()).(reg.Register)
	signBit := GLOBL("signBit", attr.RODATA|attr.NOPTR) // sixteen bytes, as VANDPD reads
	DATA(0, U64(1<<63))
	DATA(8, U64(0))
	one := ConstData("one", U64(math.Float64bits(1)))
	negligible := ConstData("negligible", U64(uint64(1023-960)<<52))

	fields := []string{"sigma", "gamma", "p", "inverse", "c", "s", "cosine", "sign"}
	x := map[string]reg.VecVirtual{}
	for i, f := range fields {
		x[f] = XMM()
		VMOVSD(Mem{Base: s, Disp: 8 * i}, x[f])
	}
	n, at, started := GP64(), GP64(), GP64()
	XORQ(started, started)
	half, rest := GP64(), GP64()
	Load(Param("vectors"), rest)
	MOVQ(rest, half)
	SHRQ(Imm(1), half)
	SUBQ(half, rest)
	cosBefore, sinBefore := YMM(), YMM()
	VXORPD(cosBefore, cosBefore, cosBefore)
	VXORPD(sinBefore, sinBefore, sinBefore)
	Label("sweep_rotation")
	// r = p + e², e'² = s·r, c = p/r, s = e²/r
	cos, sin, r, q := XMM(), XMM(), XMM(), XMM()
	VADDSD(Mem{Base: e}, x["p"], r)
	VMULSD(r, x["s"], q)
	VMOVSD(q, Mem{Base: e, Disp: 8})
	VMULSD(r, x["inverse"], x["inverse"]) // r/p
	VMOVSD(one, q)
	VDIVSD(r, q, q)
	turnHalf("first", started, z, ld, half, n, at, cosBefore, sinBefore)
	VMOVAPD(x["c"], r) // the c before
	VMULSD(q, x["p"], x["c"])
	VMULSD(Mem{Base: e}, q, x["s"])
	// γ' = c·(d-σ) - s·γ, d' = γ + (d - γ')
	diag, old := XMM(), XMM()
	VMOVSD(Mem{Base: d}, diag)
	VSUBSD(x["sigma"], diag, q)
	VMULSD(x["gamma"], x["s"], old)
	VMOVAPD(x["gamma"], cos)
	VFMSUB213SD(old, x["c"], q) // q = c·q - old
	VMOVAPD(q, x["gamma"])
	VSUBSD(x["gamma"], diag, diag)
	VADDSD(diag, cos, diag)
	VMOVSD(diag, Mem{Base: d, Disp: 8})
	// The cosine with its sign, and the next.
	VSQRTSD(x["c"], x["c"], cos)
	VANDPD(signBit, x["sign"], q)
	VORPD(q, cos, cos)
	VSQRTSD(x["s"], x["s"], sin)
	VUCOMISD(negligible, x["p"])
	JLS(LabelRef("sweep_negligible"))
	VMULSD(x["gamma"], x["gamma"], x["p"])
	VMULSD(x["inverse"], x["p"], x["p"])
	VMULSD(x["gamma"], cos, x["sign"])
	Label("sweep_next")
	VMOVAPD(cos, x["cosine"])
	VMOVSD(one, q)
	VDIVSD(x["p"], q, x["inverse"])
	turnHalf("second", started, z, ld, rest, n, at, cosBefore, sinBefore)
	MOVQ(U32(1), started)
	VBROADCASTSD(x["cosine"], cosBefore)
	VBROADCASTSD(sin, sinBefore)
	SUBQ(Imm(8), d)
	SUBQ(Imm(8), e)
	DECQ(count)
	JNZ(LabelRef("sweep_rotation"))
	MOVQ(z, at)
	Load(Param("vectors"), n)
	rotateRows("last", ld, n, at, cosBefore, sinBefore)
	for i, f := range fields {
		VMOVSD(x[f], Mem{Base: s, Disp: 8 * i})
	}
	VZEROUPPER()
	RET()

	Label("sweep_negligible") // p = c·e² with the c before, the sign against the cosine before
	VMULSD(Mem{Base: e}, r, x["p"])
	VXORPD(signBit, x["cosine"], x["sign"])
	JMP(LabelRef("sweep_next"))
}

// turnHalf turns the first or the second half of the rows of the rotation before,
// if there was one.
func turnHalf(which string, started, z, ld, count, n, at reg.Register, c, s reg.VecVirtual) {
	TESTQ(started, started)
	JZ(LabelRef("sweep_skip_" + which))
	MOVQ(count, n)
	if which == "first" {
		MOVQ(z, at)
	}
	rotateRows(which, ld, n, at, c, s)
	if which == "second" {
		SUBQ(ld, z)
	}
	Label("sweep_skip_" + which)
}

// rotateRows turns n vectors from at with those ld behind.
func rotateRows(label string, ld, n, at reg.Register, c, s reg.VecVirtual) {
	one := func(i int) {
		a, b, p := YMM(), YMM(), YMM()
		x, y := Mem{Base: at, Disp: 32 * i}, Mem{Base: at, Index: ld, Scale: 1, Disp: 32 * i}
		VMOVUPD(x, a)
		VMOVUPD(y, b)
		VMULPD(a, c, p)
		VFNMADD231PD(b, s, p)
		VMULPD(b, c, b)
		VFMADD231PD(a, s, b)
		VMOVUPD(p, x)
		VMOVUPD(b, y)
	}
	SUBQ(Imm(2), n)
	JLT(LabelRef("rotate_few_" + label))
	Label("rotate_two_" + label)
	one(0)
	one(1)
	ADDQ(Imm(64), at)
	SUBQ(Imm(2), n)
	JGE(LabelRef("rotate_two_" + label))
	Label("rotate_few_" + label)
	ADDQ(Imm(2), n)
	JZ(LabelRef("rotate_done_" + label))
	one(0)
	ADDQ(Imm(32), at)
	Label("rotate_done_" + label)
}
