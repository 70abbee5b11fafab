package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// instruction adds one instruction, operands in Go's order: destination last.
type instruction func(operands ...Op)

// precision names the instructions of one floating-point type.
type precision struct {
	goType, suffix string
	size           int
	move           instruction // src, dst
	broadcast      instruction // src, dst
	mul            instruction // a, b, dst
	add            instruction // a, b, dst
	fma231         instruction // a, b, acc: acc += a·b
	fma213         instruction // c, b, acc: acc = acc·b + c
	fnma231        instruction // a, b, acc: acc -= a·b
	scalarMove     instruction
	scalarAdd      instruction
	scalarMul      instruction
	scalarFMA231   instruction
	scalarFNMA231  instruction
}

var float32s = precision{
	"float32", "32", 4, VMOVUPS, VBROADCASTSS, VMULPS, VADDPS, VFMADD231PS, VFMADD213PS, VFNMADD231PS,
	VMOVSS, VADDSS, VMULSS, VFMADD231SS, VFNMADD231SS,
}

var float64s = precision{
	"float64", "64", 8, VMOVUPD, VBROADCASTSD, VMULPD, VADDPD, VFMADD231PD, VFMADD213PD, VFNMADD231PD,
	VMOVSD, VADDSD, VMULSD, VFMADD231SD, VFNMADD231SD,
}

// bytes loads a parameter that counts elements and turns it into bytes.
func (p precision) bytes(name string) reg.GPVirtual {
	r := Load(Param(name), GP64()).(reg.GPVirtual)
	SHLQ(Imm(uint64(map[int]int{4: 2, 8: 3}[p.size])), r)
	return r
}

// tile writes the kernel of one tile of C, rows × vectors registers of 32 bytes:
//
//	C = α·A·B   or, with add, C += α·A·B
//
// A is read element by element with any strides, B by whole vectors.
func (p precision) tile(rows, vectors int) {
	name := fmt.Sprintf("tile%s_%dx%d", p.suffix, rows, vectors)
	TEXT(name, NOSPLIT, fmt.Sprintf("func(k int, a *%[1]s, rs, cs int, b *%[1]s, bs int, c *%[1]s, ldc int, alpha %[1]s, add bool)", p.goType))
	Doc(fmt.Sprintf("%s is the tile of %d rows by %d vectors; see tile.", name, rows, vectors))
	k := Load(Param("k"), GP64())
	a := Load(Param("a"), GP64())
	rs, cs := p.bytes("rs"), p.bytes("cs")
	b := Load(Param("b"), GP64())
	bs := p.bytes("bs")
	a3 := GP64()
	if rows > 3 {
		LEAQ(Mem{Base: a, Index: rs, Scale: 2}, a3)
		ADDQ(rs, a3)
	}
	acc := make([][]reg.VecVirtual, rows)
	for r := range acc {
		for range vectors {
			y := YMM()
			acc[r] = append(acc[r], y)
			VXORPS(y, y, y)
		}
	}
	p.tileLoop(name, k, a, a3, rs, cs, b, bs, acc)
	p.tileStore(name, acc)
	VZEROUPPER()
	RET()
}

func (p precision) tileLoop(name string, k, a, a3, rs, cs, b, bs Op, acc [][]reg.VecVirtual) {
	rows, vectors := len(acc), len(acc[0])
	bv := []reg.VecVirtual{YMM(), YMM()}[:vectors]
	av := []reg.VecVirtual{YMM(), YMM()}
	TESTQ(k, k)
	JZ(LabelRef(name + "_store"))
	Label(name + "_loop")
	for v := range bv {
		p.move(Mem{Base: b.(reg.Register), Disp: 32 * v}, bv[v])
	}
	for r := range rows {
		base, i := a.(reg.Register), r
		if r >= 3 {
			base, i = a3.(reg.Register), r-3
		}
		m := Mem{Base: base}
		if i > 0 {
			m.Index, m.Scale = rs.(reg.Register), uint8(i)
		}
		p.broadcast(m, av[r%2])
		for v := range bv {
			p.fma231(av[r%2], bv[v], acc[r][v])
		}
	}
	ADDQ(cs, a)
	if rows > 3 {
		ADDQ(cs, a3)
	}
	ADDQ(bs, b)
	DECQ(k)
	JNZ(LabelRef(name + "_loop"))
	Label(name + "_store")
}

func (p precision) tileStore(name string, acc [][]reg.VecVirtual) {
	c := Load(Param("c"), GP64())
	ldc := p.bytes("ldc")
	alpha := YMM()
	address, err := Param("alpha").Resolve()
	if err != nil {
		panic(err)
	}
	p.broadcast(address.Addr, alpha)
	add := Load(Param("add"), GP8())
	TESTB(add, add)
	JZ(LabelRef(name + "_overwrite"))
	old := YMM()
	for _, adding := range []bool{true, false} {
		if !adding {
			Label(name + "_overwrite")
		}
		for r := range acc {
			for v, y := range acc[r] {
				m := Mem{Base: c.(reg.Register), Disp: 32 * v}
				if adding {
					p.move(m, old)
					p.fma213(old, alpha, y)
				} else {
					p.mul(alpha, y, y)
				}
				p.move(y, m)
			}
			if r < len(acc)-1 {
				ADDQ(ldc, c)
			}
		}
		if adding {
			VZEROUPPER()
			RET()
		}
	}
}
