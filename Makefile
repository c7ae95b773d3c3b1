# SPDX-License-Identifier: GPL-2.0
#
# The commands of this repository. Each target is one script in scripts/, whose
# opening comment says more; every script first runs what it depends on.

export CONFIG KSRC TESTS BUILD LIMIT QUICK SMOKE WHO ROUNDS ONLY PARAMS CASES SEED KEEP AGAIN MINUTES SCENARIOS STOP

.PHONY: help deps tree kernel modules rootfs boot run test test-stock faults fuzz torture check cross bench plots mutants coverage ci test-all clean
.NOTPARALLEL:

help:
	@echo 'A livepatch core for Linux 6.12: assemble, build, boot, try and test it.'
	@echo
	@echo '  make run          demonstration: live-patch a running kernel'
	@echo '  make test         KUnit and our selftests in the VM'
	@echo '  make test-stock   the stock selftests, unmodified, in the VM'
	@echo '  make faults       each allocation and call that may fail fails once, under KASAN'
	@echo '  make fuzz         spoiled patches, under KASAN (CASES=N SEED=N)'
	@echo '  make torture      random patching under load (MINUTES=n SEED=s SCENARIOS="a b")'
	@echo '  make ci           what continuous integration runs, in less than an hour'
	@echo '  make test-all     all tests there are, for hours'
	@echo '  make boot         a shell in the VM'
	@echo '  make bench        the stock kernel and ours side by side (QUICK=1: the short part)'
	@echo '  make plots        its results into the documentation'
	@echo '  make mutants      put mistakes into the core, and see the tests notice each'
	@echo '  make coverage     what of the core the tests reach'
	@echo '  make check        checkpatch, sparse, W=1 with gcc and clang, htmldocs, coccinelle, layers, models'
	@echo '  make cross        compile the core for other architectures, and kernels without it'
	@echo
	@echo '  make deps         install missing Debian packages'
	@echo '  make tree         build/linux: a stock tree, ours laid in, patches/ applied'
	@echo '  make kernel       build/kernel: the kernel'
	@echo '  make modules      samples and selftests for that kernel'
	@echo '  make rootfs       the userland of the VM'
	@echo '  make clean        remove build/'
	@echo
	@echo '  KSRC=DIR          another 6.12 tree instead of the package linux-source-6.12'
	@echo '  CONFIG=debug      a kernel with configs/debug.config, too'
	@echo '  TESTS="a.sh b.sh" only these tests'
	@echo '  PARAMS="preempt=full"  kernel parameters of the test runs'
	@echo '  BUILD=DIR         another build folder'

deps:
	@scripts/deps.sh

tree:
	@scripts/tree.sh

kernel:
	@scripts/kernel.sh

modules:
	@scripts/modules.sh

rootfs:
	@scripts/rootfs.sh

boot:
	@scripts/modules.sh
	@scripts/rootfs.sh
	@scripts/vm.sh

run:
	@scripts/run.sh

test:
	@scripts/test.sh

test-stock:
	@scripts/test.sh stock

faults:
	@CONFIG=fault TESTS="$${TESTS:-test-fail-calls.sh test-faults.sh}" LIMIT=$${LIMIT:-10800} \
		scripts/test.sh

fuzz:
	@CONFIG=fault TESTS=test-fuzz.sh CASES=$${CASES:-2000} SEED=$${SEED:-$$(date +%s)} \
		LIMIT=$${LIMIT:-7200} scripts/test.sh

torture:
	@scripts/torture.sh

check:
	@scripts/check.sh

cross:
	@scripts/cross.sh

bench:
	@scripts/bench.sh

plots:
	@scripts/plots.sh

mutants:
	@scripts/mutants.sh

coverage:
	@scripts/coverage.sh

ci:
	@scripts/ci.sh

test-all:
	@scripts/ci.sh all

clean:
	rm -rf $(or $(BUILD),build)
