# `make` lists what can be done. Anything longer than a line or two lives in scripts/ or packaging/.

CARGO ?= cargo
export CARGO

.DEFAULT_GOAL := help
.PHONY: help rust demo demo-elastic demo-service tools test lint generate recording screenshot fuzz-smoke clean bench cost budgets fleet image-gain static linked package repository build install vendor test-static test-source test-fresh test-packages test-images test-guest test-cloud-init

help: ## list what can be done
	@sed -n -e 's/^#: //p' -e 's/^\([a-z-]*\):.*## /  \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

rust: # is Rust new enough? before anything is built
	@scripts/rust-version

#: Try it

demo: rust ## play one VM's story, as OpenNebula's documentation tells it, with both programs
	@$(CARGO) build --locked --workspace --bins
	@scripts/demo

demo-elastic: rust ## show a service that grows and shrinks by its rules, in half a minute
	@$(CARGO) build --locked --workspace --bins
	@scripts/demo-elastic

demo-service: rust ## show a service that grows, loses a VM, recovers and shrinks: guests in QEMU after make tools, else processes
	@$(CARGO) build --locked --workspace --bins
	@scripts/demo-service

#: Change it

tools: ## install what the static build, the packages and all tests need (Debian, Ubuntu; as root)
	@scripts/tools

test: ## run all tests that need neither root nor a network, but for the crates
	@scripts/test

lint: rust ## check formatting, clippy and documentation; every warning is an error
	$(CARGO) fmt --all --check
	scripts/rust-version --dependencies
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS=-Dwarnings $(CARGO) doc --workspace --no-deps
	@scripts/deny

generate: ## write the man pages, completions and charts from their tables
	$(CARGO) run --package onegate --example generate
	$(CARGO) run --package onegate-server-lite --example charts

recording: rust ## record the picture at the top of README.md
	@$(CARGO) build --locked --workspace --bins
	@$(CARGO) run --quiet --package onegate --example recording

screenshot: rust ## take docs/images/page*.webp: the page in Chromium while a service scales (two minutes)
	@SCREENSHOTS=$(CURDIR)/docs/images $(CARGO) test --package onegate-server-lite --test suite page_in_browser

fuzz-smoke: ## run each fuzz target for five seconds, from the committed corpora
	@fuzz/run 5

clean: ## remove what was built
	$(CARGO) clean
	rm -rf dist

#: Measure it

bench: static ## measure what a request costs the agent and the server, beside curl and nginx, and what watching costs
	@$(CARGO) bench --quiet -p onegate-server-lite --bench elasticity
	@bench/load
	@bench/instructions
	@bench/client
	@bench/watch

cost: ## count instructions: no parser and no route costs more than its input grows; needs valgrind, takes minutes
	$(CARGO) test --profile bench -p onegate-server-lite -p onegate --test cost -- --ignored --nocapture

budgets: ## let one client exceed each budget of docs/server.md, and measure what another one notices
	@$(CARGO) build --quiet --profile bench -p onegate-server-lite --bins --example budgets
	@target/release/examples/budgets target/release/onegate-server-lite

fleet: ## run VMS=N guests for SECONDS=S against a server of our own, URL=http://HOST:PORT with its CLOUD=FILE, or ONED=CALLS a second
	@$(CARGO) build --quiet --profile bench -p onegate-server-lite --bins --example fleet
	@target/release/examples/fleet --vms $(or $(VMS),1000) --seconds $(or $(SECONDS),30) \
		$(if $(URL),--url $(URL)) $(if $(CLOUD),--cloud $(CLOUD)) \
		$(if $(ONED),--oned $(ONED)) $(if $(MAX_AGE),--max-age $(MAX_AGE)) $(if $(SERVER),--server $(SERVER))

image-gain: package ## measure what an image gains without Ruby: packages, bytes, time (as root; takes minutes)
	@packaging/guest/measure

#: Ship it

static: ## build dist/{x86_64,aarch64}/onegate and dist/x86_64/onegate-server-lite, static musl
	@scripts/build-static

linked: ## list what is linked into each program, with its licences: dist/*.cdx.json and dist/*.notices
	@scripts/linked

package: static linked ## build deb, rpm and apk of the agent and the server into dist/packages
	@packaging/build

repository: package ## build a signed apt repository of the debs, as an example, into dist/repository
	@packaging/repository

build: rust ## build both programs with stable Rust, for `make install` and a distribution's packages
	$(CARGO) build --locked $(CARGOFLAGS) --package onegate --bin onegate --profile release-agent
	$(CARGO) build --locked $(CARGOFLAGS) --package onegate-server-lite --bin onegate-server-lite --profile release-server
	@scripts/linked

install: ## install what `make build` built, with manuals, completions and service; DESTDIR, PREFIX (/usr/local)
	@scripts/install

vendor: rust ## download the source of all crates into vendor/, to build without a network
	@mkdir -p .cargo
	$(CARGO) vendor --locked --versioned-dirs vendor >.cargo/config.toml

#: Test what is shipped

test-static: static ## run the static programs in empty roots, under QEMU and over TLS; build them twice
	@packaging/test/static

test-source: ## build as distributions do: vendored, offline, with debian/, the RPM spec and the APKBUILD
	@packaging/test/source

test-fresh: ## run README.md's two commands in fresh Debian 12 and 13 roots (as root; takes 20 minutes)
	@packaging/test/fresh

test-packages: package ## install, upgrade and remove the packages in real roots, beside one-context (as root)
	@packaging/test/run packages
	@packaging/test/run opennebula

test-images: package ## test contrib's container images, Packer snippet and one-context tree, and the apt repository (as root)
	@packaging/test/run images

test-guest: static ## boot Linux in QEMU (x86_64, aarch64) with a context CD-ROM on each bus, odd ones, and from a disk by contrib's driver; takes minutes
	@packaging/guest/run
	@packaging/guest/disk

test-cloud-init: package ## boot Debian with cloud-init and our package, and wait for READY=YES (as root; takes minutes)
	@packaging/guest/cloud-init
