package unseen

import "math"

// Answers returns the posterior mean of each sample: from pure noise, or given
// its measurement at the noise level of that, the noise-matched start of the reverse
// process.
func (m *Model) Answers(s *Samples, measured bool) []float64 {
	out := make([]float64, 0, s.Len())
	m.eachQuestion(s, func(i int) question {
		if !measured {
			return question{s: math.Inf(1)}
		}
		return question{s: math.Sqrt(float64(s.Noise[i])), value: float64(s.Measured[i])}
	}, 0, func(_ int, _ question, a, _ float64) { out = append(out, a) })
	return out
}

// Risk returns the mean squared error of [Model.Answers] given the measurements,
// in σ², estimated without truth: Stein's unbiased risk estimate, exact because
// the context has not seen the measurement and one scalar derivative is all it needs.
func (m *Model) Risk(s *Samples) float64 {
	sum := 0.0
	m.eachQuestion(s, func(i int) question {
		return question{kind: matched, s: math.Sqrt(float64(s.Noise[i])), value: float64(s.Measured[i]), noise: float64(s.Noise[i]), weight: 1}
	}, probeStep, func(_ int, q question, a, b float64) {
		loss, _, _ := q.loss(noised{}, noised{}, a, b)
		sum += loss
	})
	return sum / math.Max(float64(s.Len()), 1)
}

// eachQuestion asks every sample for D at two values of x_t, step apart from the
// value in units of the noise.
func (m *Model) eachQuestion(s *Samples, ask func(i int) question, step float64, answer func(i int, q question, a, b float64)) {
	b := m.newBatch(batchRows)
	questions := make([]question, batchRows/2)
	for from := 0; from < s.Len(); from += len(questions) {
		n := min(len(questions), s.Len()-from)
		for i := range n {
			q := ask(from + i)
			questions[i] = q
			for r := 2 * i; r < 2*i+2; r++ {
				copy(b.static[r*StaticCount:(r+1)*StaticCount], s.Static[(from+i)*StaticCount:])
				b.mean[r], b.variance[r] = float64(s.Mean[from+i]), float64(s.Variance[from+i])
			}
			away := step * math.Sqrt(q.noise)
			b.at[2*i], b.at[2*i+1] = noised{q.value + away, q.s}, noised{q.value - away, q.s}
		}
		b.forward(2*n, nil)
		for i, q := range questions[:n] {
			answer(from+i, q, b.answer[2*i], b.answer[2*i+1])
		}
	}
}
