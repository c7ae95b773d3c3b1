# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the livepatch tests share. A test is a bash script that sources this,
# defines functions and runs each with
#
#	scenario DESCRIPTION FUNCTION [ARGUMENT...]
#
# A scenario is one line of the KTAP output. It runs in a subshell in which any
# failing command ends it as failed; afterwards all that a scenario may leave is
# removed, and what cannot be removed is a failure. One that finds that it cannot
# be run here says so with "skip REASON". The last line of a test is "finish".
# KLP_SCENARIO=REGEX runs only those whose description matches.
#
# Waits end with the event, or fail after a minute, or after as many as a test says.
# Where the kernel tells nobody (a module's use count, the removal of a folder) a loop
# looks.

set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1

MODULES=$PWD/test_modules
LIVEPATCH=/sys/kernel/livepatch
BLOCKERS=/sys/kernel/debug/livepatch/blockers
TARGET=/sys/kernel/debug/klp_target
OTHER=/sys/kernel/debug/klp_other
TRACING=/sys/kernel/tracing
CPU1=/sys/devices/system/cpu/cpu1/online
PREEMPT=/sys/kernel/debug/sched/preempt
FTRACE_ENABLED=/proc/sys/kernel/ftrace_enabled
STUCK=/sys/module/livepatch/parameters/stuck_secs
# Why the present scenario is skipped: it is a process of its own.
SKIPPED=/tmp/klp_skipped

scenarios=0
failures=0
skips=0

skip_all() {
	echo "TAP version 13"
	echo "1..0 # SKIP $*"
	exit 4
}

((!EUID)) || skip_all "has to be run by root"
[[ -d $LIVEPATCH ]] || skip_all "the kernel has no live patching"
[[ -e $MODULES/klp_target.ko ]] || skip_all "the test modules are not built"
[[ -d /sys/kernel/debug/livepatch ]] || mount -t debugfs debugfs /sys/kernel/debug
[[ -d $TRACING/events ]] || mount -t tracefs tracefs "$TRACING"

stuck_secs=$(<"$STUCK")
preempt_mode=$([[ ! -e $PREEMPT ]] || sed 's/.*(\(.*\)).*/\1/' "$PREEMPT")

# ---- assertions: each says what is wrong and fails ----

# fail TEXT: with the line of the test that found it.
fail() {
	local i

	for ((i = 1; i < ${#BASH_SOURCE[@]}; i++)); do
		[[ ${BASH_SOURCE[i]##*/} == functions.sh ]] || break
	done
	echo "# ${BASH_SOURCE[i]##*/}:${BASH_LINENO[i - 1]}: $*"
	return 1
}

# is GOT EXPECTED [WHAT]
is() {
	[[ $1 == "$2" ]] || fail "${3:-value} is '$1', expected '$2'"
}

# matches GOT REGEX [WHAT]
matches() {
	[[ $1 =~ $2 ]] || fail "${3:-text} is '$1', expected to match '$2'"
}

# file_is FILE EXPECTED
file_is() {
	local value

	value=$(<"$1") || { fail "$1 cannot be read"; return; }
	is "$value" "$2" "$1"
}

absent() {
	[[ ! -e $1 ]] || fail "$1 is still there"
}

# refused ERROR FILE VALUE: writing to a file fails with that error.
refused() {
	local want=$1 file=$2 value=$3 got

	got=$(write_errno "$file" "$value")
	is "$got" "$want" "writing '$value' to $file"
}

# The name of the error that a write gets, or "ok".
write_errno() {
	local text

	text=$({ printf '%s' "$2" >"$1"; } 2>&1) && { echo ok; return; }
	case $text in
	*"Invalid argument"*) echo EINVAL ;;
	*"resource busy"*) echo EBUSY ;;
	*"No such file"*) echo ENOENT ;;
	*"No such device"*) echo ENODEV ;;
	*"Permission denied"*) echo EACCES ;;
	*"Cannot allocate memory"*) echo ENOMEM ;;
	*) echo "$text" ;;
	esac
}

# until_true WHAT COMMAND...: wait for what nobody tells.
until_true() {
	local what=$1 end=$((SECONDS + 60))

	shift
	until "$@"; do
		((SECONDS < end)) || { fail "in vain waited until $what"; return; }
		sleep 0.01
	done
}

# reads FILE VALUE: the file is there, and has that.
reads() {
	[[ $(cat "$1" 2>/dev/null) == "$2" ]]
}

# more_than NUMBER COMMAND...: what it says is more.
more_than() {
	(($("${@:2}") > $1))
}

# ---- modules ----

# load MODULE [PARAMETER=VALUE...]
load() {
	load_gets ok "$@"
}

# load_gets ERROR MODULE [PARAMETER=VALUE...]
load_gets() {
	local want=$1 module=$2 got

	shift 2
	got=$(./klp_module load "$MODULES/$module.ko" "$@") || true
	is "$got" "$want" "loading $module $*"
}

unload() {
	unload_gets ok "$1"
}

# unload_gets ERROR MODULE
unload_gets() {
	local got

	got=$(./klp_module unload "$2") || true
	is "$got" "$1" "unloading $2"
}

# param MODULE NAME
param() {
	cat "/sys/module/$1/parameters/$2"
}

# ---- patches ----

# Wait for a patch to be completely enabled, or to be completely gone.
wait_patched() {
	./klp_wait "$LIVEPATCH/$1/transition" 0 2>&1 | sed 's/^/# /' && file_is "$LIVEPATCH/$1/enabled" 1
}

wait_gone() {
	./klp_wait "$LIVEPATCH/$1/transition" gone 2>&1 | sed 's/^/# /'
}

# The last reference of a patch is dropped just after its folder has vanished.
wait_unused() {
	until_true "nobody uses module $1" reads "/sys/module/$1/refcnt" 0
}

# enable MODULE [PARAMETER=VALUE...]: load and wait until it is in effect.
enable() {
	load "$@"
	wait_patched "$1"
}

# disable MODULE: and wait until it is over; the module stays loaded.
disable() {
	echo 0 >"$LIVEPATCH/$1/enabled"
	wait_gone "$1"
	wait_unused "$1"
}

remove() {
	disable "$1"
	unload "$1"
}

# What klp_target's functions and /proc/cmdline say: 0 is the original.
value() {
	cat "$TARGET/$1"
}

cmdline() {
	local line

	line=$(cat /proc/cmdline)
	[[ $line =~ ^patched\ by\ v([0-9]+)$ ]] && echo "${BASH_REMATCH[1]}" || echo 0
}

# preempt MODE: change the preemption model.
preempt() {
	[[ -e $PREEMPT ]] || skip "the preemption model cannot be changed"
	echo "$1" >"$PREEMPT"
}

# ---- tasks in patched functions ----

# patch_state PID: 0 or 1 during a transition, -1 otherwise.
patch_state() {
	cat "/proc/$1/patch_state"
}

# background COMMAND...: the command's process id is in pid then.
background() {
	"$@" >/dev/null &
	pid=$!
	started+=("$pid")
}

# background_until WORD COMMAND...: and go on when it has said so.
background_until() {
	local word=$1 line out

	shift
	exec {out}< <(exec "$@")
	pid=$!
	started+=("$pid")
	read -r line <&"$out" || true
	is "$line" "$word" "what '$*' says"
}

started=()

# reader FILE [FOLDER]: a user task in one of klp_target's functions.
reader() {
	background cat "${2:-$TARGET}/$1"
}

# kthread KIND: a kernel thread of klp_target's.
kthread() {
	echo "$1" >"$TARGET/kthread"
	pid=$(tail -n 1 "$TARGET/kthread")
	pid=${pid##* }
}

# Each blocker's process id, kind and function.
blockers() {
	awk '!/^#/ { print $1, $3, $6 }' "$BLOCKERS" | sed 's/[+ ]*\[.*//; s/+0x.*//'
}

blockers_are() {
	[[ $(blockers) == "$1" ]]
}

# blocked_by PID KIND FUNCTION: exactly that task blocks the transition there. For a
# moment others may, that were only preempted.
blocked_by() {
	until_true "$1 blocks alone" blockers_are "$*" || is "$(blockers)" "$*" "blockers"
}

# sleepers N [FOLDER]: wait until so many tasks sleep in klp_target's functions.
sleepers() {
	local dir=${2:-$TARGET}

	echo "$1" >"$dir/wait_sleepers" || fail "there are $(<"$dir/sleepers") sleepers, expected $1"
}

# release [FOLDER]
release() {
	echo 1 >"${1:-$TARGET}/release"
}

# ---- late relocations ----

RELA=/tmp/klp_rela.ko
# What klp_target_value() returns as klp_rela has it, if all that it refers to is found.
FOUND=41721

# make_rela [CHANGE...]: a patch module that has some, see klp_elf.c.
make_rela() {
	./klp_elf "$MODULES/klp_rela.ko" "$RELA" \
		late_command_line=.klp.sym.vmlinux.saved_command_line,0 \
		late_secret=.klp.sym.klp_target.klp_target_secret,0 \
		late_twin1=.klp.sym.klp_target.klp_target_twin,1 \
		late_twin2=.klp.sym.klp_target.klp_target_twin,2 \
		late_shared=.klp.sym.klp_target.klp_target_shared,0 "$@"
}

# ---- the kernel's log: only where a line is what is tested ----

# Begin to look at the core's messages. Process numbers come back.
log_begin() {
	log_mark="livepatch test $BASHPID at $EPOCHREALTIME"
	echo "$log_mark" >/dev/kmsg
}

# What the core has said since.
log_lines() {
	dmesg | sed "1,/$log_mark\$/d" | sed -n 's/^\[[^]]*\] livepatch: //p'
}

# log_has TEXT: since then.
log_has() {
	[[ $(log_lines) == *"$1"* ]]
}

# ---- memory: only where what is not freed is what is tested ----

# objects_in_use CACHE...: in these slab caches.
objects_in_use() {
	local cache sum=0 number found=''

	for cache; do
		# Not every kernel has each size.
		[[ -e /sys/kernel/slab/$cache/objects ]] || continue
		found=1
		# Or objects that were just freed count, too.
		echo 1 >"/sys/kernel/slab/$cache/shrink"
		read -r number _ <"/sys/kernel/slab/$cache/objects"
		sum=$((sum + number))
	done
	[[ -n $found ]] || { fail "the kernel has none of the caches $*" >&2; return 1; }
	echo "$sum"
}

# comes_down_to MAX CACHE...: freeing may have to wait for a grace period.
comes_down_to() {
	local max=$1 end=$((SECONDS + 60)) now

	shift
	until now=$(objects_in_use "$@") && ((now <= max)); do
		((SECONDS < end)) || { fail "$now objects are in use, expected at most $max"; return; }
		sleep 0.1
	done
}

# ---- what is left behind ----

# Everything that a refused or removed patch could leave, to be compared.
snapshot() {
	find "$LIVEPATCH" | sort
	# Without the count of calls and the address of the trampoline.
	cut -d' ' -f1 "$TRACING/enabled_functions"
	awk '{ print $1, $3, $5 }' /proc/modules
}

unchanged() {
	local now

	now=$(snapshot)
	[[ $now == "$1" ]] && return
	diff <(echo "$1") <(echo "$now") | sed 's/^/# /'
	fail "something was left behind"
}

# Every loaded module of ours, but for the one that was forced out.
loaded_modules() {
	awk '$1 ~ /^klp_/ && $1 != "klp_patch_forced" { print $1 }' /proc/modules
}

# Whoever is in a patched function may leave.
free_all() {
	local dir

	for dir in "$TARGET" "$OTHER"; do
		[[ -e $dir ]] || continue
		release "$dir"
		echo stop >"$dir/kthread"
	done
}

# After a scenario: put everything back. Not quietly, if it was not to be done.
cleanup() {
	local module file end=$((SECONDS + 60))

	# First whoever lets nobody else run where there is no preemption.
	free_all
	echo "$stuck_secs" >"$STUCK"
	[[ ! -e $PREEMPT ]] || echo "$preempt_mode" >"$PREEMPT"
	[[ ! -e $CPU1 || $(<"$CPU1") == 1 ]] || echo 1 >"$CPU1"
	[[ $(<"$FTRACE_ENABLED") == 1 ]] || echo 1 >"$FTRACE_ENABLED"
	while [[ -n $(ls "$LIVEPATCH") || -n $(loaded_modules) ]]; do
		if ((SECONDS > end)); then
			echo "# left over: $(ls "$LIVEPATCH") $(loaded_modules)"
			sed 's/^/# blocker: /' "$BLOCKERS"
			return 1
		fi
		free_all
		for file in "$LIVEPATCH"/*/enabled; do
			[[ $(cat "$file" 2>/dev/null) != 1 ]] || echo 0 2>/dev/null >"$file"
		done
		for module in $(loaded_modules); do
			./klp_module unload "$module" >/dev/null
		done
	done
	if [[ -n $(<"$BLOCKERS") ]]; then
		sed 's/^/# blocker without a transition: /' "$BLOCKERS"
		return 1
	fi
	if grep -q 'klp_\|livepatch' "$TRACING/enabled_functions"; then
		sed 's/^/# enabled function: /' "$TRACING/enabled_functions"
		return 1
	fi
}

# ---- the frame ----

# Jobs of a scenario end with it.
end_jobs() {
	local rc=$? undo

	set +e
	for undo in "${undos[@]}"; do
		"$undo"
	done
	((!${#started[@]})) || kill -9 "${started[@]}"
	wait
	exit "$rc"
} 2>/dev/null

# at_end FUNCTION: to be called when the scenario ends, however it does. A trap of
# its own would hide that it has failed.
at_end() {
	undos+=("$1")
}

# skip REASON: end the scenario as one that cannot be run on this kernel or machine.
# A command that fails with the same status leaves no reason, and is a failure.
skip() {
	echo "$*" >"$SKIPPED"
	exit 4
}

# DEBUG=1 shows each command.
run_scenario() {
	undos=()
	trap end_jobs EXIT
	# What has to end does so without the last resort, unless that is tested.
	echo 0 >"$STUCK"
	set -e${DEBUG:+x}
	"$@"
}

# scenario DESCRIPTION FUNCTION [ARGUMENT...]
scenario() {
	local description=$1 rc start=$SECONDS

	shift
	[[ $description =~ ${KLP_SCENARIO:-} ]] || return 0
	rm -f "$SKIPPED"
	(run_scenario "$@")
	rc=$?
	cleanup || rc=1
	((++scenarios))
	if ((rc == 4)) && [[ -s $SKIPPED ]]; then
		((++skips))
		echo "ok $scenarios $description # SKIP $(<"$SKIPPED")"
	elif ((rc)); then
		((++failures))
		echo "not ok $scenarios $description"
	else
		echo "ok $scenarios $description"
	fi
	((SECONDS - start < 10)) || echo "# took $((SECONDS - start)) s"
}

finish() {
	local passes=$((scenarios - failures - skips))

	echo "1..$scenarios"
	echo "# Totals: pass:$passes fail:$failures xfail:0 xpass:0 skip:$skips error:0"
	# Nothing was tested, which is no pass.
	((!skips || passes || failures)) || exit 4
	((scenarios && !failures))
	exit
}

echo "TAP version 13"
# A test that was interrupted must not spoil this one.
cleanup || { echo "Bail out! the last test has left something that cannot be removed"; exit 1; }
