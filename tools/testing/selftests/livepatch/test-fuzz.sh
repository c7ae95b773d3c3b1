#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Patches that are spoiled at random are refused, or do no harm: structures, and
# module files. FUZZ_SEED and FUZZ_CASES say which and how many; a case of which
# a log tells can be made again with klp_fuzz alone.

# scenario calls what is here.
# shellcheck disable=SC2317

. "$(dirname "$0")/functions.sh"

[[ -d /sys/kernel/debug/failslab ]] ||
	skip_all "needs a kernel that is made for it: CONFIG_FAILSLAB, CONFIG_KASAN"

seed=${FUZZ_SEED:-1}
cases=${FUZZ_CASES:-100}
echo "# FUZZ_SEED=$seed FUZZ_CASES=$cases"

# What is refused early tells nothing of what comes later: enough cases have to get far.
# many_ends REPORT NUMBER REGEX...: so many different ends at least, and those among them.
many_ends() {
	local ends regex nr=$2

	((cases >= 100)) || return 0
	ends=$(sed -n 's/^# [0-9]* cases://p' <<<"$1" | grep -oE '[[:alpha:]]+' | sort -u)
	shift 2
	for regex; do
		grep -qxE "$regex" <<<"$ends" || fail "no case has ended with $regex"
	done
	(($(wc -l <<<"$ends") >= nr)) || fail "there were few ends: ${ends//$'\n'/ }"
}

# Some two of five are good ones, some are refused when their functions are looked up,
# and some by a callback, when all but the transition itself is done.
structures() {
	local before made

	load klp_target
	before=$(snapshot)
	made=$(./klp_fuzz patch "$MODULES/klp_test_fuzz.ko" "$seed" 0 "$cases") || { echo "$made"; false; }
	echo "$made"
	many_ends "$made" 4 accepted EINVAL ENOENT ENOTUNIQ
	unchanged "$before"
	enable klp_patch_v1
	is "$(cmdline) $(value value)" "1 1" "versions"
	remove klp_patch_v1
}

# Beside others, which may be replaced and are put back then: some are, soon.
structures_beside() {
	local i before made all=''

	load klp_target
	before=$(snapshot)
	for ((i = 0; i < cases; i += 10)); do
		both_back
		made=$(./klp_fuzz patch "$MODULES/klp_test_fuzz.ko" "$seed" $((1000000 + i)) 10) ||
			{ echo "$made"; false; }
		echo "$made"
		all+=$made$'\n'
	done
	# Many have states that do not fit, which is found first.
	many_ends "$all" 3 accepted EINVAL 'ENOENT|ENOTUNIQ'
	# Those beside are in order, and one comes and goes above them.
	both_back
	enable klp_patch_v3
	is "$(cmdline) $(value value) $(value twin2)" "3 3 2" "versions"
	remove klp_patch_v3
	is "$(cmdline) $(value twin2)" "1 2" "versions"
	remove klp_patch_v1
	is "$(cmdline) $(value value) $(value twin2)" "0 2 2" "versions"
	remove klp_patch_v2
	is "$(cmdline) $(value value)" "0 0" "versions"
	unchanged "$before"
}

both_back() {
	[[ -e $LIVEPATCH/klp_patch_v1 ]] || back klp_patch_v1 state=1,1
	[[ -e $LIVEPATCH/klp_patch_v2 ]] || back klp_patch_v2 funcs=value,twin:2
}

back() {
	if [[ -e /sys/module/$1 ]]; then
		wait_unused "$1"
		unload "$1"
	fi
	enable "$@"
}

module_files() {
	local before made good=/tmp/klp_fuzz_elf.ko

	./klp_elf "$MODULES/klp_fuzz_elf.ko" $good
	load klp_target
	before=$(snapshot)
	# As it is, it is a good one.
	is "$(./klp_module load $good)" ok "loading what is to be spoiled"
	wait_patched klp_fuzz_elf
	remove klp_fuzz_elf
	made=$(./klp_fuzz elf $good "$seed" 0 "$cases") || { echo "$made"; false; }
	echo "$made"
	# The last ones are only refused when relocations are applied.
	many_ends "$made" 5 accepted EINVAL 'ENOENT|EXDEV|EFAULT|ERANGE'
	unchanged "$before"
	is "$(./klp_module load $good)" ok "loading it afterwards"
	wait_patched klp_fuzz_elf
	remove klp_fuzz_elf
}

scenario "structures" structures
scenario "structures beside other patches" structures_beside
scenario "module files" module_files
finish
