//go:build !amd64 || noasm

package symeig

const accelerated = false

func machineKernels() kernels { return twins }
