package phantom

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// shellPlan is a number of volumes at one b-value.
type shellPlan struct {
	b       float64
	volumes int
}

var protocols = map[string][]shellPlan{
	"small":      {{0, 3}, {1000, 30}},
	"clinical":   {{0, 6}, {1000, 64}},
	"multishell": {{0, 10}, {700, 20}, {1000, 30}, {2000, 45}, {3000, 60}},
	"hcp":        {{0, 18}, {1000, 90}, {2000, 90}, {3000, 90}},
}

// ProtocolNames returns the names that [Protocol] knows, sorted.
func ProtocolNames() []string {
	names := make([]string, 0, len(protocols))
	for name := range protocols {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// ProtocolVolumes returns the number of volumes of a named protocol, 0 for a name that there is not.
func ProtocolVolumes(name string) int {
	total := 0
	for _, s := range protocols[name] {
		total += s.volumes
	}
	return total
}

// Protocol returns the gradient table of a named protocol: small (3 b = 0 volumes and 30 at 1000 s/mm²), clinical (6 and 64
// at 1000), multishell (10, 20 at 700, 30 at 1000, 45 at 2000, 60 at 3000) or hcp (18 and 90 each at 1000, 2000 and 3000).
// Directions of each shell are spread evenly, shells follow each other in random order, and the b = 0 volumes stand at
// even distances, the first one first. The table is in the FSL frame and depends on rng alone.
func Protocol(name string, rng *rand.Rand) (*gradients.Table, error) {
	plan, ok := protocols[name]
	if !ok {
		return nil, fmt.Errorf("phantom: no protocol %q; there are %s", name, strings.Join(ProtocolNames(), ", "))
	}
	type volume struct {
		b float64
		g [3]float64
	}
	var weighted []volume
	unweighted, total := 0, ProtocolVolumes(name)
	for _, s := range plan {
		if s.b == 0 {
			unweighted += s.volumes
			continue
		}
		for _, g := range gradients.Directions(s.volumes, rng) {
			weighted = append(weighted, volume{s.b, g})
		}
	}
	rng.Shuffle(len(weighted), func(i, j int) { weighted[i], weighted[j] = weighted[j], weighted[i] })
	t := &gradients.Table{BVals: make([]float64, total), BVecs: make([][3]float64, total), Frame: gradients.FSLFrame}
	zeros := 0
	for n := range total {
		// The b = 0 volume number k stands at k·total/unweighted, rounded down.
		if zeros < unweighted && n == zeros*total/unweighted {
			zeros++
			continue
		}
		v := weighted[n-zeros]
		t.BVals[n], t.BVecs[n] = v.b, v.g
	}
	return t, nil
}
