# orchflow: the two that matter are `make run` and `make test`.
# Everything real happens in scripts/, so that paths with spaces are no trouble.

PREFIX ?= $(HOME)/.local
SHELL := /bin/bash

.DEFAULT_GOAL := help
.PHONY: help run test test-agents build install uninstall bench lint fmt picture clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

run: ## build, and open Neovim on a sample repository with three agents at work
	@scripts/demo.sh

test: ## fetch what the tests need and run all of them (FAMILY="rust lua" for some)
	@scripts/test.sh $(FAMILY)

test-agents: ## install the real agent programs (large), drive each, write doc/agents.md (AGENTS="claude codex" for some)
	@scripts/test-agents.sh $(AGENTS)

build: ## build the release binaries, target/release/orchflow and orchflow-hook
	@. scripts/lib/common.sh && need_git_and_cargo && build_release

install: ## install binaries, plugin and shell completions (PREFIX, DESTDIR)
	@PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" scripts/install.sh

uninstall: ## remove what `make install` put there
	@PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" scripts/install.sh --remove

bench: ## measure every figure against its baseline (ONLY="hook status" for some)
	@scripts/bench.sh $(ONLY)

lint: ## formatters, clippy, rustdoc, Lua and shell linters, no tests
	@scripts/test.sh lint lua shell

fmt: ## format Rust and Lua
	@cargo fmt --all && cargo fmt --manifest-path tests/bench/probe/Cargo.toml
	@. scripts/lib/common.sh && . scripts/lib/tools.sh && mapfile -t paths < <(lua_paths) && lua_format "$${paths[@]}"

picture: ## make doc/picture.svg and doc/recording.svg from the program itself
	@scripts/picture.sh

clean: ## remove what was built; fetched tools (.deps) stay
	@cargo clean
