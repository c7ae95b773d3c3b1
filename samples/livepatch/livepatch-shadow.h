/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What livepatch-shadow-mod.c and its fix have in common.
 */
#ifndef _LIVEPATCH_SHADOW_H
#define _LIVEPATCH_SHADOW_H

#include <linux/list.h>
#include <linux/types.h>

#define SESSION_LOG_SIZE	256

/* All that there is, counted for those who look for a leak. */
struct session_stats {
	atomic_t sessions;
	atomic_t logs;
};

/* The fix needs one more member, but sessions of this size are in use. */
struct session {
	struct list_head node;
	struct session_stats *stats;
	unsigned int number;
};

#endif
