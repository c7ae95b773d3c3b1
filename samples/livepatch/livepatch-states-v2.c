// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The successor of livepatch-states.c: see there.
 *
 *	insmod livepatch-states.ko; insmod livepatch-states-v2.ko; sysctl kernel.panic
 *	echo 0 > /sys/kernel/livepatch/livepatch_states_v2/enabled; sysctl kernel.panic
 */

#define STATES_VERSION	2

#include "livepatch-states.c"
