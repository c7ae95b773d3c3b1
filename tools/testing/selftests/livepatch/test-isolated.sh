#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A user task that runs on an isolated CPU does not enter the kernel by itself.
# Needs a CPU in nohz_full= on the kernel's command line.

# scenario calls what is here.
# shellcheck disable=SC2317

. "$(dirname "$0")/functions.sh"

P=$LIVEPATCH/klp_patch_v1
NUDGE=/sys/module/livepatch/parameters/nudge_isolated
CPU=$(sed 's/[^0-9].*//' /sys/devices/system/cpu/nohz_full 2>/dev/null)

# A task in user space on the isolated CPU. The scheduler's server for fair tasks
# would interrupt it each second if it was one.
spinner() {
	background_until spinning chrt -f 1 taskset -c "$CPU" ./klp_worker spin
}

enabled_patch() {
	echo 0 >"$STUCK"
	echo "$1" >"$NUDGE"
	load klp_target
	enable klp_patch_v1
}

nudged() {
	enabled_patch Y
	spinner
	disable klp_patch_v1
}

# Nothing but an interrupt of somebody else, at its end, makes the task switch
# here: if one came meanwhile, this says nothing, so once more.
left_alone() {
	local blockers try

	enabled_patch N
	spinner
	for try in 1 2 3 4 5; do
		echo 0 >"$P/enabled"
		blockers=$(awk '!/^#/ { print $1, $3, $4, $6 }' "$BLOCKERS")
		[[ -z $blockers && $try != 5 ]] || break
		wait_gone klp_patch_v1
		wait_unused klp_patch_v1
		unload klp_patch_v1
		enable klp_patch_v1
	done
	is "$blockers" "$pid user cpu$CPU running" "blockers"
	file_is "$P/transition" 1
	is "$(patch_state "$pid") $(patch_state "$BASHPID")" "1 0" "patch_state of it and of others"

	# It enters the kernel.
	kill -USR1 "$pid"
	wait_gone klp_patch_v1
}

nudge_isolated=$(<"$NUDGE")
[[ -n $CPU ]] || skip_all "no CPU is isolated; boot with nohz_full=1"
# The scheduler takes no notice of nohz_full: what runs here has to stay away.
taskset -cp 0 $$ >/dev/null
scenario "with nudge_isolated, it switches at once" nudged
scenario "without, it switches when it enters the kernel" left_alone
echo "$nudge_isolated" >"$NUDGE"
finish
