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

# Interrupts of the isolated CPU so far.
interrupts() {
	awk -v cpu="CPU$CPU" '
		NR == 1 { for (i = 1; i <= NF; i++) if ($i == cpu) column = i + 1 }
		NR > 1 && $column ~ /^[0-9]+$/ { n += $column }
		END { print n }' /proc/interrupts
}

# A task in user space on the isolated CPU.
spinner() {
	background_until spinning taskset -c "$CPU" ./klp_worker spin
	undisturbed
}

# Wait until nobody wants anything of the CPU.
undisturbed() {
	local end=$((SECONDS + 60)) before

	before=$(interrupts)
	until sleep 0.1; [[ $(interrupts) == "$before" ]]; do
		before=$(interrupts)
		((SECONDS < end)) || { fail "CPU $CPU is interrupted all the time"; return; }
	done
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

# What a disable asks of the CPU is nothing, so the task is where it was. If
# somebody else interrupts the CPU meanwhile, it says nothing: once more.
left_alone() {
	local before blockers end=$((SECONDS + 60))

	enabled_patch N
	spinner
	while :; do
		before=$(interrupts)
		echo 0 >"$P/enabled"
		blockers=$(awk '!/^#/ { print $1, $3, $4, $6 }' "$BLOCKERS")
		[[ $(interrupts) != "$before" ]] || break
		((SECONDS < end)) || { fail "CPU $CPU is interrupted all the time"; return; }
		wait_gone klp_patch_v1
		wait_unused klp_patch_v1
		unload klp_patch_v1
		enable klp_patch_v1
		undisturbed
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
