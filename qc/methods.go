package qc

import (
	"fmt"
	"strings"
)

// Method says how a result was made, for the text that authors paste into their
// paper. The zero value makes a report without that section.
type Method struct {
	Program, Version string
	Settings         string // of the run, in one line
	Sampler          string // "mean" is the posterior mean
	Given            bool   // σ was given, not measured
	Rician           bool
	Target           bool // the output is on another gradient table
}

// reference is one entry of the bibliography.
type reference struct{ key, short, bibtex string }

var references = []reference{
	{"ho2020", "Ho et al. 2020", `@inproceedings{ho2020,
  author = {Ho, Jonathan and Jain, Ajay and Abbeel, Pieter},
  title = {Denoising Diffusion Probabilistic Models},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {33}, pages = {6840--6851}, year = {2020}
}`},
	{"nichol2021", "Nichol and Dhariwal 2021", `@inproceedings{nichol2021,
  author = {Nichol, Alexander Quinn and Dhariwal, Prafulla},
  title = {Improved Denoising Diffusion Probabilistic Models},
  booktitle = {International Conference on Machine Learning},
  pages = {8162--8171}, year = {2021}
}`},
	{"efron2011", "Efron 2011", `@article{efron2011,
  author = {Efron, Bradley},
  title = {Tweedie's Formula and Selection Bias},
  journal = {Journal of the American Statistical Association},
  volume = {106}, number = {496}, pages = {1602--1614}, year = {2011}
}`},
	{"lebrun2013", "Lebrun et al. 2013", `@article{lebrun2013,
  author = {Lebrun, Marc and Buades, Antoni and Morel, Jean-Michel},
  title = {A Nonlocal {Bayesian} Image Denoising Algorithm},
  journal = {SIAM Journal on Imaging Sciences},
  volume = {6}, number = {3}, pages = {1665--1688}, year = {2013}
}`},
	{"gavish2017", "Gavish and Donoho 2017", `@article{gavish2017,
  author = {Gavish, Matan and Donoho, David L.},
  title = {Optimal Shrinkage of Singular Values},
  journal = {IEEE Transactions on Information Theory},
  volume = {63}, number = {4}, pages = {2137--2152}, year = {2017}
}`},
	{"stein1981", "Stein 1981", `@article{stein1981,
  author = {Stein, Charles M.},
  title = {Estimation of the Mean of a Multivariate Normal Distribution},
  journal = {The Annals of Statistics},
  volume = {9}, number = {6}, pages = {1135--1151}, year = {1981}
}`},
	{"koay2006", "Koay and Basser 2006", `@article{koay2006,
  author = {Koay, Cheng Guan and Basser, Peter J.},
  title = {Analytically Exact Correction Scheme for Signal Extraction from Noisy Magnitude {MR} Signals},
  journal = {Journal of Magnetic Resonance},
  volume = {179}, number = {2}, pages = {317--322}, year = {2006}
}`},
	{"yeh2019", "Yeh et al. 2019", `@article{yeh2019,
  author = {Yeh, Fang-Cheng and Zaydan, Islam M. and Suski, Valerie R. and Lacomis, David and Richardson, R. Mark and Maroon, Joseph C. and Barrios-Martinez, Jessica},
  title = {Differential Tractography as a Track-Based Biomarker for Neuronal Injury},
  journal = {NeuroImage},
  volume = {202}, pages = {116131}, year = {2019}
}`},
}

func cite(key string) string {
	for _, r := range references {
		if r.key == key {
			return r.short
		}
	}
	panic("qc: no reference " + key)
}

// methodsText returns the paragraphs and the keys of what they cite.
func (r *reporter) methodsText() ([]string, []string) {
	m, k := r.in.Method, r.in.Known
	var cited []string
	ref := func(keys ...string) string {
		var names []string
		for _, key := range keys {
			names, cited = append(names, cite(key)), append(cited, key)
		}
		return "(" + strings.Join(names, "; ") + ")"
	}
	schedule := ref("ho2020")
	if k.Schedule.Name() == "cosine" {
		schedule = ref("ho2020", "nichol2021")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Thermal noise was removed from the diffusion-weighted series with %s %s. ", m.Program, m.Version)
	if m.Given {
		b.WriteString("The noise standard deviation was given. ")
	} else {
		fmt.Fprintf(&b, "The noise standard deviation was measured voxel by voxel from the joint tail of high spatial frequencies and small principal components (median %s). ", shown(r.m.Metrics.Value("sigma_median")))
	}
	fmt.Fprintf(&b, "Signals divided by it were read as a forward sample of a diffusion model with a %s schedule of %d steps %s at the noise-matched timestep t* = %s. ",
		k.Schedule.Name(), k.Schedule.T(), schedule, shown(r.m.Timestep))
	fmt.Fprintf(&b, "The prior was a hierarchical Gaussian learned from the scan itself: optimally shrunk local components %s and groups of similar patches %s. ", ref("gavish2017"), ref("lebrun2013"))
	if len(k.Risks) > 1 {
		fmt.Fprintf(&b, "Among candidates the prior “%s” had the lowest estimated risk %s. ", k.Prior, ref("stein1981"))
	}
	if m.Sampler == "" || m.Sampler == "mean" {
		fmt.Fprintf(&b, "The output is the posterior mean, by Tweedie's formula %s. ", ref("efron2011"))
	} else {
		fmt.Fprintf(&b, "The output was drawn by the %s sampler. ", m.Sampler)
	}
	if m.Rician {
		fmt.Fprintf(&b, "The bias of magnitude images was removed by the inverse of the Rician mean %s. ", ref("koay2006"))
	}
	if i := k.Imputed; i != nil && i.Slices > 0 {
		fmt.Fprintf(&b, "%d slices (%.2f %% of the scan) were found lost and replaced by the prediction of the other directions. ", i.Slices, i.Percent)
	}
	if m.Target {
		b.WriteString("The output was estimated on a gradient table other than the measured one. ")
	}
	quality := fmt.Sprintf("The variance removed was %s σ²; ", shown(r.m.Metrics.Value("variance_removed")))
	if ndc := r.m.Metrics.Value("ndc_after"); nullable(ndc) != nil {
		quality += fmt.Sprintf("the neighbouring DWI correlation %s rose from %s to %s; ", ref("yeh2019"), shown(r.m.Metrics.Value("ndc_before")), shown(ndc))
		if ndc < r.m.Metrics.Value("ndc_before") {
			quality = strings.Replace(quality, "rose from", "fell from", 1)
		}
	}
	quality += fmt.Sprintf("residuals of neighbouring voxels were correlated by %s, %s and %s along the three image axes.",
		hundredths(r.m.Residual.Lag1[0]), hundredths(r.m.Residual.Lag1[1]), hundredths(r.m.Residual.Lag1[2]))
	return []string{strings.TrimSpace(b.String()), quality}, cited
}

func (r *reporter) methods() (Section, error) {
	s := Section{ID: "methods", Title: "Methods text", Lead: "To be pasted into a paper. Read it before you do."}
	if r.in.Method.Program == "" {
		return s, nil
	}
	paragraphs, cited := r.methodsText()
	var bib []string
	for _, known := range references {
		for _, key := range cited {
			if key == known.key {
				bib = append(bib, known.bibtex)
				break
			}
		}
	}
	s.Blocks = []Block{Prose{paragraphs}, Listing{"BibTeX of what is cited", strings.Join(bib, "\n\n")}}
	if r.in.Method.Settings != "" {
		s.Blocks = append(s.Blocks, Facts{Rows: [][2]string{{"Settings", r.in.Method.Settings}}})
	}
	return s, nil
}
