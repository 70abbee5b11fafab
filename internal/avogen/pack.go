package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// copyRows writes the kernel that copies k rows of the given number of vectors
// from a strided matrix to contiguous memory.
func (p precision) copyRows(vectors int) {
	name := fmt.Sprintf("copyRows%s_%d", p.suffix, vectors)
	TEXT(name, NOSPLIT, fmt.Sprintf("func(k int, src *%[1]s, stride int, dst *%[1]s)", p.goType))
	Doc(fmt.Sprintf("%s copies k ≥ 1 rows of %d vectors, stride elements apart, to contiguous memory.", name, vectors))
	k := Load(Param("k"), GP64())
	src := Load(Param("src"), GP64()).(reg.Register)
	stride := p.bytes("stride")
	dst := Load(Param("dst"), GP64()).(reg.Register)
	y := []reg.VecVirtual{YMM(), YMM()}
	Label(name + "_loop")
	for v := range vectors {
		p.move(Mem{Base: src, Disp: 32 * v}, y[v])
		p.move(y[v], Mem{Base: dst, Disp: 32 * v})
	}
	ADDQ(stride, src)
	ADDQ(Imm(uint64(32*vectors)), dst)
	DECQ(k)
	JNZ(LabelRef(name + "_loop"))
	VZEROUPPER()
	RET()
}

// transpose32 writes the kernel that turns blocks of 8×8 float32.
func transpose32() {
	TEXT("transpose32", NOSPLIT, "func(blocks int, src *float32, lds int, dst *float32, ldd int)")
	Doc("transpose32 turns 8 rows of 8·blocks values, lds apart, into 8·blocks rows of 8 values, ldd apart.")
	blocks := Load(Param("blocks"), GP64())
	src := Load(Param("src"), GP64()).(reg.Register)
	lds := float32s.bytes("lds")
	dst := Load(Param("dst"), GP64()).(reg.Register)
	ldd := float32s.bytes("ldd")
	src4 := GP64()
	LEAQ(Mem{Base: src, Index: lds, Scale: 4}, src4)
	three := GP64()
	LEAQ(Mem{Base: lds, Index: lds, Scale: 2}, three)
	Label("transpose32_loop")
	rows := make([]reg.VecVirtual, 8)
	for i := range rows {
		rows[i] = YMM()
		VMOVUPS(strided(src, src4, lds, three, i), rows[i])
	}
	low, high := make([]reg.VecVirtual, 4), make([]reg.VecVirtual, 4)
	for i := range low {
		low[i], high[i] = YMM(), YMM()
		VUNPCKLPS(rows[2*i+1], rows[2*i], low[i])
		VUNPCKHPS(rows[2*i+1], rows[2*i], high[i])
	}
	quads := make([]reg.VecVirtual, 8) // columns 0..3 of rows 0..3 and 4..7
	for h := range 2 {
		for i, pair := range [][2]reg.VecVirtual{{low[2*h], low[2*h+1]}, {high[2*h], high[2*h+1]}} {
			q := []reg.VecVirtual{YMM(), YMM()}
			VSHUFPS(Imm(0x44), pair[1], pair[0], q[0])
			VSHUFPS(Imm(0xee), pair[1], pair[0], q[1])
			quads[4*h+2*i], quads[4*h+2*i+1] = q[0], q[1]
		}
	}
	for column := range 8 {
		y := YMM()
		select128 := Imm(0x20)
		if column >= 4 {
			select128 = Imm(0x31)
		}
		VPERM2F128(select128, quads[4+column%4], quads[column%4], y)
		VMOVUPS(y, Mem{Base: dst})
		ADDQ(ldd, dst)
	}
	ADDQ(Imm(32), src)
	ADDQ(Imm(32), src4)
	DECQ(blocks)
	JNZ(LabelRef("transpose32_loop"))
	VZEROUPPER()
	RET()
}

// strided addresses row i of 8, from row 0 and row 4.
func strided(row0, row4, stride, three reg.Register, i int) Mem {
	base := row0
	if i >= 4 {
		base = row4
	}
	switch i % 4 {
	case 0:
		return Mem{Base: base}
	case 3:
		return Mem{Base: base, Index: three, Scale: 1}
	default:
		return Mem{Base: base, Index: stride, Scale: uint8(i % 4)}
	}
}

// transpose64 writes the kernel that turns blocks of 4×4 float64.
func transpose64() {
	TEXT("transpose64", NOSPLIT, "func(blocks int, src *float64, lds int, dst *float64, ldd int)")
	Doc("transpose64 turns 4 rows of 4·blocks values, lds apart, into 4·blocks rows of 4 values, ldd apart.")
	blocks := Load(Param("blocks"), GP64())
	src := Load(Param("src"), GP64()).(reg.Register)
	lds := float64s.bytes("lds")
	dst := Load(Param("dst"), GP64()).(reg.Register)
	ldd := float64s.bytes("ldd")
	three := GP64()
	LEAQ(Mem{Base: lds, Index: lds, Scale: 2}, three)
	Label("transpose64_loop")
	rows := make([]reg.VecVirtual, 4)
	for i := range rows {
		rows[i] = YMM()
		VMOVUPD(strided(src, src, lds, three, i), rows[i])
	}
	low, high := []reg.VecVirtual{YMM(), YMM()}, []reg.VecVirtual{YMM(), YMM()}
	for i := range 2 {
		VUNPCKLPD(rows[2*i+1], rows[2*i], low[i])
		VUNPCKHPD(rows[2*i+1], rows[2*i], high[i])
	}
	for column, pair := range [][]reg.VecVirtual{low, high, low, high} {
		y := YMM()
		select128 := Imm(0x20)
		if column >= 2 {
			select128 = Imm(0x31)
		}
		VPERM2F128(select128, pair[1], pair[0], y)
		VMOVUPD(y, Mem{Base: dst})
		ADDQ(ldd, dst)
	}
	ADDQ(Imm(32), src)
	DECQ(blocks)
	JNZ(LabelRef("transpose64_loop"))
	VZEROUPPER()
	RET()
}
