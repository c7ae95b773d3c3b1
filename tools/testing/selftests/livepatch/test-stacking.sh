#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Several patches over one function: the newest is in effect, whatever order
# they go in.

# scenario calls what is here.
# shellcheck disable=SC2317

. "$(dirname "$0")/functions.sh"

# down ORDER...: enable 1, 2 and 3, and disable them in that order.
down() {
	local left=" 1 2 3 " v top

	load klp_target
	for v in 1 2 3; do
		enable "klp_patch_v$v" funcs=cmdline,value
		is "$(cmdline) $(value value)" "$v $v" "versions"
		file_is "$LIVEPATCH/klp_patch_v$v/stack_order" "$v"
	done
	for v; do
		remove klp_patch_v"$v"
		left=${left/ $v / }
		top=$(wc -w <<<"$left")
		top=$(awk -v n="$top" '{ print n ? $n : 0 }' <<<"$left")
		is "$(cmdline) $(value value)" "$top $top" "versions without $v"
	done
}

# below_blocks FUNCTION PLACE: a task in the version of the patch below blocks there.
below_blocks() {
	load klp_target
	enable klp_patch_v1 funcs="$1",value
	reader sleep
	sleepers 1
	load klp_patch_v2 funcs=sleep,value
	file_is "$LIVEPATCH/klp_patch_v2/transition" 1
	blocked_by "$pid" user "$2"
	is "$(value value)" 2 "version"
	# Back, and nobody is in the way.
	echo 0 >"$LIVEPATCH/klp_patch_v2/enabled"
	wait_gone klp_patch_v2
	is "$(value value)" 1 "version"
	release
	remove klp_patch_v1
}

# A patch in the middle goes while a task is in the one on top of it.
middle_goes() {
	load klp_target
	enable klp_patch_v1 funcs=sleep
	enable klp_patch_v2 funcs=sleep
	reader sleep
	sleepers 1
	remove klp_patch_v1
	file_is "$TARGET/sleepers" 1
	release
	wait "$pid"
	remove klp_patch_v2
}

# Position 0 and position 1 of a unique name are the same function.
same_function() {
	load klp_target
	enable klp_patch_v1 funcs=value:0,cmdline:1
	enable klp_patch_v2 funcs=value:1,cmdline:0
	is "$(cmdline) $(value value)" "2 2" "versions"
	remove klp_patch_v1
	is "$(cmdline) $(value value)" "2 2" "versions"
	remove klp_patch_v2
	is "$(cmdline) $(value value)" "0 0" "versions"
}

# Two names of one function meet at the same place.
same_place() {
	load klp_target
	enable klp_patch_v1 funcs=value
	enable klp_patch_v2 funcs=alias
	is "$(value value)" 2 "version"
	remove klp_patch_v2
	is "$(value value)" 1 "version"
	remove klp_patch_v1
	is "$(value value)" 0 "version"
}

stack_order_moves_up() {
	load klp_target
	enable klp_patch_v1 funcs=value
	enable klp_patch_v2 funcs=value
	file_is "$LIVEPATCH/klp_patch_v2/stack_order" 2
	remove klp_patch_v1
	file_is "$LIVEPATCH/klp_patch_v2/stack_order" 1
}

for order in "1 2 3" "1 3 2" "2 1 3" "2 3 1" "3 1 2" "3 2 1"; do
	# shellcheck disable=SC2086
	scenario "disabled in the order $order" down $order
done
scenario "a task in the version below blocks" below_blocks sleep new_sleep
scenario "a task in the cold part of the version below blocks" below_blocks split new_split.cold
scenario "a task on top does not block a patch below" middle_goes
scenario "positions 0 and 1 are one function" same_function
scenario "two names are one function" same_place
scenario "stack_order follows" stack_order_moves_up
finish
