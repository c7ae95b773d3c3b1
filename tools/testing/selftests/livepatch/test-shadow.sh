#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Shadow variables: the module calls them and judges.

# scenario calls what is here.
# shellcheck disable=SC2317

. "$(dirname "$0")/functions.sh"

shadow() {
	load klp_shadow_test || { dmesg | grep 'klp_shadow_test: line' | tail -n 20 | sed 's/^/# /'; return 1; }
	unload klp_shadow_test
}

scenario "the API" shadow
scenario "the API once more" shadow
finish
