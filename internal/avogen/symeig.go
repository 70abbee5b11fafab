package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// symeig writes the kernels of ../symeig. Rows are multiples of four float64
// long, and come in groups of four where a kernel works on a matrix.
func symeig() {
	updateMultiply()
	reflect()
	rotate()
}

// fourRows are the addresses of four rows, ld bytes apart.
type fourRows struct{ base, ld, three reg.Register }

func loadFourRows(name string) fourRows {
	r := fourRows{base: Load(Param(name), GP64()).(reg.Register), ld: float64s.bytes("ld"), three: GP64()}
	LEAQ(Mem{Base: r.ld, Index: r.ld, Scale: 2}, r.three)
	return r
}

// at addresses row i, disp bytes from where base is.
func (r fourRows) at(i, disp int) Mem {
	m := strided(r.base, r.base, r.ld, r.three, i)
	m.Disp = disp
	return m
}

// sumFour puts the sums of four vectors into one.
func sumFour(a []reg.VecVirtual, dst, t reg.VecVirtual) {
	VHADDPD(a[1], a[0], a[0])
	VHADDPD(a[3], a[2], a[2])
	VPERM2F128(Imm(0x21), a[2], a[0], t) // high half of 0, low half of 2
	VBLENDPD(Imm(0xc), a[2], a[0], dst)
	VADDPD(t, dst, dst)
}

func vecs(n int) []reg.VecVirtual {
	out := make([]reg.VecVirtual, n)
	for i := range out {
		out[i] = YMM()
	}
	return out
}

func updateMultiply() {
	const name = "updateMultiply"
	TEXT(name, NOSPLIT, "func(groups, vectors int, a *float64, ld int, v, w, u, y *float64)")
	Doc(name+" subtracts v·wᵀ + w·vᵀ from the matrix a of 4·groups rows by 4·vectors columns", "and sets y to its product with u.")
	groups := Load(Param("groups"), GP64())
	a := loadFourRows("a")
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
	a := loadFourRows("a")
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

func rotate() {
	const name = "rotate"
	TEXT(name, NOSPLIT, "func(vectors int, x, y *float64, c, s float64)")
	Doc(name + " replaces rows x and y of 4·vectors columns by c·x - s·y and s·x + c·y.")
	n := Load(Param("vectors"), GP64())
	x := Load(Param("x"), GP64()).(reg.Register)
	y := Load(Param("y"), GP64()).(reg.Register)
	c, s := YMM(), YMM()
	VBROADCASTSD(param("c"), c)
	VBROADCASTSD(param("s"), s)
	a, b, p, q := vecs(2), vecs(2), vecs(2), vecs(2)
	one := func(i int) {
		VMOVUPD(Mem{Base: x, Disp: 32 * i}, a[i])
		VMOVUPD(Mem{Base: y, Disp: 32 * i}, b[i])
		VMULPD(a[i], c, p[i])
		VMULPD(b[i], c, q[i])
		VFNMADD231PD(b[i], s, p[i])
		VFMADD231PD(a[i], s, q[i])
		VMOVUPD(p[i], Mem{Base: x, Disp: 32 * i})
		VMOVUPD(q[i], Mem{Base: y, Disp: 32 * i})
	}
	Label("rotate_two")
	CMPQ(n, Imm(2))
	JLT(LabelRef("rotate_one"))
	one(0)
	one(1)
	ADDQ(Imm(64), x)
	ADDQ(Imm(64), y)
	SUBQ(Imm(2), n)
	JMP(LabelRef("rotate_two"))
	Label("rotate_one")
	TESTQ(n, n)
	JZ(LabelRef("rotate_done"))
	one(0)
	Label("rotate_done")
	VZEROUPPER()
	RET()
}
