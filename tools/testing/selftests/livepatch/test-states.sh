#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# System states: what a patch is told of those before, and which are refused.

# scenario calls what is here.
# shellcheck disable=SC2317

. "$(dirname "$0")/functions.sh"

# seen MODULE VERSION DATA: what its pre_patch found.
seen() {
	is "$(param "$1" prev_version) $(param "$1" prev_data)" "$2 $3" "state before $1"
}

incompatible() {
	local before

	before=$(snapshot)
	log_begin
	load_gets EINVAL "$@"
	unchanged "$before"
	is "$(log_lines)" "Livepatch patch ($1) is not compatible with the already installed livepatches." "the log"
}

first() {
	enable klp_patch_v1 funcs=cmdline callbacks=1 state=10,1
	seen klp_patch_v1 0 0
}

# The data of the latest patch that has the state.
handed_over() {
	enable klp_patch_v1 funcs=cmdline callbacks=1 state=10,1
	enable klp_patch_v2 funcs=cmdline callbacks=1 state=10,2
	seen klp_patch_v2 1 1
	enable klp_patch_v3 replace=1 funcs=cmdline callbacks=1 state=10,2
	seen klp_patch_v3 2 2
	# The replaced patches are gone only after that.
	is "$(param klp_patch_v3 post_version)" 2 "the version that post_patch found"
}

other_state() {
	enable klp_patch_v1 funcs=cmdline callbacks=1 state=10,1
	enable klp_patch_v2 funcs=cmdline callbacks=1 state=11,1
	seen klp_patch_v2 0 0
}

older_refused() {
	enable klp_patch_v1 funcs=cmdline state=10,2
	incompatible klp_patch_v2 funcs=cmdline state=10,1
	incompatible klp_patch_v2 replace=1 funcs=cmdline state=10,1
	incompatible klp_patch_v2 replace=1 funcs=cmdline state=11,1,10,1
	enable klp_patch_v2 replace=1 funcs=cmdline state=11,1,10,2
}

# Who replaces has to know every state; who comes on top does not.
unknown_refused() {
	enable klp_patch_v1 funcs=cmdline state=10,1
	incompatible klp_patch_v2 replace=1 funcs=cmdline
	incompatible klp_patch_v2 replace=1 funcs=cmdline state=11,9
	enable klp_patch_v2 funcs=cmdline
	remove klp_patch_v1
	enable klp_patch_v3 replace=1 funcs=cmdline
}

scenario "nothing before the first patch" first
scenario "a state is handed over" handed_over
scenario "other states are not" other_state
scenario "an older version is refused" older_refused
scenario "a replacement that does not know a state is refused" unknown_refused
finish
