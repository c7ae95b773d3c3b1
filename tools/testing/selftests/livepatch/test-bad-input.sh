#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What is not a good patch is refused, with its own error and one line in the
# log, and leaves nothing behind.

# scenario calls what is here.
# shellcheck disable=SC2317

. "$(dirname "$0")/functions.sh"

# bad CASE ERROR LOG-REGEX
bad() {
	local case=$1 error=$2 regex=$3 before lines

	load klp_target
	before=$(snapshot)
	log_begin
	load_gets "$error" klp_bad bad="$case"
	lines=$(log_lines)
	unchanged "$before"
	is "$(wc -l <<<"$lines")" 1 "number of lines in the log ($lines)"
	matches "$lines" "$regex" "the log"
}

# Nothing that was refused is in the way of a good patch.
good_afterwards() {
	load klp_target
	load_gets ENOENT klp_bad bad=second-object
	load_gets EINVAL klp_bad bad=function-twice
	enable klp_patch_v1 funcs=cmdline,value,twin:1
	is "$(cmdline) $(value value) $(value twin1) $(value twin2)" "1 1 1 -2" "versions"
	remove klp_patch_v1
}

unmarked() {
	local before lines

	before=$(snapshot)
	log_begin
	load_gets EINVAL klp_unmarked funcs=cmdline
	lines=$(log_lines)
	unchanged "$before"
	is "$(wc -l <<<"$lines")" 1 "number of lines in the log ($lines)"
	matches "$lines" "klp_unmarked.*not marked" "the log"
}

# Structures of a patch that is enabled, by the module itself, a second time.
in_use() {
	local part=$1 error=$2 regex=$3 lines

	load klp_target
	enable klp_patch_v1 funcs=value,sleep
	log_begin
	echo "$part" >/sys/module/klp_patch_v1/parameters/again
	lines=$(log_lines)
	is "$(param klp_patch_v1 again)" "$error" "the second result"
	is "$(wc -l <<<"$lines")" 1 "number of lines in the log ($lines)"
	matches "$lines" "$regex" "the log"
	is "$(value value)" 1 "version"
	file_is "$LIVEPATCH/klp_patch_v1/enabled" 1
	remove klp_patch_v1
}

# It would go while tasks are in what replaces its functions.
patch_of_patch() {
	local lines

	enable klp_patch_v1 funcs=cmdline
	log_begin
	load_gets EINVAL klp_bad bad=patch-module
	lines=$(log_lines)
	is "$(wc -l <<<"$lines")" 1 "number of lines in the log ($lines)"
	matches "$lines" "klp_bad.*klp_patch_v1.*a patch module cannot be patched" "the log"
	remove klp_patch_v1
}

# A structure that is over may be used again: nothing refers to it any more.
enabled_after_removal() {
	local i

	enable klp_patch_v1 funcs=cmdline
	for i in 1 2 3; do
		echo 0 >"$LIVEPATCH/klp_patch_v1/enabled"
		./klp_wait "$LIVEPATCH/klp_patch_v1/transition" gone
		echo patch >/sys/module/klp_patch_v1/parameters/again
		is "$(param klp_patch_v1 again)" 0 "the result of round $i"
		wait_patched klp_patch_v1
		is "$(cmdline)" 1 "version"
	done
	remove klp_patch_v1
}

write_often() {
	local i

	for i in {1..200}; do
		echo "$1" >"$2"
	done
}

# One call gives up while another one begins with the same structure.
refused_together() {
	local again=/sys/module/klp_patch_v1/parameters/again first

	load klp_patch_v1 funcs=cmdline callbacks=1 refuse=vmlinux keep=1
	background write_often patch $again
	first=$pid
	background write_often patch $again
	wait "$first"
	wait "$pid"
	is "$(param klp_patch_v1 again)" -76 "the last result"
	absent "$LIVEPATCH/klp_patch_v1"
	is "$(cmdline)" 0 "version"
	unload klp_patch_v1
}

busy() {
	local before lines

	load klp_target
	reader sleep
	sleepers 1
	load klp_patch_v1 funcs=sleep

	before=$(snapshot)
	log_begin
	load_gets EBUSY klp_patch_v2 funcs=cmdline
	lines=$(log_lines)
	unchanged "$before"
	is "$(wc -l <<<"$lines")" 1 "number of lines in the log ($lines)"
	matches "$lines" "klp_patch_v2" "the log"

	# Disabling another patch has to wait, too.
	release
	wait_patched klp_patch_v1
	enable klp_patch_v2 funcs=cmdline
	reader sleep
	sleepers 1
	echo 0 >"$LIVEPATCH/klp_patch_v1/enabled"
	refused EBUSY "$LIVEPATCH/klp_patch_v2/enabled" 0
	file_is "$LIVEPATCH/klp_patch_v2/enabled" 1
	is "$(cmdline)" 2 "version"
	release
	wait_gone klp_patch_v1
	remove klp_patch_v2
}

# hold_init PARAMETER...: a patch is enabled by an init that stays, and will fail.
hold_init() {
	background ./klp_module load "$MODULES/klp_patch_v1.ko" fail_init=-6 hold_init=1 "$@"
	# Its files are there before it is enabled.
	until_true "the patch is enabled" reads "$LIVEPATCH/klp_patch_v1/enabled" 1
	wait_patched klp_patch_v1
}

# The module's init fails after its patch was enabled: the patch goes with it.
init_fails() {
	local before

	load klp_target
	before=$(snapshot)
	load_gets ENXIO klp_patch_v1 fail_init=-6
	# What it needs to run was taken from it when it did not run any more.
	file_is "$TARGET/going_refs" 0
	unchanged "$before"
	is "$(cmdline) $(value value)" "0 0" "versions"
	is "$(loaded_modules | xargs)" klp_target "loaded modules"
	enable klp_patch_v1
	is "$(cmdline) $(value value)" "1 1" "versions"
	remove klp_patch_v1
	unchanged "$before"
}

# The same with a thread of the module's own, which no exit will end.
init_fails_with_thread() {
	local before thread

	load klp_target
	before=$(snapshot)
	log_begin
	background ./klp_module load "$MODULES/klp_patch_v1.ko" fail_init=-6 thread=1
	at_end end_thread
	until_true "the log tells why it stays" log_has \
		"module 'klp_patch_v1' stays until its own threads have ended, such as "
	thread=$(log_lines | sed -n 's/.* such as //p')
	file_is "/proc/$thread/comm" klp_own
	is "$(ls "$LIVEPATCH")" "" "patches"
	file_is /sys/module/klp_patch_v1/initstate going
	end_thread
	until_true "the module is gone" test ! -e /sys/module/klp_patch_v1
	wait "$pid" && fail "a module was loaded whose init fails"
	unchanged "$before"
	load_gets ENXIO klp_patch_v1 fail_init=-6
	unchanged "$before"
}

end_thread() {
	local thread=/sys/module/klp_patch_v1/parameters/thread

	[[ ! -e $thread ]] || echo 0 >"$thread"
}

# The same while the transition is held up by a task in the function.
init_fails_blocked() {
	local before loader

	load klp_target
	reader sleep
	sleepers 1
	before=$(snapshot)
	# The original is what blocks: undoing it needs nobody to leave.
	load_gets ENXIO klp_patch_v1 fail_init=-6
	unchanged "$before"
	release
	wait
}

# The same while another patch is in transition: that one comes first.
init_fails_behind() {
	local v1=$LIVEPATCH/klp_patch_v1

	load klp_target
	hold_init funcs=cmdline
	reader sleep
	sleepers 1
	load klp_patch_v2 funcs=sleep
	log_begin
	echo 0 >/sys/module/klp_patch_v1/parameters/hold_init
	until_true "it has to wait" \
		log_has "'klp_patch_v1' has to wait for the transition of 'klp_patch_v2'"
	file_is "$v1/enabled" 1
	release
	wait
	absent "$v1"
	is "$(loaded_modules | xargs)" "klp_patch_v2 klp_target" "loaded modules"
	wait_patched klp_patch_v2
	remove klp_patch_v2
}

evicted() {
	log_has "goes with its patch enabled" || [[ ! -e $LIVEPATCH/klp_patch_v1 ]]
}

# A patch is not forced out while the loader may still free its module.
init_fails_forced() {
	local loader sleeper p=$LIVEPATCH/klp_patch_v1

	load klp_target
	hold_init
	loader=$pid
	reader sleep
	sleeper=$pid
	sleepers 1
	echo 0 >"$p/enabled"
	file_is "$p/transition" 1
	refused EBUSY "$p/force" 1
	log_begin
	echo 0 >/sys/module/klp_patch_v1/parameters/hold_init
	# Now the loader wants to free the module that the task is in. If the patch was
	# forced out after all, nobody says so.
	until_true "it is evicted" evicted
	refused EBUSY "$p/force" 1
	refused EBUSY "$p/enabled" 1
	file_is "$p/transition" 1
	release
	wait "$sleeper" || fail "the task that was in the function has died"
	wait "$loader" || true
	absent "$p"
	is "$(loaded_modules | xargs)" klp_target "loaded modules"
}

# Whatever is refused again and again costs no memory.
# In 15 rounds a loss of one object at each load would be 45.
slab() {
	local i before caches="kernfs_node_cache kmalloc-64 kmalloc-128 kmalloc-192"

	# KASAN keeps what was freed for a while; where it is, kmemleak is, too.
	[[ ! -e /sys/kernel/debug/kmemleak ]] || skip "KASAN keeps what was freed; kmemleak looks for leaks here"
	load klp_target
	# The first round fills caches.
	for i in {1..16}; do
		# shellcheck disable=SC2086 # several words
		((i != 2)) || before=$(objects_in_use $caches)
		load_gets ENOENT klp_bad bad=second-object
		load_gets EINVAL klp_bad bad=notrace
		load_gets ENOENT klp_bad bad=no-target-function
	done
	# shellcheck disable=SC2086
	comes_down_to $((before + 40)) $caches
}

none=klp_there_is_no_such_function

scenario "a function that does not exist" bad no-function ENOENT "klp_bad.*vmlinux.*$none"
scenario "a function that the module does not have" bad no-target-function ENOENT "klp_bad.*klp_target.*$none"
scenario "a second function that does not exist" bad second-of-two ENOENT "klp_bad.*vmlinux.*$none"
scenario "a second object with what does not exist" bad second-object ENOENT "klp_bad.*klp_target.*$none"
scenario "an ambiguous function" bad ambiguous EINVAL "klp_bad.*klp_target.*klp_target_twin.*ambiguous"
scenario "a position behind the last" bad position ENOENT "klp_bad.*klp_target.*klp_target_twin,3"
scenario "a second position of a unique name" bad position-unique ENOENT "klp_bad.*vmlinux.*cmdline_proc_show,2"
scenario "an init function" bad init-function ENOENT "klp_bad.*klp_target.*target_init"
scenario "a notrace function" bad notrace EINVAL "klp_bad.*klp_target.*klp_target_notrace"
scenario "a noinstr function" bad noinstr EINVAL "klp_bad.*vmlinux.*irqentry_enter"
scenario "a variable" bad data EINVAL "klp_bad.*vmlinux.*saved_command_line"
scenario "a function without a name" bad null-name EINVAL "klp_bad.*vmlinux"
scenario "a function with an empty name" bad empty-name EINVAL "klp_bad.*vmlinux"
scenario "a function with a slash in its name" bad slash-name EINVAL "klp_bad.*vmlinux.*cmdline/proc_show.*no function has such a name"
scenario "a function with an overlong name" bad long-name ENAMETOOLONG "klp_bad.*vmlinux.*a_name_that"
scenario "an object with an overlong name" bad long-object ENAMETOOLONG "klp_bad.*a_name_that"
scenario "an object with an empty name" bad empty-object EINVAL "klp_bad"
scenario "a function without a replacement" bad null-new EINVAL "klp_bad.*vmlinux.*cmdline_proc_show.*no replacement"
scenario "a replacement outside the patch module" bad foreign-new EINVAL "klp_bad.*vmlinux.*cmdline_proc_show"
scenario "a function twice" bad function-twice EINVAL "klp_bad.*vmlinux.*cmdline_proc_show"
scenario "a function twice, by position 0 and 1" bad function-twice-01 EINVAL "klp_bad.*vmlinux.*cmdline_proc_show"
scenario "a function twice, by two names" bad alias EINVAL "klp_bad.*klp_target.*klp_target_(value|alias)"
scenario "an object twice" bad object-twice EINVAL "klp_bad.*klp_target"
scenario "vmlinux twice, by NULL and by name" bad vmlinux-twice EINVAL "klp_bad.*vmlinux"
scenario "functions of two objects" bad shared-functions EINVAL "klp_bad.*klp_target.*vmlinux"
scenario "functions of two objects, in part" bad overlapping-functions EINVAL "klp_bad.*klp_target.*vmlinux"
scenario "an object named like a file of the patch" bad object-file-name EINVAL "klp_bad.*enabled"
scenario "an object with a slash in its name" bad object-slash EINVAL "klp_bad.*klp/target"
scenario "an object with a dot for a name" bad object-dot EINVAL "klp_bad.*object '[.]':"
scenario "an object with two dots for a name" bad object-dots EINVAL "klp_bad.*object '[.][.]':"
scenario "no patch at all" bad null-patch EINVAL ""
scenario "a patch without a module" bad null-mod EINVAL ""
scenario "a patch with objects NULL" bad null-objs EINVAL "klp_bad"
scenario "a patch with no objects" bad no-objs EINVAL "klp_bad"
scenario "an object with functions NULL" bad null-funcs EINVAL "klp_bad.*klp_target"
scenario "an object that is a patch module" patch_of_patch
scenario "a good patch after bad ones" good_afterwards
scenario "a module that is not marked as a livepatch" unmarked
scenario "a patch that is in use" in_use patch -22 "klp_patch_v1.*already enabled"
scenario "objects that are in use" in_use objects -22 "klp_patch_v1.*klp_target.*in use by"
scenario "functions that are in use" in_use functions -22 "klp_patch_v1.*klp_target.*klp_target_sleep.*in use by"
scenario "a second patch of a module" in_use module -17 "klp_patch_v1.*already"
scenario "a structure that was in use" enabled_after_removal
scenario "a patch that is refused, by two tasks at once" refused_together
scenario "enabling and disabling during a transition" busy
scenario "an init that fails after its patch was enabled" init_fails
scenario "an init that fails during its transition" init_fails_blocked
scenario "an init that fails during the transition of another" init_fails_behind
scenario "an init that fails with a thread of its module" init_fails_with_thread
scenario "force before an init that fails after its patch was enabled" init_fails_forced
scenario "what is refused costs no memory" slab
finish
