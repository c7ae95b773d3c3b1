#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A patch is enabled, disabled and unloaded, and what can be seen meanwhile.

# scenario calls what is here.
# shellcheck disable=SC2317

. "$(dirname "$0")/functions.sh"

cycle_vmlinux() {
	local before

	before=$(snapshot)
	is "$(cmdline)" 0 "version"

	load klp_patch_v1 funcs=cmdline
	wait_patched klp_patch_v1
	is "$(cmdline)" 1 "version"
	unload_gets EAGAIN klp_patch_v1

	disable klp_patch_v1
	absent "$LIVEPATCH/klp_patch_v1"
	is "$(cmdline)" 0 "version"
	unload klp_patch_v1
	unchanged "$before"
}

cycle_module() {
	load klp_target
	is "$(value value)" 0 "version"

	enable klp_patch_v1 funcs=value
	is "$(value value)" 1 "version"
	is "$(cmdline)" 0 "version of what is not patched"
	is "$(param klp_patch_v1 too_large)" 0 "functions that are too large"
	unload_gets EAGAIN klp_patch_v1

	remove klp_patch_v1
	is "$(value value)" 0 "version"
	unload klp_target
}

cycle_again() {
	local i

	load klp_target
	for i in 1 2 3; do
		enable klp_patch_v1 funcs=cmdline,value
		is "$(cmdline) $(value value)" "1 1" "versions in round $i"
		remove klp_patch_v1
		is "$(cmdline) $(value value)" "0 0" "versions after round $i"
	done
}

# The files of a patch, in each phase. A sleeper holds the transitions.
files() {
	local dir=$LIVEPATCH/klp_patch_v1

	load klp_target
	reader sleep
	sleepers 1

	load klp_patch_v1 funcs=cmdline,sleep,twin:2
	is "$(cd "$dir" && find . | sort | xargs)" "$(printf '%s\n' . ./enabled ./force \
		./klp_target ./klp_target/klp_target_sleep,1 ./klp_target/klp_target_twin,2 \
		./klp_target/patched ./replace ./stack_order ./transition \
		./vmlinux ./vmlinux/cmdline_proc_show,1 ./vmlinux/patched | sort | xargs)" "files"

	# Patching.
	file_is "$dir/enabled" 1
	file_is "$dir/transition" 1
	file_is "$dir/stack_order" 1
	file_is "$dir/replace" 0
	file_is "$dir/vmlinux/patched" 1
	file_is "$dir/klp_target/patched" 1
	unload_gets EAGAIN klp_patch_v1

	release
	wait_patched klp_patch_v1
	file_is "$dir/enabled" 1
	file_is "$dir/vmlinux/patched" 1
	file_is "$dir/klp_target/patched" 1

	# Unpatching.
	reader sleep
	sleepers 1
	echo 0 >"$dir/enabled"
	file_is "$dir/enabled" 0
	file_is "$dir/transition" 1
	file_is "$dir/vmlinux/patched" 1
	unload_gets EAGAIN klp_patch_v1

	release
	wait_gone klp_patch_v1
	wait_unused klp_patch_v1
	unload klp_patch_v1
}

# An object shows as patched only while its module is there.
patched_file() {
	local file=$LIVEPATCH/klp_patch_v1/klp_target/patched

	enable klp_patch_v1 funcs=cmdline,value
	file_is "$file" 0
	load klp_target
	file_is "$file" 1
	unload klp_target
	file_is "$file" 0
}

taint() {
	enable klp_patch_v1 funcs=cmdline
	is "$((($(</proc/sys/kernel/tainted) >> 15) & 1))" 1 "the livepatch taint bit"
	matches "$(<"/sys/module/klp_patch_v1/taint")" K "the module's taint"
}

# A disabled patch is over: its folder is gone, and nobody can enable it again
# but by loading it again.
no_second_life() {
	local fd

	load klp_patch_v1 funcs=cmdline
	wait_patched klp_patch_v1
	refused EINVAL "$LIVEPATCH/klp_patch_v1/enabled" 1
	exec {fd}>"$LIVEPATCH/klp_patch_v1/enabled"
	disable klp_patch_v1
	if (echo 1 >&"$fd") 2>/dev/null; then
		fail "a write to a removed patch succeeded"
	fi
	absent "$LIVEPATCH/klp_patch_v1"
	is "$(cmdline)" 0 "version"
}

# Tasks that run all along see every version as soon as it is in effect.
running_reader() {
	local fd line

	exec {fd}</proc/cmdline
	enable klp_patch_v1 funcs=cmdline
	read -r line <&"$fd"
	is "$line" "patched by v1" "what a file that was open shows"
}

scenario "a function of the kernel is patched and restored" cycle_vmlinux
scenario "a function of a module is patched and restored" cycle_module
scenario "a patch can be loaded again and again" cycle_again
scenario "sysfs tells the phase" files
scenario "sysfs tells whether an object is patched" patched_file
scenario "the kernel and the module are tainted" taint
scenario "a disabled patch cannot be enabled again" no_second_life
scenario "an open file sees the patch" running_reader
finish
