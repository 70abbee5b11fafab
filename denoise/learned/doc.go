// Package learned is the learned prior: a small network, trained on simulated
// tissue, that corrects the estimate of the Gaussian prior value by value, and
// Stein's unbiased risk estimate, which weighs that correction on the scan itself.
//
//	l := learned.NewPrior(gaussian, grid, d, scaling, learned.Embedded(), groups, learned.PriorOptions{})
//	all, shells, err := l.Fit(ctx, y, within, nil, false)   // weights, and what they gain
//
// [Prior] is a diffusion.Denoiser. [Embedded] is the model that comes with the
// program; [Model.Write] and [ReadModel] keep others. Method and
// figures: docs/learned-prior.md.
package learned
