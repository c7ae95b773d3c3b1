#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The demonstration: build what is missing, boot, and live-patch the kernel in
# front of the user's eyes. See guest/demo.

. "$(dirname "$0")/lib.sh"

start=$(now_ms)
"$SCRIPTS/modules.sh" samples
"$SCRIPTS/rootfs.sh"
built=$(seconds $(($(now_ms) - start)))

"$SCRIPTS/vm.sh" -n "demo$VARIANT" -t 300 -r "$LOG/demo$VARIANT" -- ./demo
say
say "Shown: a missing bounds check was fixed, and /proc/cmdline changed, under a running" \
	"program; both were undone and unloaded again. Times: build $built s," \
	"$(<"$LOG/demo$VARIANT/times")."
