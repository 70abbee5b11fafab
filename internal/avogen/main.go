// Command avogen writes the assembly of a package: go run . PACKAGE -out FILE -stubs FILE.
package main

import (
	"fmt"
	"os"

	. "github.com/mmcloughlin/avo/build"
)

func main() {
	name := os.Args[1]
	os.Args = append(os.Args[:1], os.Args[2:]...)
	ConstraintExpr("!noasm")
	switch name {
	case "fastblas":
		fastblas()
	case "symeig":
		symeig()
	default:
		fmt.Fprintf(os.Stderr, "avogen: no package %q\n", name)
		os.Exit(2)
	}
	Generate()
}

func fastblas() {
	for _, p := range []precision{float32s, float64s} {
		for vectors := 1; vectors <= 2; vectors++ {
			for rows := 1; rows <= 6; rows++ {
				p.tile(rows, vectors)
			}
			p.copyRows(vectors)
		}
		p.dot()
		p.axpy()
		p.dots()
		p.axpys()
	}
	transpose32()
	transpose64()
}
