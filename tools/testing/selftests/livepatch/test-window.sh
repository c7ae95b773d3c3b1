#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A task that is preempted between the handler's choice of a version and its
# arrival there stands on no version's code, only on the place behind the patched
# entry. It must not switch there.

# scenario calls what is here.
# shellcheck disable=SC2317

. "$(dirname "$0")/functions.sh"

EVENTS=$TRACING/events/livepatch

# Where in the function tasks were refused in the given phase, as "0x9" or so.
refused() {
	awk -v phase="$1" '
		match($0, / to=[a-z]*/) { now = substr($0, RSTART + 4, RLENGTH - 4) }
		now == phase && match($0, /func=klp_target_value\+0x[0-9a-f]*/) {
			place = substr($0, RSTART, RLENGTH)
			sub(/.*\+/, "", place)
			if (!seen[place]++)
				print place
		}' "$TRACING/trace"
}

# Threads that do little else than call the function, more than there are CPUs,
# so that they preempt each other anywhere on the way.
#
# The place is behind the call at the function's entry. While tasks leave the new
# version nothing else of the original is on a stack, so that tells where it is.
# While they leave the original, its body is there, too, but that place only for
# an instant after the redirection.
window() {
	local i place='' there='' end=$((SECONDS + 300))

	echo full >"$PREEMPT"
	load klp_target
	for ((i = 0; i < 2 * $(nproc); i++)); do
		kthread call
	done
	echo 1 >"$EVENTS/klp_phase/enable"
	echo 1 >"$EVENTS/klp_task_refused/enable"
	# That takes luck, and seldom more than a few rounds.
	for ((i = 1; SECONDS < end; i++)); do
		echo >"$TRACING/trace"
		enable klp_patch_v1 funcs=value
		remove klp_patch_v1
		place=${place:-$(refused unpatching)}
		[[ -z $place ]] || there=$(refused patching | grep -x "$place" || true)
		[[ -z $there ]] || break
	done
	echo 0 >"$EVENTS/enable"
	echo stop >"$TARGET/kthread"
	[[ -n $place ]] || fail "no task was found in the window in $i rounds of disabling"
	[[ -n $there ]] || fail "no task was found at +$place in $i rounds of enabling"
	echo "# seen at +$place in round $i"
}

[[ -e $PREEMPT ]] || skip_all "the preemption model cannot be changed"
# KCSAN delays accesses, and those of these threads are all in the handler: hardly
# anybody is ever preempted anywhere else.
[[ ! -e /sys/kernel/debug/kcsan ]] || skip_all "KCSAN holds everybody up in the handler"
scenario "a task between choice and arrival does not switch" window
finish
