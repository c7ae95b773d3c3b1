#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# All tests, one after the other: a failure does not stop the rest. The last lines
# are each step's result, its time, and for a failure how to repeat it.
#
# Usage: ci.sh [all]	without "all", what fits into an hour on two CPUs that
#			have nothing built yet

. "$(dirname "$0")/lib.sh"

failed=0
table=()

# step NAME [VARIABLE=VALUE...] TARGET...: a make, shown and kept in a log.
step() {
	local name=$1 log=$LOG/ci-$1.log start rc=0 time
	shift

	start=$(now_ms)
	say "== make $*"
	make -C "$ROOT" --no-print-directory "$@" 2>&1 | tee "$log" || rc=$?
	time=$(seconds $(($(now_ms) - start)))
	if ((rc)); then
		failed=1
		table+=("FAILED  $(printf '%8s s' "$time")  make $*")
		# The log's own failures; a crash or a hang has shown the console's end.
		while read -r line; do
			table+=("            $line")
		done < <(grep -aE '^(not ok |# failed: |.*seed=)|FAILED|^# (survived|error|leaked)' "$log" | tail -n 20)
		table+=("            log: $log")
	else
		table+=("ok      $(printf '%8s s' "$time")  make $*")
	fi
}

start=$(now_ms)
step build modules rootfs
step test test
step test-stock test-stock
step check check
if [[ ${1:-} == all ]]; then
	# Each preemption model, of a kernel that has them all, and of one that has one.
	for mode in none voluntary full; do
		step "test-$mode" test PARAMS="preempt=$mode"
	done
	step test-plain test CONFIG=plain
	step test-nojump test CONFIG=nojump
	for config in debug kcsan; do
		step "test-$config" test CONFIG=$config
		step "test-stock-$config" test-stock CONFIG=$config
	done
	step test-bpf test CONFIG=bpf "TESTS=test-jump.sh test-jump-steps.sh"
	step cross cross
	step coverage coverage
	step bench bench
	step mutants mutants
	step torture torture MINUTES=10
	for config in fault kcsan bpf nojump plain; do
		step "torture-$config" torture CONFIG=$config MINUTES=5
	done
	step torture-debug torture CONFIG=debug MINUTES=1
	step faults faults
	step fuzz fuzz
else
	step bench bench SMOKE=1
	step torture torture CONFIG=fault MINUTES=1 "SCENARIOS=basic modules storm"
fi

say "== ${1:-ci}: $(seconds $(($(now_ms) - start))) s"
printf '%s\n' "${table[@]}"
((!failed))
