#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Modules that come and go while patches for them are there.

# scenario calls what is here.
# shellcheck disable=SC2317

. "$(dirname "$0")/functions.sh"

P=$LIVEPATCH/klp_patch_v1

# Nothing of a module runs unpatched, its init included.
late() {
	local i

	enable klp_patch_v1
	for i in 1 2; do
		load klp_target
		file_is "$TARGET/init_value" 1
		file_is "$P/klp_target/patched" 1
		is "$(value value)" 1 "version"
		unload klp_target
		file_is "$P/klp_target/patched" 0
		is "$(cmdline)" 1 "version of the kernel's function"
	done
	load klp_target
	remove klp_patch_v1
	is "$(value value)" 0 "version"
	unload klp_target
	load klp_target
	file_is "$TARGET/init_value" 0
}

# Those that wait for one name are applied oldest first, and only they.
late_stacked() {
	enable klp_patch_v1 funcs=value
	enable klp_patch_v2 funcs=value
	load klp_target
	file_is "$TARGET/init_value" 2
	is "$(value value)" 2 "version"
	unload klp_target
	remove klp_patch_v1
	load klp_other
	load klp_target
	is "$(value value)" 2 "version"
	unload klp_target

	# The first one waits again, on top now.
	enable klp_patch_v1 funcs=value
	load klp_target
	is "$(value value)" 1 "version"
	remove klp_patch_v1
	is "$(value value)" 2 "version"
	unload klp_target
	remove klp_patch_v2
	load klp_target
	is "$(value value)" 0 "version"
}

# A sleeper in another module's function holds a transition up.
hold_up() {
	reader sleep "$OTHER"
	sleepers 1 "$OTHER"
}

# The module that comes takes on the phase that the patch is in.
comes_in() {
	local to=$1

	load klp_other
	if [[ $to == patching ]]; then
		hold_up
		load klp_patch_v1 funcs=other_sleep,value
	else
		enable klp_patch_v1 funcs=other_sleep,value
		hold_up
		echo 0 >"$P/enabled"
	fi
	file_is "$P/transition" 1
	load klp_target
	file_is "$P/klp_target/patched" 1
	# The loader has switched already, and so has the reader of the file.
	if [[ $to == patching ]]; then
		is "$(value value)" 1 "version"
		release "$OTHER"
		wait_patched klp_patch_v1
		is "$(value value)" 1 "version"
	else
		is "$(value value)" 0 "version"
		release "$OTHER"
		wait_gone klp_patch_v1
		is "$(value value)" 0 "version"
	fi
}

# Its functions stop to block, and it does not matter any more.
goes_in() {
	load klp_other
	load klp_target
	hold_up
	load klp_patch_v1 funcs=other_sleep,value
	unload klp_target
	file_is "$P/transition" 1
	file_is "$P/klp_target/patched" 0
	load klp_target
	is "$(value value)" 1 "version after another load"
	unload klp_target
	echo 0 >"$P/enabled"
	wait_gone klp_patch_v1
	wait_unused klp_patch_v1
	unload klp_patch_v1
	release "$OTHER"
	sleepers 0 "$OTHER"

	load klp_target
	enable klp_patch_v1 funcs=other_sleep,value
	hold_up
	echo 0 >"$P/enabled"
	unload klp_target
	file_is "$P/transition" 1
	release "$OTHER"
	wait_gone klp_patch_v1
}

# A module whose pre_patch fails is not loaded; all else stays as it was.
refused_module() {
	local before i

	enable klp_patch_v2 funcs=cmdline,value
	enable klp_patch_v1 callbacks=1 funcs=value refuse=klp_target
	before=$(snapshot)
	for i in 1 2; do
		load_gets ENOTUNIQ klp_target
		unchanged "$before"
		file_is "$P/enabled" 1
		file_is "$P/transition" 0
		file_is "$P/klp_target/patched" 0
		file_is "$LIVEPATCH/klp_patch_v2/klp_target/patched" 0
		absent "$TARGET"
		is "$(cmdline)" 2 "version of the other patch"
	done

	# Allowed, it comes, and is patched by both.
	echo >/sys/module/klp_patch_v1/parameters/refuse
	load klp_target
	file_is "$TARGET/init_value" 1
	file_is "$LIVEPATCH/klp_patch_v2/klp_target/patched" 1
	remove klp_patch_v1
	is "$(value value)" 2 "version"
	remove klp_patch_v2
	is "$(value value)" 0 "version"
}

# A function that is missing in the module that comes.
missing_function() {
	local before

	enable klp_patch_v2 funcs=value
	enable klp_patch_v1 funcs=cmdline,twin
	before=$(snapshot)
	load_gets EINVAL klp_target
	unchanged "$before"
	is "$(cmdline)" 1 "version"
	file_is "$LIVEPATCH/klp_patch_v2/klp_target/patched" 0
	remove klp_patch_v1
	load klp_target
	file_is "$TARGET/init_value" 2
}

# Init functions are freed with their locations in ftrace: nobody may keep them.
init_function() {
	local before

	enable klp_bad bad=init-function
	before=$(snapshot)
	load_gets ENOENT klp_target
	unchanged "$before"
	file_is "$LIVEPATCH/klp_bad/klp_target/patched" 0
	remove klp_bad
	load klp_target
	file_is "$TARGET/init_value" 0
}

# Same name in one module, told apart by position.
positions() {
	load klp_target
	enable klp_patch_v1 funcs=twin:1
	is "$(value twin1) $(value twin2)" "1 -2" "versions"
	enable klp_patch_v2 funcs=twin:2
	is "$(value twin1) $(value twin2)" "1 2" "versions"
	unload_and_load_target
	is "$(value twin1) $(value twin2)" "1 2" "versions after another load"
	remove klp_patch_v1
	is "$(value twin1) $(value twin2)" "-1 2" "versions"
	remove klp_patch_v2
	is "$(value twin1) $(value twin2)" "-1 -2" "versions"
}

# Under the one name it was patched before, under the other it is now: the no-op for
# the first name is nowhere, also in a module that comes meanwhile.
alias_in_replacement() {
	load klp_other
	enable klp_patch_v1 funcs=value
	hold_up
	load klp_patch_v2 replace=1 funcs=other_sleep,alias
	file_is "$LIVEPATCH/klp_patch_v2/transition" 1
	load klp_target
	file_is "$TARGET/init_value" 2
	release "$OTHER"
	wait_patched klp_patch_v2
	wait_gone klp_patch_v1
	is "$(value value)" 2 "version"
	remove klp_patch_v2
	is "$(value value)" 0 "version"
}

unload_and_load_target() {
	unload klp_target
	load klp_target
}

# A patch's objects are told apart by name, and the kernel has one, too.
kernels_name() {
	local name got

	name=/tmp/klp_vmlinux.ko
	LC_ALL=C sed 's/klp_other\x00/vmlinux\x00\x00\x00/g' "$MODULES/klp_other.ko" >"$name"
	got=$(./klp_module load "$name") || true
	[[ $got != ok ]] || ./klp_module unload vmlinux
	is "$got" EINVAL "loading a module named vmlinux"
	rm "$name"
}

# A module comes and goes all the time while patches come and go.
coming_and_going() {
	(
		for i in {1..40}; do
			./klp_module load "$MODULES/klp_target.ko" || exit
			./klp_module unload klp_target || exit
		done
	) >/dev/null &
	./klp_rounds "$MODULES/klp_patch_v1.ko" klp_patch_v1 40 2>&1 | sed 's/^/# /'
	wait $! || fail "the module could not be loaded or unloaded"
	load klp_target
	is "$(value value) $(cmdline)" "0 0" "versions"
}

scenario "a module that comes late" late
scenario "a module that comes late to several patches" late_stacked
scenario "a module comes while tasks are to be patched" comes_in patching
scenario "a module comes while tasks are to be unpatched" comes_in unpatching
scenario "a module goes during a transition" goes_in
scenario "a module that pre_patch refuses" refused_module
scenario "a module that cannot be patched" missing_function
scenario "a module with an init function to be patched" init_function
scenario "two functions of one name" positions
scenario "a module named vmlinux" kernels_name
scenario "a module comes while an alias replaces what it has" alias_in_replacement
scenario "modules and patches at the same time" coming_and_going
finish
