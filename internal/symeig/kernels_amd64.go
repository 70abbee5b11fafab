//go:build !noasm

package symeig

import "golang.org/x/sys/cpu"

//go:generate go -C ../avogen run . symeig -out ../symeig/kernels_amd64.s -stubs ../symeig/stubs_amd64.go -pkg symeig

// HasAVX2 includes that the operating system saves the wide registers.
var accelerated = cpu.X86.HasAVX2 && cpu.X86.HasFMA

func machineKernels() kernels {
	if !accelerated {
		return twins
	}
	return kernels{updateMultiply: updateMultiply, reflect: reflect, qlSweep: qlSweep}
}
