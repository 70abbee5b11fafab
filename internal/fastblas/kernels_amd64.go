//go:build !noasm

package fastblas

import "golang.org/x/sys/cpu"

//go:generate go -C ../avogen run . fastblas -out ../fastblas/kernels_amd64.s -stubs ../fastblas/stubs_amd64.go -pkg fastblas

// HasAVX2 includes that the operating system saves the wide registers.
var accelerated = cpu.X86.HasAVX2 && cpu.X86.HasFMA

func kernels32() kernels[float32] {
	if !accelerated {
		return twins[float32](8)
	}
	return kernels[float32]{
		width: 8,
		tiles: [2][tileRows]tile[float32]{
			{tile32_1x1, tile32_2x1, tile32_3x1, tile32_4x1, tile32_5x1, tile32_6x1},
			{tile32_1x2, tile32_2x2, tile32_3x2, tile32_4x2, tile32_5x2, tile32_6x2},
		},
		copyRows:  [2]func(int, *float32, int, *float32){copyRows32_1, copyRows32_2},
		transpose: transpose32, dot: dot32, axpy: axpy32, dots: dots32, axpys: axpys32,
	}
}

func kernels64() kernels[float64] {
	if !accelerated {
		return twins[float64](4)
	}
	return kernels[float64]{
		width: 4,
		tiles: [2][tileRows]tile[float64]{
			{tile64_1x1, tile64_2x1, tile64_3x1, tile64_4x1, tile64_5x1, tile64_6x1},
			{tile64_1x2, tile64_2x2, tile64_3x2, tile64_4x2, tile64_5x2, tile64_6x2},
		},
		copyRows:  [2]func(int, *float64, int, *float64){copyRows64_1, copyRows64_2},
		transpose: transpose64, dot: dot64, axpy: axpy64, dots: dots64, axpys: axpys64,
	}
}
