# dmri-denoise: `make` builds bin/dmri-denoise; `make help` lists the targets.

SHELL      := /bin/bash
GO         ?= go
THREADS    ?= $(shell nproc 2>/dev/null || echo 2)
# git describe gives v1.2.3 on a tag, v1.2.3-4-gabcdef after one, nothing before the first tag.
DESCRIBE   := $(shell git describe --tags --dirty --match 'v[0-9]*' 2>/dev/null)
COMMIT     := $(shell git rev-parse --short=10 HEAD 2>/dev/null)
VERSION    ?= $(or $(patsubst v%,%,$(DESCRIBE)),0.1.0-dev$(if $(COMMIT),+$(COMMIT)))
LDFLAGS    := -s -w -buildid= -X main.version=$(VERSION)
BUILD      := CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)'
BIN        := bin/dmri-denoise
DEMO       := build/demo
DRAWING    := build/pictures
PICTURES   ?= docs/pictures
PYTHON     ?= /usr/bin/python3
SCORE      := ../shared/eval/score.py
TOOL       := $(GO) tool -modfile=tools.mod
# What `make bench` runs: all, for 0.2 s, five times. Compare two runs with
# go run golang.org/x/perf/cmd/benchstat@latest old.txt build/bench.txt
BENCH      ?= .
BENCHTIME  ?= 0.2s
COUNT      ?= 5
RELEASE_CHECK ?= linux/amd64
PLATFORMS  ?= linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64
# The race detector needs cgo and a C compiler; without one `make check` says so and goes on.
RACE_PKGS  ?= ./...

.PHONY: all build demo pictures pictures-synthesis pictures-uncertainty generate test check fmt-check vet staticcheck tidy-check race bench eval eval-downstream eval-hcp eval-impute eval-learned eval-synthesis eval-trust eval-uncertainty binaries release release-check throughput clean help

all: build

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/dmri-denoise (static, no cgo)
	@mkdir -p bin
	$(BUILD) -o $(BIN) ./cmd/dmri-denoise

demo: build ## simulate a scan, denoise it, print the error before and after and where the pictures are
	@rm -rf $(DEMO) && mkdir -p $(DEMO)
	@echo; echo "== 1. simulate a scan of 70 volumes at SNR 15, with its truth"
	$(BIN) phantom $(DEMO)/scan --protocol clinical --shape 48,48,16 --snr 15 --rician --seed 1
	@echo; echo "== 2. denoise it: nothing but the scan and its tables goes in"
	$(BIN) run $(DEMO)/scan/dwi.nii.gz $(DEMO)/denoised.nii.gz --nthreads $(THREADS)
	@echo; echo "== 3. forward noise strip: structure fading into noise, as the diffusion model sees it"
	$(BIN) qc strip $(DEMO)/scan/truth.nii.gz --out $(DEMO)/noise_strip.png
	@echo; echo "== 4. error against the truth, before"
	@$(BIN) compare $(DEMO)/scan/truth.nii.gz $(DEMO)/scan/dwi.nii.gz --mask $(DEMO)/scan/mask.nii.gz --bval $(DEMO)/scan/dwi.bval
	@echo; echo "   ... and after"
	@$(BIN) compare $(DEMO)/scan/truth.nii.gz $(DEMO)/denoised.nii.gz --mask $(DEMO)/scan/mask.nii.gz --bval $(DEMO)/scan/dwi.bval
	@echo; echo "== pictures"
	@find $(DEMO) -name '*.png' -o -name report.html | sort

pictures: build ## draw the pictures of the README again, into docs/pictures
	@rm -rf $(DRAWING) && mkdir -p $(DRAWING) $(PICTURES)
	$(BIN) phantom $(DRAWING)/scan --protocol clinical --shape 96,96,32 --snr 12 --rician --seed 1
	$(BIN) run $(DRAWING)/scan/dwi.nii.gz $(DRAWING)/denoised.nii.gz --nthreads $(THREADS)
	cp $(DRAWING)/denoised_qc/figures/before_after_residual_b1000.png $(PICTURES)/before_after_residual.png
	$(BIN) qc strip $(DRAWING)/scan/truth.nii.gz --out $(PICTURES)/noise_strip.png --force
	@if command -v chromium >/dev/null; then chromium --headless=new --no-sandbox --hide-scrollbars --virtual-time-budget=5000 --window-size=1180,1240 \
	  --screenshot=$(abspath $(PICTURES))/report.png file://$(abspath $(DRAWING))/denoised_qc/report.html; else echo "pictures: no chromium, report.png is left as it is"; fi

pictures-synthesis: build ## draw the pictures of docs/synthesis.md again, into docs/pictures
	@rm -rf $(DRAWING)/synthesis && mkdir -p $(DRAWING)/synthesis $(PICTURES)
	$(BIN) phantom $(DRAWING)/synthesis/table --protocol multishell --shape 8,8,4 --seed 1
	$(BIN) phantom $(DRAWING)/synthesis/scan --protocol clinical --shape 64,64,16 --snr 20 --rician --seed 1
	$(BIN) sample $(DRAWING)/synthesis/voxels.nii.gz --bval $(DRAWING)/synthesis/table/dwi.bval --bvec $(DRAWING)/synthesis/table/dwi.bvec --count 24 --train-steps 1500 --nthreads $(THREADS) \
	  --strip-out $(PICTURES)/reverse_voxels.png --force
	$(BIN) qc strip $(DRAWING)/synthesis/scan/dwi.nii.gz --reverse --panels 6 --scale 2.5 --out $(PICTURES)/reverse_slice.png --force

pictures-uncertainty: build ## draw the picture of docs/uncertainty.md again, into docs/pictures
	@rm -rf $(DRAWING)/uncertainty && mkdir -p $(DRAWING)/uncertainty $(PICTURES)
	$(BIN) phantom $(DRAWING)/uncertainty/p --protocol clinical --snr 20 --rician --shape 56,56,20 --voxel-size 3.2
	$(BIN) uncertainty $(DRAWING)/uncertainty/p/dwi.nii.gz $(DRAWING)/uncertainty/u --mask $(DRAWING)/uncertainty/p/mask.nii.gz --samples 16 --nthreads $(THREADS)
	chromium --headless=new --no-sandbox --hide-scrollbars --virtual-time-budget=5000 --window-size=900,1560 \
	  --screenshot=$(abspath $(PICTURES))/uncertainty.png file://$(abspath $(DRAWING))/uncertainty/u_qc/report.html

generate: ## write the assembly again from internal/avogen
	$(GO) generate ./internal/...

test: ## run every test
	$(GO) test ./...

check: fmt-check vet staticcheck tidy-check race ## gofmt, vet, staticcheck, tidy, tests under the race detector

fmt-check:
	@out=$$(gofmt -l .) || exit 1; \
	if [ -n "$$out" ]; then echo "gofmt would change:"; echo "$$out"; exit 1; fi

vet:
	$(GO) vet ./...

staticcheck:
	$(TOOL) staticcheck ./...

tidy-check:
	$(GO) mod tidy -diff

race:
	@if [ "$$($(GO) env CGO_ENABLED)" = 1 ] && command -v "$$($(GO) env CC)" >/dev/null 2>&1; then \
	  $(GO) test -race $(RACE_PKGS); \
	else echo "race: skipped, no C compiler (apt-get install gcc)"; fi

bench: ## run the benchmarks COUNT times into build/bench.txt, as benchstat reads it (BENCH=regexp, BENCHTIME=0.2s)
	@mkdir -p build
	set -o pipefail; $(GO) test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem -count $(COUNT) ./... | tee build/bench.txt

eval: build ## score against dwidenoise, write docs/accuracy.md and docs/benchmark.md (needs ../shared; installs MRtrix and nibabel)
	@if ! $(PYTHON) -c 'import numpy, scipy, nibabel' 2>/dev/null || ! command -v dwidenoise >/dev/null; then \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends mrtrix3 python3-nibabel python3-numpy python3-scipy; fi
	@mkdir -p build
	@if [ -f $(SCORE) ]; then $(PYTHON) $(SCORE) --bin $(BIN) --threads $(THREADS) --json build/score.json $(EVAL_ARGS); \
	else echo "eval: $(SCORE) is not here: its table is left out"; fi
	$(GO) run ./internal/runeval -bin $(BIN) -threads $(THREADS) $(if $(wildcard $(SCORE)),-score build/score.json) $(RUNEVAL_ARGS)

eval-downstream: build ## fit tensor, kurtosis and CSD with MRtrix to noisy and denoised phantoms; writes its table in docs/accuracy.md
	@if ! $(PYTHON) -c 'import dipy, sklearn' 2>/dev/null || ! command -v dwi2fod >/dev/null; then \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends mrtrix3 python3-dipy python3-sklearn; fi
	$(GO) run ./internal/runeval -bin $(BIN) -threads $(THREADS) -only downstream

eval-hcp: build ## denoise a scan of 145x174x145x288 voxels (16 GB of memory, 10 GB of disk); writes docs/benchmark.md
	$(GO) run ./internal/runeval -bin $(BIN) -threads $(THREADS) -only benchmark -hcp

eval-uncertainty: ## measure posterior draws and fibre cones on phantoms (docs/uncertainty_tables.md)
	$(GO) run ./internal/uncertaintyeval

eval-impute: ## hold out directions, spoil slices, compare with SH and GP peers; writes docs/imputation.md
	$(GO) run ./internal/imputeeval -data ../shared/data -out docs/imputation.md -picture $(PICTURES)/imputed_slices.png -threads $(THREADS)

eval-synthesis: ## judge generated voxels against held-out ones; writes docs/synthesis.md
	$(GO) run ./internal/syntheval -data ../shared/data -out docs/synthesis.md -threads $(THREADS)

eval-trust: build ## measure lesions (beside dwidenoise) and memory, write docs/trust.md (TRUST_ARGS=-hcp for the largest scan)
	$(GO) run ./internal/trusteval -bin $(BIN) -threads $(THREADS) $(TRUST_ARGS)

eval-learned: ## the learned prior against the Gaussian one and against published recipes; writes docs/learned-prior.md
	$(GO) run ./internal/learneval -data ../shared/data -out docs/learned-prior.md -threads $(THREADS)

# The same source gives the same bytes anywhere: no paths (-trimpath), no version control stamp, no build id, no cgo.
binaries:
	@rm -rf dist && mkdir -p dist
	@set -e; for p in $(PLATFORMS); do \
	  os=$${p%/*}; arch=$${p#*/}; ext=; [ $$os = windows ] && ext=.exe; \
	  out=dist/dmri-denoise-$(VERSION)-$$os-$$arch$$ext; echo "$$out"; \
	  GOOS=$$os GOARCH=$$arch $(BUILD) -o $$out ./cmd/dmri-denoise; \
	done; cd dist && sha256sum dmri-denoise-* > SHA256SUMS

release: binaries ## static binaries for every platform into dist/, each with a bill of materials (CycloneDX), and checksums
	@set -e; for f in dist/dmri-denoise-*; do \
	  GOFLAGS=-trimpath $(TOOL) cyclonedx-gomod bin -json -noserial -notimestamp -version v$(VERSION) -output $$f.cdx.json $$f; \
	done; cd dist && sha256sum dmri-denoise-* > SHA256SUMS

# Builds once more from a copy in another folder with an empty cache, and compares.
release-check: ## are the binaries reproducible? (RELEASE_CHECK=os/arch, default linux/amd64)
	@set -e; copy=$$(mktemp -d); trap 'rm -rf "$$copy"' EXIT; \
	git ls-files -z --cached --others --exclude-standard | tar --null -T - -c | tar -x -C "$$copy"; \
	$(MAKE) --no-print-directory binaries PLATFORMS=$(RELEASE_CHECK); mv dist/SHA256SUMS "$$copy/first"; \
	GOCACHE="$$copy/.cache" $(MAKE) --no-print-directory -C "$$copy" binaries PLATFORMS=$(RELEASE_CHECK) VERSION=$(VERSION); \
	diff "$$copy/first" "$$copy/dist/SHA256SUMS"; cat "$$copy/first"; echo "two builds, the same bytes"

throughput: build ## batch of 8 phantoms beside one at a time with one thread; the plan of 10 000 subjects
	.ci/throughput $(BIN)

clean: ## remove what the targets above made
	rm -rf bin build dist
