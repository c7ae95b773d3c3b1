#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Torture live patching in the VM: one run for each scenario, until the first
# that fails if STOP=1. The last line is "N scenarios, N failed"; before it is how
# to repeat those. What a run has done, and what the kernel has said, is in
# build/log/torture-SCENARIO.
#
# Environment: MINUTES=N	of each scenario (2)
#		SEED=N		the same seed, the same order of actions (random)
#		SCENARIOS="NAME..."	only these; all are files in
#			tools/testing/selftests/livepatch/torture
#		CONFIG=NAME	on that variant of the kernel
#		PARAMS="P..."	more parameters for the kernel, such as preempt=full

. "$(dirname "$0")/lib.sh"

minutes=${MINUTES:-2}
seed=${SEED:-$RANDOM}
folder=$ROOT/tools/testing/selftests/livepatch/torture
read -r -a scenarios <<<"${SCENARIOS:-$(cd "$folder" && ls --ignore=README | tr '\n' ' ')}"
for name in "${scenarios[@]}"; do
	[[ -f $folder/$name ]] || die "there is no scenario $name in $folder"
done

"$SCRIPTS/modules.sh" selftests
"$SCRIPTS/rootfs.sh"

# run SCENARIO: what it requires may take twice its time, its last transition may
# have to wait long, and a variant kernel is slow and large.
run() {
	local name=$1 seconds=$((minutes * 60)) memory=1024 boot

	[[ -z $VARIANT ]] || memory=2048

	# What an earlier run has left would be shown for this one's.
	rm -rf "$LOG/torture-$name$VARIANT"
	boot=$(sed -n 's/#.*//; s/^boot: *//p' "$folder/$name" | tr '\n' ' ')
	"$SCRIPTS/vm.sh" -n "torture-$name$VARIANT" -t $((seconds * 3 + 600)) -m $memory \
		-k "$boot ${PARAMS:-}" -r "$LOG/torture-$name$VARIANT" -- ./torture "$name" "$seconds" "$seed"
}

# how_to_repeat SCENARIO...
how_to_repeat() {
	say "# to repeat: make torture SEED=$seed MINUTES=$minutes SCENARIOS=\"$*\"${CONFIG:+ CONFIG=$CONFIG}${PARAMS:+ PARAMS='$PARAMS'}"
}

# It may be broken off.
how_to_repeat "${scenarios[@]}"
failed=()
for name in "${scenarios[@]}"; do
	attempt run "$name"
	if ((rc)); then
		failed+=("$name")
		((rc == 1)) || say "torture $name seed=$seed: FAILURE (status $rc)"
		show_end "$LOG/torture-$name$VARIANT/kmsg"
	fi
	((!rc)) || [[ ${STOP:-} != 1 ]] || break
done
if ((${#failed[@]})); then
	say "# failed: ${failed[*]}"
	how_to_repeat "${failed[@]}"
fi
say "${#scenarios[@]} scenarios, ${#failed[@]} failed"
((!${#failed[@]}))
