#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Each allocation fails once, in everything that the core does: nothing is left
# behind, and it works the next time. klp_fault makes the rounds.

# scenario calls what is here.
# shellcheck disable=SC2317

. "$(dirname "$0")/functions.sh"

[[ -e /proc/self/fail-nth && -d /sys/kernel/debug/failslab ]] ||
	skip_all "the kernel has no fault injection: needs CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC"

M=$MODULES
V1=klp_patch_v1
V2=klp_patch_v2
leave="write $LIVEPATCH/$V1/enabled 0; gone $V1; unload $V1"

# nth BEFORE ACT AFTER: the n-th allocation of ACT, for each n.
nth() {
	./klp_fault slab "$@"
	./klp_fault page "$@"
}

# few FUNCTION: where there are few faults, or what is done takes no time, after every
# failure it has to work at once.
few() {
	export KLP_FAULT_EVERY=1
	"$@"
}

# in_completion BEFORE ACT AFTER: each of those that the completion makes.
in_completion() {
	load klp_fail function=should_failslab allocates=1 value=-12 within=klp_complete_fn
	./klp_fault call "$@"
}

enable_module() {
	local before

	load klp_target
	# kmemleak does not report a folder of sysfs that is never put: its inode
	# number leads to it. Each fault there would cost two.
	before=$(objects_in_use kernfs_node_cache)
	nth "" "load $M/$V1.ko callbacks=1" "patched $V1; is $TARGET/value 1; $leave; is $TARGET/value 0"
	comes_down_to $((before + 16)) kernfs_node_cache
}

enable_over() {
	load klp_target
	enable $V2
	nth "" "load $M/$V1.ko funcs=cmdline,value,twin:2" "patched $V1; is $TARGET/value 1; $leave; is $TARGET/value 2"
}

replace() {
	load klp_target
	load klp_other
	nth "load $M/$V1.ko funcs=cmdline,value,twin:1,other_value; patched $V1" \
		"load $M/$V2.ko funcs=value replace=1" \
		"gone $V1; unload $V1; patched $V2; is $TARGET/value 2;
		write $LIVEPATCH/$V2/enabled 0; gone $V2; unload $V2; is $TARGET/value 0"
}

disable_patch() {
	load klp_target
	nth "load $M/$V1.ko; patched $V1" "write $LIVEPATCH/$V1/enabled 0" \
		"gone $V1; unload $V1; is $TARGET/value 0"
}

# A sleeper holds the transition.
hold() {
	load klp_target
	reader sleep
	sleepers 1
}

reverse() {
	hold
	nth "load $M/$V1.ko" "write $LIVEPATCH/$V1/enabled 0" "gone $V1; unload $V1"
}

force() {
	hold
	nth "load $M/$V1.ko" "write $LIVEPATCH/$V1/force 1" "patched $V1; $leave"
}

blockers() {
	hold
	load $V1
	nth "" "read $BLOCKERS" ""
}

init_fails() {
	load klp_target
	nth "" "init_fails $M/$V1.ko callbacks=1 fail_init=-6" "is $TARGET/value 0"
}

coming() {
	enable $V2 funcs=value,twin:2
	enable $V1 callbacks=1
	nth "" "load $M/klp_target.ko" "is $LIVEPATCH/$V1/klp_target/patched 1; unload klp_target"
}

coming_in_transition() {
	load klp_other
	reader sleep "$OTHER"
	sleepers 1 "$OTHER"
	enable $V2 funcs=value
	load $V1 funcs=other_sleep,value,twin:1
	nth "" "load $M/klp_target.ko" "is $LIVEPATCH/$V1/klp_target/patched 1; unload klp_target"
}

going() {
	enable $V2 funcs=value
	enable $V1
	nth "load $M/klp_target.ko" "unload klp_target" "load $M/klp_target.ko; unload klp_target"
}

going_in_transition() {
	load klp_other
	reader sleep "$OTHER"
	sleepers 1 "$OTHER"
	load $V1 funcs=other_sleep,value
	nth "load $M/klp_target.ko" "unload klp_target" "load $M/klp_target.ko; unload klp_target"
}

# Late relocations, of vmlinux and of a module.
relocs() {
	make_rela
	load klp_target
	nth "" "load $RELA" "patched klp_rela; is $TARGET/value $FOUND; write $LIVEPATCH/klp_rela/enabled 0;
		gone klp_rela; unload klp_rela; is $TARGET/value 0"
}

relocs_of_module() {
	make_rela
	is "$(./klp_module load "$RELA")" ok "loading klp_rela"
	wait_patched klp_rela
	# The module's own files may be what there was no memory for.
	nth "" "load $M/klp_target.ko" "is $LIVEPATCH/klp_rela/klp_target/patched 1; unload klp_target"
}

# The only functions of the patch: the ftrace_ops goes with them.
going_with_all() {
	enable $V1 funcs=value
	nth "load $M/klp_target.ko" "unload klp_target" "load $M/klp_target.ko; unload klp_target"
}

complete_disable() {
	load klp_target
	in_completion "load $M/$V1.ko; patched $V1" "write $LIVEPATCH/$V1/enabled 0; gone $V1" \
		"unload $V1; is $TARGET/value 0"
}

# Another patch has its functions all along. If there is no memory for it to jump
# again, it is called until the next transition, whosever that is.
complete_disable_one() {
	load klp_target
	enable $V2 funcs=value
	in_completion "load $M/$V1.ko; patched $V1" "write $LIVEPATCH/$V1/enabled 0; gone $V1" \
		"unload $V1; is $TARGET/value 2; load $M/$V1.ko funcs=cmdline; patched $V1; $leave;
		is $TARGET/value 2"
}

complete_replace() {
	load klp_target
	in_completion "load $M/$V1.ko; patched $V1" \
		"load $M/$V2.ko funcs=value replace=1; gone $V1; patched $V2" \
		"unload $V1; write $LIVEPATCH/$V2/enabled 0; gone $V2; unload $V2"
}

shadow() {
	load klp_shadow_fault
	nth "" "write /sys/module/klp_shadow_fault/parameters/run 200" ""
	nth "" "write /sys/module/klp_shadow_fault/parameters/run_atomic 200" ""
}

scenario "a patch is enabled" enable_module
scenario "a patch is enabled over another" enable_over
scenario "a patch replaces another" replace
scenario "a patch is disabled" few disable_patch
scenario "a transition is reversed" few reverse
scenario "a transition is forced" few force
scenario "those who block are listed" few blockers
scenario "a patch module fails after it has enabled its patch" init_fails
scenario "a module comes that two patches change" coming
scenario "a module comes in a transition" coming_in_transition
scenario "a module goes" few going
scenario "a module goes in a transition" few going_in_transition
scenario "a patch has late relocations" relocs
scenario "a module comes that late relocations refer to" relocs_of_module
scenario "a module goes, the only one that is patched" few going_with_all
scenario "a patch's disabling is completed" few complete_disable
scenario "a patch's disabling is completed beside another" few complete_disable_one
scenario "a replacement is completed" few complete_replace
scenario "shadow variables are attached" few shadow
finish
