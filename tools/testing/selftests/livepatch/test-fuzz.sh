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

structures() {
	local before made

	load klp_target
	before=$(snapshot)
	made=$(./klp_fuzz patch "$MODULES/klp_test_fuzz.ko" "$seed" 0 "$cases") || { echo "$made"; false; }
	echo "$made"
	# If all were refused early, nothing would be seen of what comes later.
	((cases < 100)) || [[ $made == *" accepted "* ]] || fail "none of them was a good one"
	unchanged "$before"
	enable klp_patch_v1
	is "$(cmdline) $(value value)" "1 1" "versions"
	remove klp_patch_v1
}

# Beside others, which may be replaced and are put back then.
structures_beside() {
	local i

	load klp_target
	for ((i = 0; i < cases; i += 50)); do
		[[ -e $LIVEPATCH/klp_patch_v1 ]] || back klp_patch_v1 state=1,1
		[[ -e $LIVEPATCH/klp_patch_v2 ]] || back klp_patch_v2 funcs=value,twin:2
		./klp_fuzz patch "$MODULES/klp_test_fuzz.ko" "$seed" $((1000000 + i)) 50
	done
}

back() {
	if [[ -e /sys/module/$1 ]]; then
		wait_unused "$1"
		unload "$1"
	fi
	enable "$@"
}

module_files() {
	local before good=/tmp/klp_fuzz_elf.ko

	./klp_elf "$MODULES/klp_fuzz_elf.ko" $good
	load klp_target
	before=$(snapshot)
	# As it is, it is a good one.
	is "$(./klp_module load $good)" ok "loading what is to be spoiled"
	wait_patched klp_fuzz_elf
	remove klp_fuzz_elf
	./klp_fuzz elf $good "$seed" 0 "$cases"
	unchanged "$before"
	is "$(./klp_module load $good)" ok "loading it afterwards"
	wait_patched klp_fuzz_elf
	remove klp_fuzz_elf
}

scenario "structures" structures
scenario "structures beside other patches" structures_beside
scenario "module files" module_files
finish
