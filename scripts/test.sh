#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Build everything, boot it and run the tests in it. The last line is
# "N passed, N failed"; the exit status is zero only if some passed and none
# failed.
#
# Usage: test.sh [stock]	"stock" runs the stock selftests and samples, not ours
#
# Environment: TESTS="NAME..."	only these selftests, KUnit suites and samples
#		CONFIG=NAME	on that variant of the kernel
#		PARAMS="P..."	more parameters for the kernel, such as preempt=full
#		LIMIT=SECONDS	for the whole run in the guest (3600, or 14400 with checkers)
#		CASES=N SEED=N	for test-fuzz.sh: how many, and which

. "$(dirname "$0")/lib.sh"

suite=${1:-own}
read -r -a tests <<<"${TESTS:-}"

# Under checkers the tests are the same, but what is done again and again is done
# less often.
limit=3600
vm=(-k "kasan_multi_shot ${PARAMS:-}")
run=(env FUZZ_CASES="${CASES:-}" FUZZ_SEED="${SEED:-}" ./test)
if [[ ${CONFIG:-} == @(debug|fault|kcsan) ]]; then
	limit=14400
	vm+=(${CHECKED[@]+"${CHECKED[@]}"})
	run=(env kselftest_override_timeout="${LIMIT:-5400}" KLP_ROUNDS=10 "${run[@]:1}")
fi

tap=$LOG/test-$suite$VARIANT.$$.tap
results=$LOG/test-$suite$VARIANT.$$.results
trap 'rm -rf "$tap" "$results"' EXIT
mkdir -p "$results"
rc=0

# boot NAME OPTION... -- ARGUMENT...: and run tests, if no guest has died before.
boot() {
	local name=$1 more=()

	shift
	((!rc)) || return 0
	while [[ $1 != -- ]]; do
		more+=("$1")
		shift
	done
	shift
	"$SCRIPTS/vm.sh" -n "test-$name$VARIANT" -r "$results/$name" -t "${LIMIT:-$limit}" \
		"${vm[@]}" "${more[@]}" -- "${run[@]}" "$@" | tee -a "$tap" || rc=$?
}

if [[ $suite == stock ]]; then
	"$SCRIPTS/modules.sh" stock
	"$SCRIPTS/rootfs.sh"
	boot stock -k kunit.enable=1 -- stock "${tests[@]}"
else
	"$SCRIPTS/modules.sh"
	"$SCRIPTS/rootfs.sh"
	together=()
	for name in "${tests[@]}"; do
		own_boot "$name" || together+=("$name")
	done
	if [[ ${#tests[@]} -eq 0 || ${#together[@]} -gt 0 ]]; then
		boot own -k kunit.enable=1 -- ours "${together[@]}"
	fi
	for name in "${OWN_BOOT[@]}"; do
		if [[ ${#tests[@]} -eq 0 || " ${tests[*]} " == *" $name "* ]]; then
			own_boot "$name"
			boot "${name%.sh}" "${boot_options[@]}" -- ours "$name"
		fi
	done
fi

# The count is made here, from what arrived, so that it holds for a guest that
# died, too: its death is one more failure.
passed=$(grep -E '^ok [0-9]+ ' "$tap" | grep -civ '# skip' || true)
skipped=$(grep -E '^ok [0-9]+ ' "$tap" | grep -ci '# skip' || true)
failed=$(grep -cE '^not ok [0-9]+ ' "$tap" || true)
planned=$(awk -F '[.][.]' '/^1[.][.][0-9]+$/ { n += $2 } END { print n }' "$tap")
grep -E '^not ok [0-9]+ ' "$tap" | sed -E 's/^not ok [0-9]+ /# failed: /' || true
if ((rc)); then
	case $rc in
	124) say "not ok $((passed + skipped + failed + 1)) the guest hung" ;;
	125) say "not ok $((passed + skipped + failed + 1)) the guest crashed" ;;
	*) say "not ok $((passed + skipped + failed + 1)) the guest script failed with status $rc" ;;
	esac
	failed=$((failed + 1))
elif [[ $planned != $((passed + skipped + failed)) ]]; then
	say "not ok $((passed + skipped + failed + 1)) results are missing: ${planned:-none} planned"
	failed=$((failed + 1))
fi
# All that there is has to have run, if nothing else was asked for: a suite that was
# not built in, a list that was cut off, or a test that finds nothing to do, fails
# nobody else. What was asked for by its name may not be skipped either.
kernel_has() { grep -qx "CONFIG_$1=y" "$KERNEL/.config"; }

# What of ours this kernel cannot run.
may_be_skipped() {
	case $1 in
	test-fail-calls.sh | test-faults.sh | test-fuzz.sh) ! kernel_has FAILSLAB ;;
	test-jump.sh | test-jump-steps.sh | livepatch-site) ! kernel_has LIVEPATCH_JUMP ;;
	test-window.sh) ! kernel_has PREEMPT_DYNAMIC || kernel_has KCSAN ;;
	*) false ;;
	esac
}

expected=("${tests[@]}")
if [[ $suite == own && ${#tests[@]} -eq 0 && $rc -eq 0 ]]; then
	mapfile -t all < <(cd "$ROOT" &&
		sed -n 's/^\t\.name = "\(livepatch.*\)",$/\1/p' kernel/livepatch/tests/*_kunit.h &&
		cd tools/testing/selftests/livepatch && ls test-*.sh)
	for name in "${all[@]}"; do
		may_be_skipped "$name" || expected+=("$name")
	done
fi
for name in "${expected[@]}"; do
	results_of=$(grep -F -e "selftests: $name" -e "kunit: $name." -e "samples: $name" "$tap" || true)
	if [[ -z $results_of ]]; then
		say "not ok $((passed + skipped + failed + 1)) there is no test named $name"
		failed=$((failed + 1))
	elif ! grep -qvi '# skip' <<<"$results_of"; then
		say "not ok $((passed + skipped + failed + 1)) $name was skipped"
		failed=$((failed + 1))
	fi
done
((!skipped)) || say "# $skipped skipped"
# A test passes with scenarios that cannot be run here: which they were has to be seen.
sed -nE 's/^# ok [0-9]+ (.*) # SKIP (.*)$/# skipped: \1: \2/p' "$tap"

# What it takes to look into a failure: seeds stand in the output of the tests.
if ((failed)); then
	repeat=$(sed -nE 's/^not ok [0-9]+ (selftests: ([^ ]+)|kunit: ([^.]+)\.).*/\2\3/p' "$tap" | sort -u | xargs)
	target='test'
	[[ $suite != stock ]] || target='test-stock'
	# A variable of the environment that a test has said.
	seeds=$(sed -nE 's/^[# ]*FUZZ_(SEED=[0-9]+) FUZZ_(CASES=[0-9]+)$/\1 \2/p' "$tap" | tail -n 1)
	say "# to repeat: make $target${repeat:+ TESTS='$repeat'}${CONFIG:+ CONFIG=$CONFIG}${PARAMS:+ PARAMS='$PARAMS'}${seeds:+ $seeds}"
	seeds=$(grep -oE '[a-z._]*seed=[0-9]+' "$tap" | sort -u | xargs || true)
	[[ -z $seeds ]] || say "# seeds: $seeds (for PARAMS if with a module's name)"
	for kmsg in "$results"/*/kmsg; do
		show_end "$kmsg"
	done
fi
# Of the stock selftests every one has to pass.
if [[ $suite == stock ]]; then
	failed=$((failed + skipped))
fi
((passed + failed)) || say "# no test ran"
say "$passed passed, $failed failed"
((passed && !failed))
