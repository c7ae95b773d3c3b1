#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Atomic replace: one patch takes over from all others.

# scenario calls what is here.
# shellcheck disable=SC2317

. "$(dirname "$0")/functions.sh"

R=$LIVEPATCH/klp_patch_v3

# From a mix of patches; what the new one does not patch is the original again.
takes_over() {
	load klp_target
	enable klp_patch_v1 funcs=cmdline,value,twin:1
	enable klp_patch_v2 funcs=value,twin:2
	enable klp_patch_v3 replace=1 funcs=value
	file_is "$R/replace" 1
	wait_gone klp_patch_v1
	wait_gone klp_patch_v2
	is "$(cmdline) $(value value) $(value twin1) $(value twin2)" "0 3 -1 -2" "versions"
	file_is "$R/stack_order" 1
	# Of functions only its own: no no-op is left with ftrace.
	is "$(grep -c 'klp_target\|cmdline_proc_show' "$TRACING/enabled_functions")" 1 "number of patched functions"
	wait_unused klp_patch_v1
	wait_unused klp_patch_v2
	unload klp_patch_v1
	unload klp_patch_v2
	remove klp_patch_v3
	is "$(value value)" 0 "version"
}

# A patch without functions reverts everything.
reverts_all() {
	load klp_target
	enable klp_patch_v1
	enable klp_patch_v3 replace=1 callbacks=1 funcs=
	wait_gone klp_patch_v1
	is "$(cmdline) $(value value)" "0 0" "versions"
	remove klp_patch_v3
}

# A task in the replaced version blocks, also where the new patch has a no-op.
blocks() {
	load klp_target
	enable klp_patch_v1 funcs=sleep,value
	reader sleep
	sleepers 1
	load klp_patch_v3 replace=1 funcs="$1"
	file_is "$R/transition" 1
	blocked_by "$pid" user new_sleep
	file_is "$LIVEPATCH/klp_patch_v1/enabled" 1
	unload_gets EAGAIN klp_patch_v1
	release
	wait "$pid"
	wait_gone klp_patch_v1
	wait_unused klp_patch_v1
	unload klp_patch_v1
	remove klp_patch_v3
}

# Half-way back: those that have switched return to the version before.
reversed() {
	local original

	load klp_target
	enable klp_patch_v1 funcs=sleep,value,cmdline
	reader sleep
	sleepers 1
	load klp_patch_v3 replace=1 funcs=value
	file_is "$R/transition" 1
	is "$(cmdline) $(value value)" "0 3" "versions of those that have switched"
	# In the original, through the no-op: that must not be left for v1.
	reader sleep
	original=$pid
	sleepers 2
	echo 0 >"$R/enabled"
	file_is "$R/transition" 1
	blocked_by "$original" user klp_target_sleep
	is "$(cmdline) $(value value)" "1 1" "versions of those that are back"
	release
	wait_gone klp_patch_v3
	is "$(cmdline) $(value value)" "1 1" "versions"
	file_is "$LIVEPATCH/klp_patch_v1/enabled" 1
	file_is "$LIVEPATCH/klp_patch_v1/transition" 0
	wait_unused klp_patch_v3
	unload klp_patch_v3
	remove klp_patch_v1
}

# Replaced patches that have functions for a module that is not there.
late_module() {
	enable klp_patch_v1 funcs=value,cmdline
	enable klp_patch_v3 replace=1 funcs=cmdline
	load klp_target
	is "$(cmdline) $(value value)" "3 0" "versions"
	unload klp_target
	remove klp_patch_v3
}

# The module comes in the middle: v1 is below the no-op, for those that need it.
late_module_in_transition() {
	load klp_other
	enable klp_patch_v1 funcs=value,other_sleep
	reader sleep "$OTHER"
	sleepers 1 "$OTHER"
	load klp_patch_v3 replace=1 funcs=cmdline
	load klp_target
	is "$(value value)" 0 "version of those that have switched"
	echo 0 >"$R/enabled"
	wait_gone klp_patch_v3
	is "$(value value)" 1 "version"
	release "$OTHER"
	remove klp_patch_v1
}

# Positions 0 and 1 are one function: no no-op stands against the new version.
position() {
	load klp_target
	enable klp_patch_v1 funcs=value:1
	enable klp_patch_v3 replace=1 funcs=value:0
	is "$(value value)" 3 "version"
	remove klp_patch_v3
}

# Each of two functions of one name goes back, for those who have switched.
two_of_one_name() {
	load klp_target
	enable klp_patch_v1 funcs=twin:1,twin:2,sleep
	reader sleep
	sleepers 1
	load klp_patch_v3 replace=1 funcs=value
	file_is "$R/transition" 1
	is "$(value twin1) $(value twin2)" "-1 -2" "the originals"
	release
	wait_patched klp_patch_v3
}

# By another name it is still the same function.
other_name() {
	load klp_target
	enable klp_patch_v1 funcs=alias
	enable klp_patch_v3 replace=1 funcs=value
	is "$(value value)" 3 "version"
	remove klp_patch_v3
	is "$(value value)" 0 "version"
}

many() {
	local i v old=0

	load klp_target
	for ((i = 1; i <= ${KLP_ROUNDS:-100}; i++)); do
		v=$((i % 2 + 1))
		load "klp_patch_v$v" replace=1 funcs=cmdline,value
		if ((old)); then
			wait_gone "klp_patch_v$old"
			wait_unused "klp_patch_v$old"
			unload "klp_patch_v$old"
		fi
		old=$v
	done
	wait_patched "klp_patch_v$v"
	is "$(cmdline) $(value value)" "$v $v" "versions"
	is "$(ls "$LIVEPATCH")" "klp_patch_v$v" "patches"
}

# No-ops are nobody's business.
own_files() {
	load klp_target
	enable klp_patch_v1 funcs=cmdline,value,twin:1
	enable klp_patch_v2 funcs=value,twin:2
	enable klp_patch_v3 replace=1 funcs=value
	is "$(cd "$R" && find . -mindepth 1 -type d | sort | xargs)" \
		"./klp_target ./klp_target/klp_target_value,1" "folders"
	wait_gone klp_patch_v1
	wait_gone klp_patch_v2
}

# replace_by MODULE FUNCTIONS OLD: and unload the old one.
replace_by() {
	enable "$1" replace=1 funcs="$2"
	wait_gone "$3"
	wait_unused "$3"
	unload "$3"
}

# Each replacement makes three no-ops, and a name for each.
memory() {
	local i before

	# KASAN keeps what was freed for a while; where it is, kmemleak is, too.
	[[ ! -e /sys/kernel/debug/kmemleak ]] || skip "KASAN keeps what was freed; kmemleak looks for leaks here"
	load klp_target
	enable klp_patch_v1 funcs=cmdline,twin:1,twin:2
	for i in {0..20}; do
		((i != 1)) || before=$(objects_in_use $SIZES)
		replace_by klp_patch_v2 value,sleep,deep klp_patch_v1
		replace_by klp_patch_v1 cmdline,twin:1,twin:2 klp_patch_v2
	done
	comes_down_to $((before + 60)) $SIZES
}
SIZES="kmalloc-32 kmalloc-64 kmalloc-96 kmalloc-128 kmalloc-192 kmalloc-256 kmalloc-512"

# Its disabling is turned round: it has replaced nobody above it, whose tasks do not
# block, either.
below_newer() {
	load klp_target
	enable klp_patch_v3 replace=1 funcs=value,sleep
	enable klp_patch_v2 funcs=value,deep
	reader sleep
	reader deep
	sleepers 2
	echo 0 >"$R/enabled"
	file_is "$R/transition" 1
	echo 1 >"$R/enabled"
	wait_patched klp_patch_v3
	is "$(value value)" 2 "version"
	file_is "$LIVEPATCH/klp_patch_v2/enabled" 1
	unload_gets EAGAIN klp_patch_v2
	release
	wait
	remove klp_patch_v2
	is "$(value value)" 3 "version"
	remove klp_patch_v3
}

# made_by COMMAND...: how many times the core allocates memory meanwhile.
made_by() {
	echo >"$TRACING/trace"
	echo 1 >"$KMALLOC/enable"
	"$@"
	echo 0 >"$KMALLOC/enable"
	made=$(grep -c 'call_site=klp_' "$TRACING/trace")
}
KMALLOC=$TRACING/events/kmem/kmalloc

# However many patches have changed a function: one no-op takes it back.
one_noop() {
	local made one='' stacked

	[[ -e $KMALLOC ]] || skip "there are no tracepoints of allocations"
	load klp_target
	for stacked in '' klp_patch_v2; do
		enable klp_patch_v1 funcs=value
		[[ -z $stacked ]] || enable "$stacked" funcs=value
		reader sleep
		sleepers 1
		made_by load klp_patch_v3 replace=1 funcs=sleep
		one=${one:-$made}
		release
		wait_patched klp_patch_v3
		wait_unused klp_patch_v1
		unload klp_patch_v1
		remove klp_patch_v3
	done
	((one > 2)) || fail "$one allocations were seen"
	is "$made" "$one" "number of allocations"
}

# A patch that is refused takes nothing over.
failed_replace() {
	local before

	load klp_target
	enable klp_patch_v1
	before=$(snapshot)
	load_gets ENOTUNIQ klp_patch_v3 replace=1 callbacks=1 refuse=klp_target funcs=value
	unchanged "$before"
	is "$(cmdline) $(value value)" "1 1" "versions"
	remove klp_patch_v1
}

scenario "takes over from a mix of patches" takes_over
scenario "reverts what it does not patch" reverts_all
scenario "waits for tasks in a replaced version" blocks sleep
scenario "waits for tasks that go back to the original" blocks value
scenario "is reversed half-way" reversed
scenario "a module that comes later" late_module
scenario "a module that comes in the middle" late_module_in_transition
scenario "positions 0 and 1 are one function" position
scenario "two functions of one name" two_of_one_name
scenario "two names are one function" other_name
scenario "is disabled below a newer patch, and turned back" below_newer
scenario "one no-op for a function of several patches" one_noop
scenario "a replacement that fails changes nothing" failed_replace
scenario "a replacement shows its own functions only" own_files
scenario "a replacement costs no memory" memory
scenario "many replacements" many
finish
