#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Callbacks: who is called, in which order, on each way that a patch can take.

# scenario calls what is here.
# shellcheck disable=SC2317

. "$(dirname "$0")/functions.sh"

P=klp_patch_v1

# calls EXPECTED...: since the last look.
calls() {
	# xargs drops the end of a line that the last look has left.
	is "$(param "$P" calls | xargs)" "$*" "calls"
	echo >"/sys/module/$P/parameters/calls"
}

all() {
	load klp_target
	enable "$P" callbacks=1
	calls pre_patch:vmlinux pre_patch:klp_target post_patch:vmlinux post_patch:klp_target
	disable "$P"
	calls pre_unpatch:vmlinux pre_unpatch:klp_target post_unpatch:vmlinux post_unpatch:klp_target
}

# The object of a module is called when the module is there, and only then.
modules() {
	enable "$P" callbacks=1
	calls pre_patch:vmlinux post_patch:vmlinux
	load klp_target
	calls pre_patch:klp_target post_patch:klp_target
	unload klp_target
	calls pre_unpatch:klp_target post_unpatch:klp_target
	disable "$P"
	calls pre_unpatch:vmlinux post_unpatch:vmlinux
}

# An error of pre_patch: those that were called before are taken down again.
refused_patch() {
	local before

	load klp_target
	before=$(snapshot)
	load "$P" callbacks=1 keep=1 refuse=klp_target
	is "$(param "$P" result)" -76 "result"
	calls pre_patch:vmlinux pre_patch:klp_target post_unpatch:vmlinux
	unload "$P"
	unchanged "$before"
}

refused_module() {
	enable "$P" callbacks=1 refuse=klp_target
	calls pre_patch:vmlinux post_patch:vmlinux
	load_gets ENOTUNIQ klp_target
	calls pre_patch:klp_target
	disable "$P"
	calls pre_unpatch:vmlinux post_unpatch:vmlinux
}

# Reversed before it was enabled: post_patch is never due.
reversed() {
	load klp_target
	reader sleep
	sleepers 1
	load "$P" callbacks=1
	calls pre_patch:vmlinux pre_patch:klp_target
	echo 0 >"$LIVEPATCH/$P/enabled"
	wait_gone "$P"
	wait_unused "$P"
	calls post_unpatch:vmlinux post_unpatch:klp_target
}

# Back to enabled: pre_unpatch was called, and post_patch is again.
reversed_disable() {
	load klp_target
	enable "$P" callbacks=1
	calls pre_patch:vmlinux pre_patch:klp_target post_patch:vmlinux post_patch:klp_target
	reader sleep
	sleepers 1
	echo 0 >"$LIVEPATCH/$P/enabled"
	calls pre_unpatch:vmlinux pre_unpatch:klp_target
	echo 1 >"$LIVEPATCH/$P/enabled"
	wait_patched "$P"
	calls post_patch:vmlinux post_patch:klp_target
}

# A module in the middle of a transition to and from the patch.
modules_in_transition() {
	load klp_other
	reader sleep "$OTHER"
	sleepers 1 "$OTHER"
	load "$P" callbacks=1 funcs=other_sleep,value
	calls pre_patch:vmlinux pre_patch:klp_other
	load klp_target
	calls pre_patch:klp_target
	unload klp_target
	calls post_unpatch:klp_target
	load klp_target
	calls pre_patch:klp_target
	release "$OTHER"
	wait_patched "$P"
	calls post_patch:vmlinux post_patch:klp_target post_patch:klp_other
}

# Under atomic replace only the new patch is called.
replaced() {
	load klp_target
	enable "$P" callbacks=1
	calls pre_patch:vmlinux pre_patch:klp_target post_patch:vmlinux post_patch:klp_target
	enable klp_patch_v2 callbacks=1 replace=1
	wait_gone "$P"
	calls
	is "$(param klp_patch_v2 calls)" "pre_patch:vmlinux pre_patch:klp_target post_patch:vmlinux post_patch:klp_target"
}

# Nothing but callbacks: no function at all.
no_functions() {
	load klp_target
	enable "$P" callbacks=1 funcs=
	calls pre_patch:vmlinux pre_patch:klp_target post_patch:vmlinux post_patch:klp_target
	is "$(cmdline) $(value value)" "0 0" "versions"
	disable "$P"
	calls pre_unpatch:vmlinux pre_unpatch:klp_target post_unpatch:vmlinux post_unpatch:klp_target
}

# Nothing is under ftrace yet, so that it can be switched off.
refused_by_ftrace() {
	enable "$P" callbacks=1 funcs=value
	calls pre_patch:vmlinux post_patch:vmlinux
	echo 0 >/proc/sys/kernel/ftrace_enabled
	load_gets EBUSY klp_target || { echo 1 >/proc/sys/kernel/ftrace_enabled; return 1; }
	echo 1 >/proc/sys/kernel/ftrace_enabled
	calls pre_patch:klp_target post_unpatch:klp_target
	file_is "$LIVEPATCH/$P/klp_target/patched" 0
	load klp_target
	is "$(value value)" 1 "version"
	calls pre_patch:klp_target post_patch:klp_target
}

scenario "enabling and disabling" all
scenario "a module that comes and goes" modules
scenario "pre_patch refuses the patch" refused_patch
scenario "pre_patch refuses a module" refused_module
scenario "ftrace refuses a module" refused_by_ftrace
scenario "reversal while the patch is enabled" reversed
scenario "reversal while the patch is disabled" reversed_disable
scenario "a module that comes and goes in a transition" modules_in_transition
scenario "atomic replace" replaced
scenario "objects without functions" no_functions
finish
