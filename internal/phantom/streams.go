package phantom

import "math/rand/v2"

// purpose names what a stream of random numbers is used for.
type purpose uint64

const (
	forProtocol purpose = iota + 1
	forField
	forNoise
)

// stream returns the generator of one sub-stream. Its state is a hash of the names: neighbouring seeds, slices and
// volumes would otherwise start PCG at neighbouring states.
func stream(seed uint64, p purpose, index ...int) *rand.Rand {
	hi := mix(seed)
	lo := mix(hi ^ uint64(p))
	for _, i := range index {
		hi = mix(hi ^ lo)
		lo = mix(lo ^ uint64(i))
	}
	return rand.New(rand.NewPCG(hi, lo))
}

// mix is the finaliser of SplitMix64 (Steele, Lea and Flood 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
