#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The oracle: functions that are patched together are of one version to whoever
# calls them, whatever happens in between. Each caller counts what it meets; a
# single mixture fails.
#
# KLP_ROUNDS=N	rounds of enabling, reversing and disabling (more takes longer)

# scenario calls what is here.
# shellcheck disable=SC2317

. "$(dirname "$0")/functions.sh"

ROUNDS=${KLP_ROUNDS:-100}

# All callers live, and have met both versions, but never mixed.
judge() {
	local last

	for pid in "${started[@]}"; do
		kill -0 "$pid" || fail "a caller has ended"
	done
	last=$(value rounds_old)
	until_true "the callers go on" more_than $((last + 10)) value rounds_old
	echo "# $(value rounds_old) old, $(value rounds_new) new, $(value mixed) mixed"
	file_is "$TARGET/mixed" 0
	(($(value rounds_new))) || fail "nobody has run the new version"
}

# consistent USERS KTHREADS
consistent() {
	local i users=$1 kthreads=$2

	load klp_target
	for ((i = 0; i < users; i++)); do
		background ./klp_worker read "$TARGET/pair"
	done
	for ((i = 0; i < kthreads; i++)); do
		kthread pair
	done
	./klp_rounds "$MODULES/klp_patch_v1.ko" klp_patch_v1 "$ROUNDS" 2>&1 | sed 's/^/# /'
	judge
}

# The same from one version to the next by atomic replace, and half-way back.
consistent_replace() {
	local i rounds=$((ROUNDS / 10 + 3))

	load klp_target
	background ./klp_worker read "$TARGET/pair"
	background ./klp_worker read "$TARGET/pair"
	kthread pair
	kthread pair
	for ((i = 0; i < rounds; i++)); do
		load klp_patch_v1 replace=1
		wait_patched klp_patch_v1
		((!i)) || { wait_gone klp_patch_v2; wait_unused klp_patch_v2; unload klp_patch_v2; }
		load klp_patch_v2 replace=1
		# Half-way back and on again.
		((i % 2)) || write_errno "$LIVEPATCH/klp_patch_v2/enabled" 0 >/dev/null
		((i % 2)) || write_errno "$LIVEPATCH/klp_patch_v2/enabled" 1 >/dev/null
		./klp_wait "$LIVEPATCH/klp_patch_v2/transition" 0 2>/dev/null || [[ ! -e $LIVEPATCH/klp_patch_v2 ]]
		if [[ ! -e $LIVEPATCH/klp_patch_v2 ]]; then
			wait_unused klp_patch_v2
			unload klp_patch_v2
			load klp_patch_v2 replace=1
			wait_patched klp_patch_v2
		fi
		wait_gone klp_patch_v1
		wait_unused klp_patch_v1
		unload klp_patch_v1
	done
	remove klp_patch_v2
	judge
}

preempted() {
	preempt "$1"
	consistent 2 2
}

scenario "user tasks" consistent 4 0
scenario "kthreads" consistent 0 4
scenario "both, preempt=full" preempted full
scenario "both, preempt=none" preempted none
scenario "from one patch to the next" consistent_replace
finish
