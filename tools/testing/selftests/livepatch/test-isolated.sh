#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A user task that runs on an isolated CPU does not enter the kernel by itself.
# Needs a CPU in nohz_full= on the kernel's command line, and CONFIG_SCHED_DEBUG.

# scenario calls what is here.
# shellcheck disable=SC2317

. "$(dirname "$0")/functions.sh"

P=$LIVEPATCH/klp_patch_v1
NUDGE=/sys/module/livepatch/parameters/nudge_isolated
CPU=$(sed 's/[^0-9].*//' /sys/devices/system/cpu/nohz_full 2>/dev/null)

FAIR_SERVER=/sys/kernel/debug/sched/fair_server/cpu$CPU/runtime

# A transition that waits for one task, so that it can be turned back, and a task
# in user space on the isolated CPU, which has switched already. Enabling and
# disabling change code, and that interrupts every CPU: turning back does not.
nobody_interrupts() {
	echo 0 >"$P/enabled"
	file_is "$P/transition" 1
	kill -USR1 "$pid"
	until_true "it has switched" reads "/proc/$pid/patch_state" 0
	until_true "the tick has stopped" tick_stopped
}

tick_stopped() {
	[[ $(awk -v cpu="$CPU" '$1 == "cpu:" { this = $2 }
		$1 == ".tick_stopped" && this == cpu { print $3 }' /proc/timer_list) == 1 ]]
}

# interrupts [KIND]: how often anything has interrupted the CPU, or only that.
interrupts() {
	awk -v cpu="CPU$CPU" -v kind="${1:-}" '
		NR == 1 { for (i = 1; i <= NF; i++) if ($i == cpu) column = i + 1 }
		NR > 1 && (kind == "" || $1 == kind ":") { sum += $column }
		END { print sum }' /proc/interrupts
}

hold() {
	echo "$1" >"$NUDGE"
	load klp_target
	enable klp_patch_v1
	reader sleep
	sleepers 1
}

prepare() {
	hold "$1"
	background_until spinning taskset -c "$CPU" ./klp_worker spin
}

# Nothing else would wake it: its own task cannot be waited for.
idle() {
	hold N
	echo 0 >"$P/enabled"
	file_is "$P/transition" 1
	until_true "the tick has stopped" tick_stopped
	echo 1 >"$P/enabled"
	wait_patched klp_patch_v1
	release
	remove klp_patch_v1
}

nudged() {
	local before

	prepare Y
	nobody_interrupts
	before=$(interrupts RES)
	echo 1 >"$P/enabled"
	wait_patched klp_patch_v1
	# By whomever it was interrupted: the core has done it, too.
	(($(interrupts RES) > before)) || fail "the core did not interrupt it"
	release
	remove klp_patch_v1
}

# It switches at the end of any interrupt. If somebody else's came meanwhile, what
# is seen says nothing, so once more.
left_alone() {
	local before seen try

	prepare N
	for try in {1..10}; do
		nobody_interrupts
		before=$(interrupts)
		echo 1 >"$P/enabled"
		seen="$(awk '!/^#/ { print $1, $3, $4, $6 }' "$BLOCKERS"), $(patch_state "$pid")"
		seen+=" and $(patch_state "$BASHPID")"
		[[ $(interrupts) != "$before" ]] || break
		echo "# interrupted in try $try"
		kill -USR1 "$pid"
		wait_patched klp_patch_v1
	done
	is "$seen" "$pid user cpu$CPU running, 0 and 1" "blockers, patch_state of it and of others"

	# It enters the kernel.
	kill -USR1 "$pid"
	wait_patched klp_patch_v1
	kill "$pid"
	release
	remove klp_patch_v1
}

# keep_away PID: and all that it starts, until the affinity is given back.
declare -A affinity
keep_away() {
	local mask

	mask=$(taskset -p "$1" 2>/dev/null) || return
	mask=${mask##* }
	((0x$mask & ~(1 << CPU))) || return
	taskset -p "$(printf %x $((0x$mask & ~(1 << CPU))))" "$1" >/dev/null 2>&1 || return
	affinity[$1]=$mask
}

# From that CPU: the scheduler stops the server once more, and warns if it does not
# run, as on an idle CPU.
set_fair_server() {
	taskset -c "$CPU" bash -c "echo $1 >$FAIR_SERVER"
}

nudge_isolated=$(<"$NUDGE")
[[ -n $CPU ]] || skip_all "no CPU is isolated; boot with nohz_full=1"
# The scheduler takes no notice of nohz_full: whoever can move has to stay away. Its
# server for fair tasks interrupts them each second.
runtime=$(<"$FAIR_SERVER")
set_fair_server 0
for task in /proc/[0-9]*; do
	keep_away "${task#/proc/}"
done
scenario "an idle CPU is woken" idle
scenario "with nudge_isolated, it switches at once" nudged
scenario "without, it switches when it enters the kernel" left_alone
echo "$nudge_isolated" >"$NUDGE"
set_fair_server "$runtime"
for pid in "${!affinity[@]}"; do
	taskset -p "${affinity[$pid]}" "$pid" >/dev/null 2>&1
done
finish
