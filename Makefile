# `make` lists what can be done. Anything longer than a line or two lives in scripts/ or packaging/.

CARGO ?= cargo
export CARGO

.DEFAULT_GOAL := help
.PHONY: image-gain generate recording help rust tools demo demo-elastic demo-service test lint bench fleet cost budgets fuzz-smoke static repository linked package build install vendor test-static test-source test-fresh test-packages test-images test-guest test-cloud-init clean

help: ## list what can be done
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

rust: # is Rust new enough? before anything is built
	@scripts/rust-version

tools: ## install what the static build, the packages and all tests need (Debian, Ubuntu; as root)
	@scripts/tools

demo: rust ## one VM's story, from the documentation, against a server of our own
	@$(CARGO) build --locked --workspace --bins
	@scripts/demo

demo-elastic: rust ## a service that grows and shrinks by its rules, in half a minute
	@$(CARGO) build --locked --workspace --bins
	@scripts/demo-elastic

demo-service: rust ## a service of real guests in QEMU that grows, loses one, is recovered and shrinks: minutes
	@$(CARGO) build --locked --workspace --bins
	@scripts/demo-service

test: ## units, recordings, end to end; needs no root and no network but crates
	@scripts/test

lint: rust ## formatting, clippy, documentation: all warnings denied
	$(CARGO) fmt --all --check
	scripts/rust-version --dependencies
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS=-Dwarnings $(CARGO) doc --workspace --no-deps
	@scripts/deny

bench: static ## what a request costs the agent and the server, beside curl and nginx; what elasticity and watching cost
	@$(CARGO) bench --quiet -p onegate-server-lite --bench elasticity
	@bench/load
	@bench/instructions
	@bench/client
	@bench/watch

image-gain: package ## what a guest's image gains without Ruby: packages, bytes, time; root
	@packaging/guest/measure

fleet: ## VMS=N guests for SECONDS=S against a server of our own, URL=http://HOST:PORT with its CLOUD=FILE, or ONED=CALLS a second
	@$(CARGO) build --quiet --profile bench -p onegate-server-lite --bins --example fleet
	@target/release/examples/fleet --vms $(or $(VMS),1000) --seconds $(or $(SECONDS),30) \
		$(if $(URL),--url $(URL)) $(if $(CLOUD),--cloud $(CLOUD)) \
		$(if $(ONED),--oned $(ONED)) $(if $(MAX_AGE),--max-age $(MAX_AGE)) $(if $(SERVER),--server $(SERVER))

cost: ## counts instructions: no parser and no route costs more than its input grows; needs valgrind, takes minutes
	$(CARGO) test --profile bench -p onegate-server-lite -p onegate --test cost -- --ignored --nocapture

budgets: ## one client exceeds each budget of docs/server.md: what another one notices
	@$(CARGO) build --quiet --profile bench -p onegate-server-lite --bins --example budgets
	@target/release/examples/budgets target/release/onegate-server-lite

fuzz-smoke: ## each fuzz target for five seconds, from the committed corpora
	@fuzz/run 5

generate: ## the man pages and completions, from the tables of commands and options; the charts, from the documents' tables
	$(CARGO) run --package onegate --example generate
	$(CARGO) run --package onegate-server-lite --example charts

recording: rust ## docs/images/session.svg: what a terminal shows in a session of the agent with a server of our own
	@$(CARGO) build --locked --workspace --bins
	@$(CARGO) run --quiet --package onegate --example recording

static: ## dist/{x86_64,aarch64}/onegate and dist/x86_64/onegate-server-lite, static musl
	@scripts/build-static

repository: package ## dist/repository: a signed apt repository of the debs, as an example
	@packaging/repository

linked: ## dist/*.cdx.json and dist/*.notices: what is linked into each binary, and the licences of all of it
	@scripts/linked

package: static linked ## dist/packages: deb, rpm and apk of the agent and the server
	@packaging/build

build: rust ## both programs with stable Rust, for `make install` and a distribution's packages
	$(CARGO) build --locked $(CARGOFLAGS) --package onegate --bin onegate --profile release-agent
	$(CARGO) build --locked $(CARGOFLAGS) --package onegate-server-lite --bin onegate-server-lite --profile release-server
	@scripts/linked

install: ## what `make build` built into DESTDIR and PREFIX (/usr/local), with manuals, completions and service
	@scripts/install

vendor: rust ## the source of all crates into vendor/: then nothing is built from the network
	@mkdir -p .cargo
	$(CARGO) vendor --locked --versioned-dirs vendor >.cargo/config.toml


test-static: static ## the static binaries in empty roots, under qemu, over TLS, and built twice
	@packaging/test/static

test-source: ## what distributions do: vendored, offline, with debian/, the RPM spec and the APKBUILD
	@packaging/test/source

test-fresh: ## README's two commands, from nothing, in fresh Debian 12 and 13 roots; root
	@packaging/test/fresh

test-packages: package ## install, upgrade and remove the packages in real roots, beside one-context; root
	@packaging/test/run packages
	@packaging/test/run opennebula

test-images: package ## contrib's container images, Packer snippet and one-context tree, and the apt repository; root
	@packaging/test/run images

test-guest: static ## boot Linux in QEMU (x86_64, aarch64) with a context CD-ROM on each bus, and odd ones: check all the agent says
	@packaging/guest/run

test-cloud-init: package ## boot Debian with cloud-init and our .deb, wait for READY=YES; minutes, root
	@packaging/guest/cloud-init

clean: ## remove what was built
	$(CARGO) clean
	rm -rf dist
