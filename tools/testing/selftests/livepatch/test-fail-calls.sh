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


# A patch that replaces another is enabled.
enabling() {
	local each

	load klp_target
	for each; do
		load klp_fail function="${each%=*}" value="${each#*=}"
		echo "# $each"
		./klp_fault fatal "load $M/$V1.ko funcs=cmdline,value,twin:1; patched $V1" \
			"load $M/$V2.ko funcs=cmdline,value,twin:2 replace=1 callbacks=1" \
			"gone $V1; unload $V1; patched $V2; is $TARGET/value 2;
			write $LIVEPATCH/$V2/enabled 0; gone $V2; unload $V2; is $TARGET/value 0"
		unload klp_fail
	done
}

# The first patch of all is enabled.
enabling_first() {
	load klp_target
	load klp_fail function="${1%=*}" value="${1#*=}"
	./klp_fault fatal "" "load $M/$V1.ko" \
		"patched $V1; is $TARGET/value 1; write $LIVEPATCH/$V1/enabled 0; gone $V1; unload $V1"
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
		load klp_fail function="${each%=*}" value="${each#*=}"
		echo "# $each"
		./klp_fault fatal "" "load $M/klp_target.ko" \
			"is $LIVEPATCH/$V2/klp_target/patched 1; is $TARGET/value 1; unload klp_target"
		unload klp_fail
	done
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
scenario "ftrace, when a module comes" coming \
	ftrace_set_filter_ips=-12 ftrace_set_filter_ips=-16
scenario "the module loader, when a module comes" coming \
	blocking_notifier_call_chain_robust=0x8002 mod_sysfs_setup=-12
scenario "other parts of the core, when a module comes" coming \
	klp_relocs_apply=-8 klp_symbols_bind=-12 klp_callback_pre_patch=-1 \
	klp_object_attach=-12 klp_site_attach=-12 klp_ranges_alloc=0
scenario "a transition is forced in vain" forcing
finish
