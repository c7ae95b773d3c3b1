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

# How often a task was refused in the given phase because of that place. It is
# behind the call at the function's entry: nothing else of the original is on a
# stack while tasks leave the new version.
refused_in_window() {
	awk -v phase="$1" '
		match($0, / to=[a-z]*/) { now = substr($0, RSTART + 4, RLENGTH - 4) }
		/klp_task_refused/ && /func=klp_target_value\+0x/ && now == phase { n++ }
		END { print n + 0 }' "$TRACING/trace"
}

# Threads that do little else than call the function, more than there are CPUs,
# so that they preempt each other anywhere on the way.
window() {
	local i seen=0

	echo 0 >"$STUCK"
	echo full >"$PREEMPT"
	load klp_target
	for ((i = 0; i < 2 * $(nproc); i++)); do
		kthread call
	done
	echo 1 >"$EVENTS/klp_phase/enable"
	echo 1 >"$EVENTS/klp_task_refused/enable"
	for ((i = 0; i < 100 && !seen; i++)); do
		echo >"$TRACING/trace"
		enable klp_patch_v1 funcs=value
		remove klp_patch_v1
		seen=$(refused_in_window unpatching)
	done
	echo 0 >"$EVENTS/enable"
	# Before cleanup() takes away what lets others run.
	echo stop >"$TARGET/kthread"
	((seen)) || fail "no task was found in the window in $i rounds"
	echo "# seen in round $i"
}

[[ -e $PREEMPT ]] || skip_all "the preemption model cannot be changed"
scenario "a task between choice and arrival does not switch" window
finish
