package diffusion

import "errors"

// Errors of this package, for errors.Is.
var (
	// ErrSchedule reports an unknown schedule name, an impossible number of
	// timesteps or an impossible offset.
	ErrSchedule = errors.New("diffusion: invalid schedule")
	// ErrNoiseLevel reports a noise level that lies outside a schedule.
	ErrNoiseLevel = errors.New("diffusion: noise level outside the schedule")
	// ErrGaussian reports a mean or covariance that no normal distribution has:
	// not finite, or not positive semidefinite.
	ErrGaussian = errors.New("diffusion: not the mean and covariance of a normal distribution")
)

// Constants that misuse panics with.
const (
	badLength    = "diffusion: slices of different length"
	badSchedule  = "diffusion: empty schedule"
	badTimestep  = "diffusion: timestep outside [-1, T-1]"
	badStep      = "diffusion: step outside [0, T-1]"
	badSteps     = "diffusion: negative number of steps"
	badEta       = "diffusion: eta outside [0, 1]"
	badRand      = "diffusion: sampler needs a random generator"
	badDimension = "diffusion: covariance does not match the mean"
	badVectors   = "diffusion: length is no multiple of the prior's dimension"
)
