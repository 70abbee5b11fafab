//go:build !amd64 || noasm

package fastblas

const accelerated = false

func kernels32() kernels[float32] { return twins[float32](8) }

func kernels64() kernels[float64] { return twins[float64](4) }
