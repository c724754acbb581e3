# Thin on purpose: each target says which script does the work. `make help` lists them.
.POSIX:
SHELL = /bin/sh
BUILD ?= build
JOBS ?= $(shell nproc)
PORT ?= 8080

.PHONY: all help setup setup-check web server run check check-long torture fuzz bench lint dist clean

all: web server

help:
	@echo 'make            build the server with the web application: $(BUILD)/recount'
	@echo 'make run        set up, build, serve a demonstration on http://127.0.0.1:8080 (PORT=8090: another port)'
	@echo 'make check      set up, lint, build with GCC and Clang, run every test'
	@echo 'make check-long, make torture, make fuzz    the same at full counts'
	@echo 'make bench      measure, beside the peers'
	@echo 'make lint       the rules of the house, without building'
	@echo 'make dist       a .deb with a systemd unit, in dist/'
	@echo 'make clean      remove what was built (not your data)'

# What `make` needs; says what it installs. A second run takes a moment.
setup:
	@tools/setup.sh build

setup-check:
	@tools/setup.sh check

web:
	@tools/build-web.sh

server: web $(BUILD)/build.ninja
	@ninja -C $(BUILD) -j $(JOBS) recount

$(BUILD)/build.ninja:
	meson setup $(BUILD)

run: setup
	@$(MAKE) --no-print-directory all
	@exec env PORT=$(PORT) tools/run-demo.sh $(BUILD)/recount

check: setup-check
	@tools/check.sh

check-long: setup-check
	@RECOUNT_LONG=1 tools/check.sh

torture: setup all
	@RECOUNT_KILLS=1000 tools/check.sh torture

fuzz: setup-check
	@tools/fuzz.sh

bench: setup-check
	@tools/bench.sh

lint:
	@python3 tools/lint.py

dist: setup web
	@tools/dist.sh

clean:
	rm -rf $(BUILD) build-asan build-tsan build-fuzz build-dist build-results web/dist dist setup.log
