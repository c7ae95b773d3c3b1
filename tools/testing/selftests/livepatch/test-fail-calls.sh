#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the core calls fails: registrations, other parts of the kernel, its own
# lower layers, and the module loader after it has called the core. Nothing is
# left behind, and it works the next time. klp_fault makes the rounds, klp_fail
# lets the calls fail.

# scenario calls what is here.
# shellcheck disable=SC2317

. "$(dirname "$0")/functions.sh"

[[ -d /sys/kernel/debug/failslab && -e /sys/kernel/debug/kprobes ]] ||
	skip_all "needs a kernel that is made for it: CONFIG_FAILSLAB, CONFIG_KPROBES, CONFIG_KASAN"

# There are few of each: after every failure it has to work at once.
export KLP_FAULT_EVERY=1
M=$MODULES
V1=klp_patch_v1
V2=klp_patch_v2
V3=klp_patch_v3

# failing "CALL=VALUE [PARAMETER=VALUE]" KIND BEFORE ACT AFTER: that call returns that
# value once, in rounds of klp_fault. The parameters are klp_fail's.
failing() {
	local call

	read -r -a call <<<"$1"
	shift
	echo "# ${call[*]}"
	load klp_fail function="${call[0]%=*}" value="${call[0]#*=}" "${call[@]:1}"
	./klp_fault "$@"
	unload klp_fail
}

# A patch that replaces another is enabled.
enabling() {
	local each

	load klp_target
	for each; do
		failing "$each" fatal "load $M/$V1.ko funcs=cmdline,value,twin:1; patched $V1" \
			"load $M/$V2.ko funcs=cmdline,value,twin:2 replace=1 callbacks=1" \
			"gone $V1; unload $V1; patched $V2; is $TARGET/value 2;
			write $LIVEPATCH/$V2/enabled 0; gone $V2; unload $V2; is $TARGET/value 0"
	done
}

# A module may stay although its patch could not be built, but nothing keeps it.
not_kept() {
	enable $V2
	load klp_fail function=should_failslab value=-12 within=klp_patch_build allocates=1 nth=1
	load $V1 funcs=cmdline replace=1 keep=1
	is "$(param klp_fail nth)" 0 "calls left"
	unload klp_fail
	is "$(param $V1 result)" -12 "what klp_enable_patch() has returned"
	unload $V1
}

# The first patch of all is enabled.
enabling_first() {
	load klp_target
	failing "$1" fatal "" "load $M/$V1.ko" \
		"patched $V1; is $TARGET/value 1; write $LIVEPATCH/$V1/enabled 0; gone $V1; unload $V1"
}

# A patch over another is disabled. If that fails it is in effect as before.
disabling() {
	local each

	load klp_target
	enable $V2 funcs=cmdline,value
	for each; do
		failing "$each" fatal \
			"load $M/$V1.ko funcs=value,twin:1 callbacks=1; patched $V1; is $TARGET/value 1" \
			"write $LIVEPATCH/$V1/enabled 0" "gone $V1; unload $V1; is $TARGET/value 2"
	done
}

# A patch that could not be disabled is as it was for later transitions, too.
jumping_on() {
	local entry

	load klp_target
	enable $V1 funcs=value
	entry=$(<"$TARGET/entry")
	matches "$entry" '^jmp new_value ' "$TARGET/entry"
	load klp_fail function=ftrace_set_jumps value=-12 within=klp_transition_disable nth=1
	refused ENOMEM "$LIVEPATCH/$V1/enabled" 0
	unload klp_fail
	enable $V2 funcs=twin:1
	file_is "$TARGET/entry" "$entry"
}

# A transition is turned round, first when a patch is enabled, then when it is disabled.
reversing() {
	load klp_target
	enable $V2 funcs=cmdline,value
	reader sleep
	sleepers 1
	failing "$1" fatal "load $M/$V1.ko funcs=value,sleep callbacks=1" \
		"write $LIVEPATCH/$V1/enabled 0" "gone $V1; unload $V1; is $TARGET/value 2"
	release
	wait
	enable $V1 funcs=value,sleep callbacks=1
	reader sleep
	sleepers 1
	failing "$1" fatal "write $LIVEPATCH/$V1/enabled 0" \
		"write $LIVEPATCH/$V1/enabled 1" "patched $V1; is $TARGET/value 1"
	release
	remove $V1
}

# What the end of a transition calls fails, and that comes to its end: what must not
# stay is tried until it is gone. A function that cannot jump is called, and a later
# transition, here that of a patch of its own, makes up for it: that all is as it was
# says so.
completing() {
	local each disable="write $LIVEPATCH/$V1/enabled 0; gone $V1"
	local later="load $M/$V3.ko funcs=cmdline; patched $V3;
		write $LIVEPATCH/$V3/enabled 0; gone $V3; unload $V3; is $TARGET/value 2"

	load klp_target
	enable $V2 funcs=cmdline,value
	for each; do
		failing "$each within=klp_complete_fn" call \
			"load $M/$V1.ko funcs=value,twin:1 callbacks=1; patched $V1" \
			"$disable" "unload $V1; is $TARGET/value 2; $later"
	done
}

# A patch is enabled whose functions cannot jump: they are called.
completing_without_jumps() {
	local each

	load klp_target
	enable $V2 funcs=cmdline,value
	for each; do
		failing "$each within=klp_complete_fn" call "" \
			"load $M/$V1.ko funcs=value,twin:1 callbacks=1; patched $V1" \
			"is $TARGET/value 1; write $LIVEPATCH/$V1/enabled 0; gone $V1; unload $V1;
			is $TARGET/value 2"
	done
}

# with_jumps FUNCTION ARGUMENT...: where functions jump to their new versions.
with_jumps() {
	grep -qw ftrace_set_jumps /proc/kallsyms || skip "the kernel has no CONFIG_LIVEPATCH_JUMP"
	"$@"
}

# A module comes that two patches change, the second one in transition.
coming() {
	local each

	load klp_other
	reader sleep "$OTHER"
	sleepers 1 "$OTHER"
	enable $V2 funcs=cmdline,value callbacks=1
	load $V1 funcs=other_sleep,value,twin:1 callbacks=1
	for each; do
		failing "$each" fatal "" "load $M/klp_target.ko" \
			"is $LIVEPATCH/$V2/klp_target/patched 1; is $TARGET/value 1; unload klp_target"
	done
}

# A module comes whose functions cannot jump: it is patched all the same.
coming_without_jumps() {
	local each

	enable $V2 funcs=value
	enable $V1
	for each; do
		failing "$each" call "" "load $M/klp_target.ko" \
			"is $LIVEPATCH/$V1/klp_target/patched 1; is $TARGET/value 1; unload klp_target"
	done
}

# A module goes, whatever fails.
going() {
	enable $V2 funcs=value
	enable $V1
	failing "$1" call "load $M/klp_target.ko" "unload klp_target" \
		"load $M/klp_target.ko; is $TARGET/value 1; unload klp_target"
}

# Neither a force that has no memory nor one that comes too late keeps a module.
forcing() {
	local force=$LIVEPATCH/$V1/force

	load klp_target
	enable $V1 funcs=sleep
	reader sleep
	sleepers 1
	echo 0 >"$LIVEPATCH/$V1/enabled"
	load klp_fail function=should_failslab value=-12 within=klp_transition_force allocates=1 nth=1
	refused ENOMEM "$force" 1
	unload klp_fail
	load klp_fail function=klp_tasks_force value=0 pid="$BASHPID" nth=1
	echo 1 >"$force"
	is "$(param klp_fail nth)" 0 "calls left"
	unload klp_fail
	file_is "$LIVEPATCH/$V1/transition" 1
	release
	wait_gone $V1
	wait_unused $V1
	unload $V1
}

# Errors as functions return them: a number, a pointer's, or NULL or false.
scenario "ftrace, when a patch is enabled" enabling \
	ftrace_set_filter_ips=-12 ftrace_set_filter_ips=-16
scenario "ftrace, when the first patch is enabled" enabling_first register_ftrace_function=-16
scenario "sysfs, when a patch is enabled" enabling \
	sysfs_create_dir_ns=-12 sysfs_create_group=-12 kernfs_create_dir_ns=-12
scenario "the module loader, when a patch is enabled" enabling \
	blocking_notifier_call_chain_robust=0x8002 mod_sysfs_setup=-12 copy_module_elf=-12
scenario "other parts of the core, when a patch is enabled" enabling \
	klp_patch_check=-22 klp_states_compatible=0 klp_symbols_bind=-12 \
	klp_object_bind=-12 klp_callback_pre_patch=-1 klp_object_attach=-12 \
	klp_site_attach=-12 klp_ranges_alloc=0
scenario "the module of a patch that could not be built" not_kept
scenario "ftrace, when a module comes" coming \
	ftrace_set_filter_ips=-12 ftrace_set_filter_ips=-16
scenario "the module loader, when a module comes" coming \
	blocking_notifier_call_chain_robust=0x8002 mod_sysfs_setup=-12
scenario "other parts of the core, when a module comes" coming \
	klp_relocs_apply=-8 klp_symbols_bind=-12 klp_callback_pre_patch=-1 \
	klp_object_attach=-12 klp_site_attach=-12 klp_ranges_alloc=0
# There is no memory, or ftrace is dead, or it dies meanwhile (-EIO). A function that
# still jumps does not ask for the task's state, so the transition must not begin. Where
# a jump is to be entered, -EIO counts as success: what stands there may be one for ever.
# Nobody tries that again, so it is left out where all has to be as it was.
scenario "ftrace, when a patch is enabled over jumps" with_jumps enabling \
	ftrace_set_jumps=-12 ftrace_set_jumps=-19 ftrace_set_jumps=-5
scenario "ftrace, when a patch is disabled" with_jumps disabling \
	ftrace_set_jumps=-12 ftrace_set_jumps=-19 ftrace_set_jumps=-5
scenario "ftrace, when a patch stays that was to be disabled" with_jumps jumping_on
scenario "other parts of the core, when a patch is disabled" disabling klp_ranges_alloc=0
scenario "other parts of the core, when a transition is reversed" reversing klp_ranges_alloc=0
scenario "ftrace, when a patch's disabling is completed" completing ftrace_set_filter_ips=-12
scenario "ftrace, when functions are to jump again" with_jumps completing \
	ftrace_set_jumps=-12 ftrace_set_jumps=-19
scenario "ftrace, when functions of a new patch are to jump" with_jumps completing_without_jumps \
	ftrace_set_jumps=-12 ftrace_set_jumps=-19
scenario "ftrace, when functions of a module that comes are to jump" \
	with_jumps coming_without_jumps \
	ftrace_set_jumps=-12 ftrace_set_jumps=-19 ftrace_set_jumps=-5
scenario "ftrace, when a module goes" going ftrace_set_filter_ips=-12
scenario "a transition is forced in vain" forcing
finish
