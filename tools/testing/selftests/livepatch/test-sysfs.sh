#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The files in sysfs against those who write what they should not, or when.

# scenario calls what is here.
# shellcheck disable=SC2317

. "$(dirname "$0")/functions.sh"

P=$LIVEPATCH/klp_patch_v1

permissions() {
	load klp_target
	enable klp_patch_v1
	is "$(cd "$P" && stat -c '%n %a %U' enabled force replace stack_order transition klp_target/patched | xargs)" \
		"enabled 644 root force 200 root replace 444 root stack_order 444 root transition 444 root klp_target/patched 444 root" "permissions"
	refused EACCES "$P/transition" 1
	refused EACCES "$P/replace" 1
	refused EACCES "$P/stack_order" 1
	refused EACCES "$P/klp_target/patched" 0
	is "$(stat -c %a "$BLOCKERS")" 400 "permissions of $BLOCKERS"
}

junk() {
	local value

	enable klp_patch_v1 funcs=cmdline
	for value in 2 -1 junk ' ' $'\n' "$(printf '%5000s' x)"; do
		refused EINVAL "$P/enabled" "$value"
		refused EINVAL "$P/force" "$value"
	done
	# What it is already, and what there is no transition for.
	refused EINVAL "$P/enabled" 1
	refused EINVAL "$P/force" 1
	refused EINVAL "$P/force" 0
	file_is "$P/enabled" 1
	file_is "$P/transition" 0
	is "$(cmdline)" 1 "version"
}

# Reversals from many sides, with a task in each version, so that none ends.
many_writers() {
	local i old new writers=()

	load klp_target
	reader sleep
	old=$pid
	sleepers 1
	load klp_patch_v1
	reader sleep
	new=$pid
	sleepers 2
	for i in 0 1 2 3; do
		for _ in {1..40}; do
			write_errno "$P/enabled" $((i % 2))
		done | sort | uniq -c >"/tmp/klp_writer.$i" &
		writers+=($!)
		started+=($!)
	done
	wait "${writers[@]}"
	! grep -v 'ok$\|EINVAL$' /tmp/klp_writer.* || fail "a write got another error"
	file_is "$P/transition" 1
	is "$(patch_state "$old") $(patch_state "$new")" "0 1" "patch_state"
	if [[ $(<"$P/enabled") == 1 ]]; then
		blocked_by "$old" user klp_target_sleep
		echo 0 >"$P/enabled"
	fi
	blocked_by "$new" user new_sleep
	release
	wait_gone klp_patch_v1
}

# Everybody looks and writes while the patch comes and goes.
removal() {
	local value

	load klp_target
	for value in 0 junk; do
		while :; do echo "$value" >"$P/enabled"; done 2>/dev/null &
		started+=($!)
	done
	while :; do cat "$P"/* "$P"/*/patched "$BLOCKERS" /proc/self/patch_state; done >/dev/null 2>&1 &
	started+=($!)
	./klp_rounds "$MODULES/klp_patch_v1.ko" klp_patch_v1 30 2>&1 | sed 's/^/# /'
	is "$(value value)" 0 "version"
}

# Files that were open all along say that the patch is gone. A disabled patch
# cannot be enabled again, nor anything else.
open_files() {
	local fd file value fds=() writable=()

	enable klp_patch_v1 funcs=cmdline
	for file in enabled transition replace stack_order vmlinux/patched; do
		exec {fd}<"$P/$file"
		fds+=("$fd")
	done
	for file in enabled force; do
		exec {fd}>"$P/$file"
		writable+=("$fd")
	done
	disable klp_patch_v1
	for fd in "${writable[@]}"; do
		for value in 0 1 junk; do
			matches "$(printf %s "$value" 2>&1 >&"$fd" || true)" "No such device" "the error"
		done
	done
	unload klp_patch_v1
	for fd in "${fds[@]}"; do
		! cat <&"$fd" 2>/dev/null || fail "a file of a removed patch can be read"
	done
}

scenario "permissions" permissions
scenario "junk" junk
scenario "many writers" many_writers
scenario "writers and readers while patches come and go" removal
scenario "open files of a removed patch" open_files
finish
