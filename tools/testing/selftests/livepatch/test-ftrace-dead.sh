#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# ftrace gives up for good when it finds code that it does not expect. Needs a boot
# of its own, in which klp.break=ftrace on the kernel's command line allows that, and
# CONFIG_KPROBES.

# scenario calls what is here.
# shellcheck disable=SC2317

. "$(dirname "$0")/functions.sh"

V1=$LIVEPATCH/klp_patch_v1
V2=$LIVEPATCH/klp_patch_v2

# Nothing can be removed after that, nor has it to be: the machine goes.
cleanup() {
	return 0
}

grep -qw klp.break=ftrace /proc/cmdline || skip_all "may not break ftrace: klp.break=ftrace"
[[ -e $MODULES/klp_fail.ko ]] || skip_all "needs CONFIG_KPROBES"

# A patch is enabled beside another, which is in effect as before. With a function of
# the other one it would be the jump there that cannot be taken back.
when_enabled() {
	load klp_target
	enable klp_patch_v1 funcs=value
	load klp_fail function=copy_from_kernel_nofault value=-14 within=ftrace_set_filter_ips nth=1
	load_gets ENODEV klp_patch_v2 funcs=cmdline
	is "$(param klp_fail nth)" 0 "calls left"
	unload klp_fail
	is "$(cmdline) $(value value)" "0 1" "versions"
	absent "$V2"
	file_is "$V1/enabled" 1
	file_is "$V1/transition" 0
}

when_dead() {
	load_gets ENODEV klp_patch_v2 funcs=cmdline
	is "$(cmdline) $(value value)" "0 1" "versions"
	absent "$V2"
}

# It would not be patched: it has to stay outside.
module_returns() {
	local got

	unload klp_target
	got=$(./klp_module load "$MODULES/klp_target.ko") || true
	matches "$got" "^(ENODEV|EINVAL)\$" "loading klp_target"
	file_is "$V1/klp_target/patched" 0
}

scenario "a patch is enabled when ftrace gives up" when_enabled
scenario "a patch is enabled after that" when_dead
scenario "a module returns after that" module_returns
finish
