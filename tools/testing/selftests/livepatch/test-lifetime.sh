#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Structures that a patch module allocates and frees: the core keeps no reference
# to them after an error, nor after the module was allowed to go. (KASAN sees more.)

# scenario calls what is here.
# shellcheck disable=SC2317

. "$(dirname "$0")/functions.sh"

freed_after_error() {
	local before i

	load klp_target
	before=$(snapshot)
	for i in 1 2 3; do
		load_gets "$1" klp_life "$2"
		unchanged "$before"
	done
	# Whoever still refers to the freed memory meets others here.
	enable klp_patch_v1
	is "$(cmdline) $(value value)" "1 1" "versions"
	remove klp_patch_v1
}

# The last step that can fail: everything has been set up by then.
freed_after_ftrace() {
	local before

	load klp_target
	before=$(snapshot)
	sysctl -qw kernel.ftrace_enabled=0
	load_gets EBUSY klp_life
	sysctl -qw kernel.ftrace_enabled=1
	unchanged "$before"
	enable klp_patch_v1
	is "$(cmdline) $(value value)" "1 1" "versions"
	remove klp_patch_v1
}

# Files of the patch are open when it is freed, and read again afterwards.
freed_while_open() {
	local fd file fds=()

	load klp_target
	enable klp_life
	for file in "$LIVEPATCH"/klp_life/{enabled,stack_order,klp_target/patched}; do
		exec {fd}<"$file"
		fds+=("$fd")
	done
	remove klp_life
	for fd in "${fds[@]}"; do
		! cat <&"$fd" 2>/dev/null || fail "a file of a freed patch can be read"
	done
}

freed_at_exit() {
	local i

	load klp_target
	for i in 1 2 3; do
		enable klp_life
		is "$(cmdline) $(value value)" "7 7" "versions"
		remove klp_life
		is "$(cmdline) $(value value)" "0 0" "versions"
	done
}

# Replaced, it is released without anybody asking.
freed_after_replace() {
	load klp_target
	enable klp_life
	enable klp_patch_v2 replace=1 funcs=value
	wait_gone klp_life
	wait_unused klp_life
	unload klp_life
	is "$(cmdline) $(value value)" "0 2" "versions"
	remove klp_patch_v2
}

# A module that was patched goes before the patch does.
target_goes_first() {
	load klp_target
	enable klp_life
	unload klp_target
	remove klp_life
	load klp_target
	is "$(value value)" 0 "version"
}

# Nothing of the new function is on its stack, but its module may not go.
jumped() {
	local P=$LIVEPATCH/klp_patch_v1

	load klp_target
	enable klp_patch_v1 funcs=jump
	reader jump
	sleepers 1
	echo 0 >"$P/enabled"
	file_is "$P/transition" 1
	blocked_by "$pid" user far_nap
	unload_gets EAGAIN klp_patch_v1
	release
	wait_gone klp_patch_v1
	wait "$pid"
}

# Its exit frees what the patch is made of: the patch has to go first.
removed_by_force() {
	local before got

	load klp_target
	before=$(snapshot)
	enable klp_life
	got=$(./klp_module force-unload klp_life) || true
	if [[ $got == EAGAIN ]]; then
		# The loader says so, before all else, without CONFIG_MODULE_FORCE_UNLOAD.
		remove klp_life
		return
	fi
	is "$got" ok "unloading klp_life by force"
	file_is "$TARGET/going_refs" 0
	is "$(cmdline) $(value value)" "0 0" "versions"
	unchanged "$before"
	enable klp_life
	remove klp_life
}

no_functions() {
	load klp_target
	enable klp_life empty=1
	is "$(cmdline) $(value value)" "0 0" "versions"
	is "$(param klp_life called)" 2 "calls of pre_patch"
	remove klp_life
}

scenario "freed after a function was not found" freed_after_error ENOENT missing=1
scenario "freed after pre_patch has failed" freed_after_error ENOTUNIQ refuse=-76
scenario "freed after pre_patch has returned a positive number" freed_after_error EINVAL refuse=1
scenario "freed after ftrace has refused it" freed_after_ftrace
scenario "freed at exit" freed_at_exit
scenario "freed while its files are open" freed_while_open
scenario "freed after atomic replace" freed_after_replace
scenario "freed after what it patches" target_goes_first
scenario "a task in what a new function has jumped to" jumped
scenario "objects without functions" no_functions
scenario "freed by a module that is removed by force" removed_by_force
finish
