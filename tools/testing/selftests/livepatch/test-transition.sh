#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Every kind of task in the way of a transition. The core's rescan and its
# waking of stuck tasks are switched off, unless they are what is tested: each
# transition has to end with the event that lets the last task switch.

# scenario calls what is here.
# shellcheck disable=SC2317

. "$(dirname "$0")/functions.sh"

P=$LIVEPATCH/klp_patch_v1

prepare() {
	load klp_target
}

# blocked START FILE KIND [SYMBOL]: a sleeper in the function of FILE, started by
# START, holds a transition up, in both directions.
blocked() {
	local start=$1 file=$2 kind=$3 symbol=${4:-klp_target_$2} sleeper

	prepare
	"$start" "$file"
	sleeper=$pid
	sleepers 1
	is "$(patch_state "$sleeper")" -1 "patch_state before"

	load klp_patch_v1
	file_is "$P/transition" 1
	blocked_by "$sleeper" "$kind" "$symbol"
	is "$(patch_state "$sleeper") $(patch_state "$BASHPID")" "0 1" "patch_state of it and of others"
	is "$(value value) $(cmdline)" "1 1" "versions for others"
	release
	wait_patched klp_patch_v1
	is "$(<"$BLOCKERS")" "" "blockers"

	# A kthread has come back for more; a user task has to be started again.
	[[ $kind == kthread ]] || "$start" "$file"
	sleeper=$pid
	sleepers 1
	is "$(patch_state "$sleeper")" -1 "patch_state between"
	echo 0 >"$P/enabled"
	file_is "$P/transition" 1
	blocked_by "$sleeper" "$kind" "new_$file"
	is "$(patch_state "$sleeper") $(patch_state "$BASHPID")" "1 0" "patch_state of it and of others"
	is "$(value value) $(cmdline)" "0 0" "versions for others"
	release
	wait_gone klp_patch_v1
	is "$(patch_state "$BASHPID")" -1 "patch_state after"
}

# A new function that leaves with a jump has no address on the stack: wherever in
# the patch module the task sleeps, it holds the disabling up, and the module stays.
tail_call() {
	local sleeper

	prepare
	enable klp_patch_v1 funcs=tail
	reader sleep
	sleeper=$pid
	sleepers 1
	echo 0 >"$P/enabled"
	file_is "$P/transition" 1
	blocked_by "$sleeper" user tail_sleep
	unload_gets EAGAIN klp_patch_v1
	release
	wait_gone klp_patch_v1
	wait_unused klp_patch_v1
	unload klp_patch_v1
	# It has returned to where no text is any more, if it was not waited for.
	wait "$sleeper" || fail "the sleeper has ended with status $?"
	is "$(value value)" 0 "version"
}

# passes: a transition in each direction is not held up.
passes() {
	load klp_patch_v1
	wait_patched klp_patch_v1
	is "$(value value)" 1 "version"
	remove klp_patch_v1
	is "$(value value)" 0 "version"
}

spinners() {
	local i

	prepare
	for i in 1 2 3; do
		background_until spinning ./klp_worker spin
	done
	passes
}

kthread_passes() {
	prepare
	kthread "$1"
	passes
}

kthread_preempted() {
	preempt full
	prepare
	kthread busy
	passes
	# Before cleanup() takes away what lets others run.
	echo stop >"$TARGET/kthread"
}

kthread_dozes() {
	preempt voluntary
	prepare
	kthread doze
	passes
	passes
}

# Wait until a task has a function of the kernel on its stack.
wait_in() {
	until_true "task $1 is in $2" grep -qw "$2" "/proc/$1/stack"
}

state_is() {
	[[ $(sed 's/.*) //; s/ .*//' "/proc/$1/stat") == [$2] ]]
}

# Wait until a task's state in /proc is one of the given letters.
wait_state() {
	until_true "the state of task $1 is $2" state_is "$1" "$2"
}

stopped() {
	prepare
	background sleep 1000
	kill -STOP "$pid"
	wait_state "$pid" T
	passes
	wait_state "$pid" T
}

traced() {
	local tracee

	prepare
	background sleep 1000
	tracee=$pid
	background_until traced ./klp_worker trace "$tracee"
	wait_state "$tracee" t
	passes
}

frozen() {
	local dir=/tmp/klp_cgroup group

	prepare
	background sleep 1000
	mkdir -p "$dir"
	mount -t cgroup -o freezer none "$dir"
	group=$dir/klp_test
	mkdir -p "$group"
	echo "$pid" >"$group/cgroup.procs"
	echo FROZEN >"$group/freezer.state"
	until_true "the group is frozen" reads "$group/freezer.state" FROZEN
	load klp_patch_v1
	wait_patched klp_patch_v1
	disable klp_patch_v1
	is "$(<"$group/freezer.state")" FROZEN "state of the group"
	echo THAWED >"$group/freezer.state"
	kill -9 "$pid"
	wait "$pid" 2>/dev/null || true
	rmdir "$group"
	umount "$dir"
}

# A task in the function that is stopped does not go on when it is released.
stopped_inside() {
	prepare
	reader sleep
	sleepers 1
	kill -STOP "$pid"
	load klp_patch_v1
	blocked_by "$pid" user klp_target_sleep
	# It leaves the function for its stop.
	release
	wait_state "$pid" T
	wait_patched klp_patch_v1
	kill -CONT "$pid"
	disable klp_patch_v1
}

# Back before anybody was in the new version: the old one blocks nobody now.
reversed_early() {
	prepare
	reader sleep
	sleepers 1
	load klp_patch_v1
	file_is "$P/transition" 1
	refused EINVAL "$P/enabled" 1
	echo 0 >"$P/enabled"
	file_is "$P/enabled" 0
	wait_gone klp_patch_v1
	wait_unused klp_patch_v1
	unload klp_patch_v1
	file_is "$TARGET/sleepers" 1
	is "$(value value)" 0 "version"
	release
	wait "$pid"
}

reversed_disable() {
	prepare
	enable klp_patch_v1
	reader sleep
	sleepers 1
	echo 0 >"$P/enabled"
	file_is "$P/transition" 1
	refused EINVAL "$P/enabled" 0
	is "$(value value)" 0 "version of others"
	echo 1 >"$P/enabled"
	wait_patched klp_patch_v1
	is "$(value value)" 1 "version"
	file_is "$TARGET/sleepers" 1
	release
	remove klp_patch_v1
}

# With one task in each version, no direction can end.
reversed_often() {
	local old new i

	prepare
	reader sleep
	old=$pid
	sleepers 1
	load klp_patch_v1
	reader sleep
	new=$pid
	sleepers 2
	for i in 1 2 3 4 5; do
		blocked_by "$old" user klp_target_sleep
		is "$(patch_state "$old") $(patch_state "$new")" "0 1" "patch_state"
		is "$(value value)" 1 "version of others"
		echo 0 >"$P/enabled"
		blocked_by "$new" user new_sleep
		is "$(patch_state "$old") $(patch_state "$new")" "0 1" "patch_state"
		is "$(value value)" 0 "version of others"
		echo 1 >"$P/enabled"
	done
	echo 0 >"$P/enabled"
	release
	wait_gone klp_patch_v1
	wait
}

# called_last CALL: that is the last of klp_patch_v1's callbacks.
called_last() {
	[[ $(param klp_patch_v1 calls) == *"$1" ]]
}

# write_under_lock VALUE FILE: the first to wait for the lock, and so the first to have
# it, while a callback holds it.
write_under_lock() {
	background ./klp_module load "$MODULES/klp_target.ko"
	until_true "the callback holds the lock" called_last pre_patch:klp_target
	background bash -c "echo $1 >$P/$2"
	wait_in "$pid" "klp_$2_store"
}

# The last task has switched, but before that is told somebody has turned the
# transition round: it is not over.
reversed_at_the_end() {
	local old new

	load klp_other
	reader sleep "$OTHER"
	old=$pid
	sleepers 1 "$OTHER"
	load klp_patch_v1 callbacks=1 hold_call=klp_target funcs=other_sleep,value
	file_is "$P/transition" 1
	reader sleep "$OTHER"
	new=$pid
	sleepers 2 "$OTHER"
	write_under_lock 0 enabled
	kill -9 "$old"
	wait "$old" 2>/dev/null || true
	echo none >/sys/module/klp_patch_v1/parameters/hold_call
	wait "$pid"
	file_is "$P/enabled" 0
	# This takes the lock, behind those who have waited for it.
	echo 0 >"$STUCK"
	file_is "$P/transition" 1
	blocked_by "$new" user new_sleep
	release "$OTHER"
	wait_gone klp_patch_v1
}

# A worker has it, and shows the work queue's name.
completion_due() {
	grep -qs '+livepatch$' /proc/[0-9]*/comm
}

# The last task has switched when somebody forces the patch out: nobody is in it, and
# it goes.
forced_at_the_end() {
	local task

	load klp_other
	enable klp_patch_v1 callbacks=1 hold_call=klp_target funcs=other_sleep,value
	reader sleep "$OTHER"
	task=$pid
	sleepers 1 "$OTHER"
	echo 0 >"$P/enabled"
	file_is "$P/transition" 1
	write_under_lock 1 force
	kill -9 "$task"
	wait "$task" 2>/dev/null || true
	# The completion waits for the lock, too.
	until_true "the completion is due" completion_due
	echo none >/sys/module/klp_patch_v1/parameters/hold_call
	wait "$pid" || fail "it was over before it was forced"
	wait_gone klp_patch_v1
	wait_unused klp_patch_v1
	unload klp_patch_v1
	wait
}

# Forced into a patch: all go on, and the patch can be removed as usual.
forced_in() {
	prepare
	reader sleep
	sleepers 1
	load klp_patch_v1
	refused EINVAL "$P/force" 0
	echo 1 >"$P/force"
	wait_patched klp_patch_v1
	file_is "$TARGET/sleepers" 1
	refused EINVAL "$P/force" 1
	release
	wait
	remove klp_patch_v1
}

# Forced out of a patch: its module, and no other, can never be unloaded.
forced_out() {
	[[ ! -e /sys/module/klp_patch_forced ]] || skip "was done since the last boot"
	prepare
	enable klp_patch_v1 funcs=cmdline
	enable klp_patch_forced
	reader sleep
	sleepers 1
	echo 0 >"$LIVEPATCH/klp_patch_forced/enabled"
	echo 1 >"$LIVEPATCH/klp_patch_forced/force"
	wait_gone klp_patch_forced
	unload_gets EAGAIN klp_patch_forced
	echo patch >/sys/module/klp_patch_forced/parameters/again
	is "$(param klp_patch_forced again)" -22 "the result of enabling it again"
	is "$(value value) $(cmdline)" "0 1" "versions"
	remove klp_patch_v1
	release
	wait
	unload klp_target
	unload_gets EAGAIN klp_patch_forced
}

# By force it goes, and is a patch module like others when it comes again.
forced_out_removed() {
	local got

	[[ -e /sys/module/klp_patch_forced ]] || forced_out
	got=$(./klp_module force-unload klp_patch_forced) || true
	[[ $got != EAGAIN ]] || skip "the kernel has no CONFIG_MODULE_FORCE_UNLOAD"
	is "$got" ok "unloading klp_patch_forced by force"
	load klp_target
	enable klp_patch_forced
	remove klp_patch_forced
}

# storm WORKER...: rounds of enabling, reversing and disabling meanwhile.
storm() {
	local worker

	prepare
	for worker; do
		background ./klp_worker "$worker"
	done
	./klp_rounds "$MODULES/klp_patch_v1.ko" klp_patch_v1 "${KLP_ROUNDS:-20}" 2>&1 | sed 's/^/# /'
	is "$(value value)" 0 "version"
}

# The whole kernel's text is changed all the time, by others.
text_updates() {
	local mode

	[[ -e $PREEMPT ]] || skip "the preemption model cannot be changed"
	while :; do
		for mode in none full voluntary; do
			echo "$mode" >"$PREEMPT"
		done
	done &
	started+=($!)
	# Each takes longer by far.
	KLP_ROUNDS=$(((${KLP_ROUNDS:-20} + 3) / 4)) storm fork
}

# The idle loop calls it, on each CPU.
idle_function() {
	local i

	prepare
	for i in 1 2 3; do
		enable klp_patch_v1 funcs=idle,sleep
		until_true "the idle loop has called it" more_than 0 param klp_patch_v1 idles
		# Held up, and turned back.
		reader sleep
		sleepers 1
		echo 0 >"$P/enabled"
		file_is "$P/transition" 1
		echo 1 >"$P/enabled"
		wait_patched klp_patch_v1
		release
		remove klp_patch_v1
	done
}

# do_exit() itself, replaced and unloaded while tasks are in it.
exit_patch() {
	local i

	prepare
	background ./klp_worker fork
	background ./klp_worker thread
	for i in 1 2 3; do
		enable klp_exit_v1
		enable klp_exit_v2 replace=1
		wait_gone klp_exit_v1
		wait_unused klp_exit_v1
		(($(param klp_exit_v1 exits))) || fail "nobody has exited through klp_exit_v1"
		unload klp_exit_v1
		# Somebody has to come through before it goes.
		until_true "somebody has exited" more_than 0 param klp_exit_v2 exits
		remove klp_exit_v2
	done
}

# The init of a namespace waits in do_exit() for others, as long as they like.
namespace_exit() {
	[[ -e /proc/self/ns/pid ]] || skip "the kernel has no namespaces of processes"
	prepare
	background_until exiting ./klp_worker namespace
	passes
}

# The other CPU goes and comes in each phase.
hotplug() {
	[[ -w $CPU1 ]] || skip "there is no second CPU to take away"
	prepare
	reader sleep
	sleepers 1
	load klp_patch_v1
	echo 0 >"$CPU1"
	file_is "$P/transition" 1
	blocked_by "$pid" user klp_target_sleep
	echo 1 >"$CPU1"
	blocked_by "$pid" user klp_target_sleep
	echo 0 >"$CPU1"
	release
	wait_patched klp_patch_v1
	echo 1 >"$CPU1"
	is "$(value value)" 1 "version"
	echo 0 >"$CPU1"

	reader sleep
	sleepers 1
	echo 0 >"$P/enabled"
	echo 1 >"$CPU1"
	blocked_by "$pid" user new_sleep
	echo 0 >"$CPU1"
	echo 1 >"$P/enabled"
	wait_patched klp_patch_v1
	echo 1 >"$CPU1"
	release
	remove klp_patch_v1
	is "$(value value)" 0 "version"
}

hotplug_storm() {
	local i

	[[ -w $CPU1 ]] || skip "there is no second CPU to take away"
	prepare
	background ./klp_worker fork
	background ./klp_worker spin
	while :; do echo 0 >"$CPU1"; echo 1 >"$CPU1"; echo round; done >/tmp/klp_hotplug &
	started+=($!)
	for i in 1 2 3 4 5; do
		passes
	done
	kill -9 $!
	wait $! 2>/dev/null || true
	echo 1 >"$CPU1"
	(($(wc -l </tmp/klp_hotplug) > 1)) || fail "the CPU did not go and come"
}

# poll(2) on both files wakes in each phase.
polled() {
	prepare
	reader sleep
	sleepers 1
	load klp_patch_v1
	background_until waiting ./klp_wait -n "$P/transition" 0
	release
	wait "$pid"
	reader sleep
	sleepers 1
	background_until waiting ./klp_wait -n "$P/enabled" 0
	echo 0 >"$P/enabled"
	wait "$pid"
	background_until waiting ./klp_wait -n "$P/enabled" 1
	echo 1 >"$P/enabled"
	wait "$pid"
	background_until waiting ./klp_wait -n "$P/enabled" 0
	wait_patched klp_patch_v1
	release
	echo 0 >"$P/enabled"
	wait "$pid"
}

# The last resort: who sleeps and can be woken is, and nobody loses anything.
woken() {
	prepare
	reader isleep
	sleepers 1
	echo 1 >"$STUCK"
	load klp_patch_v1
	wait_patched klp_patch_v1
	sleepers 1
	# It sleeps in the new version now.
	echo 0 >"$P/enabled"
	wait_gone klp_patch_v1
	sleepers 1
	release
	wait "$pid"
}

# The same for a transition that has begun without.
woken_later() {
	prepare
	reader isleep
	sleepers 1
	load klp_patch_v1
	file_is "$P/transition" 1
	echo 1 >"$STUCK"
	wait_patched klp_patch_v1
	release
	wait "$pid"
}

# A task that blocks leaves: no timer is needed to notice.
many_sleepers() {
	local i

	prepare
	for i in {1..20}; do
		reader sleep
	done
	sleepers 20
	load klp_patch_v1
	is "$(grep -c klp_target_sleep "$BLOCKERS")" 20 "number of blockers"
	release
	wait_patched klp_patch_v1
	wait
	remove klp_patch_v1
}

# Who was in the way leaves no trace, however often somebody has looked.
looked_at() {
	local i before

	prepare
	# A first one, to fill what is filled once.
	reader sleep
	sleepers 1
	release
	wait
	before=$(objects_in_use task_struct)
	for i in {1..60}; do
		reader sleep
	done
	sleepers 60
	load klp_patch_v1 funcs=sleep
	is "$(grep -c klp_target_sleep "$BLOCKERS")" 60 "number of blockers"
	release
	wait_patched klp_patch_v1
	wait
	comes_down_to $((before + 30)) task_struct
}

# since PID: how long it has blocked, in ms.
since() {
	awk -v pid="$1" '$1 == pid { print $5 }' "$BLOCKERS"
}

milliseconds() {
	echo $((${EPOCHREALTIME/./} / 1000))
}

# From the start of the transition, or from its own.
blocked_since() {
	local old start

	prepare
	reader sleep
	old=$pid
	sleepers 1
	# It is older than the transition, by all that the clock can show.
	start=$(milliseconds)
	until (($(milliseconds) > start + 100)); do :; done
	start=$(milliseconds)
	load klp_patch_v1 funcs=sleep
	is "$(($(since "$old") <= $(milliseconds) - start + 1))" 1 "since is after the start"
	reader sleep
	sleepers 2
	echo 0 >"$P/enabled"
	start=$(milliseconds)
	until (($(milliseconds) > start + 100)); do :; done
	# It came in the new version, before the reversal.
	(($(since "$pid") >= 100)) || fail "$pid has blocked for $(since "$pid") ms"
	release
	wait_gone klp_patch_v1
}

scenario "a user task in the function blocks" blocked reader sleep user
scenario "a kthread in the function blocks" blocked kthread sleep kthread
scenario "a user task 200 frames below the function blocks" blocked reader deep user
scenario "a kthread 200 frames below the function blocks" blocked kthread deep kthread
scenario "a user task in the cold part of the function blocks" \
	blocked reader cold user klp_target_cold.cold
scenario "a task where a new function has jumped to blocks" tail_call
scenario "many tasks in the function" many_sleepers
scenario "looking at blockers costs no memory" looked_at
scenario "blockers tell since when" blocked_since
scenario "CPU-bound user tasks switch" spinners
scenario "a kthread that only calls cond_resched() switches" kthread_passes resched
scenario "a kthread that sleeps elsewhere switches" kthread_passes idle
scenario "a kthread that is only preempted switches" kthread_preempted
scenario "a kthread that runs until it sleeps switches" kthread_dozes
scenario "a stopped task switches" stopped
scenario "a traced task switches" traced
scenario "a frozen task switches" frozen
scenario "a task that is to be stopped in the function" stopped_inside
scenario "reversal while a patch is enabled" reversed_early
scenario "reversal while a patch is disabled" reversed_disable
scenario "reversal again and again" reversed_often
scenario "reversal when the last task has switched" reversed_at_the_end
scenario "poll(2) wakes" polled
scenario "stuck tasks are woken" woken
scenario "tasks of a transition that runs are woken when that is asked for" woken_later
scenario "a fork storm" storm fork thread
scenario "a fork storm while the preemption model changes" text_updates
scenario "a function of the idle loop" idle_function
scenario "an exit storm through a patched do_exit()" exit_patch
scenario "the exiting init of a process namespace does not block" namespace_exit
scenario "CPU hotplug in each phase" hotplug
scenario "CPU hotplug all the time" hotplug_storm
scenario "force into a patch" forced_in
scenario "force out of a patch" forced_out
scenario "what was forced out is removed by force" forced_out_removed
scenario "force when all have switched" forced_at_the_end
finish
