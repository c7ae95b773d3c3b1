/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _LINUX_LIVEPATCH_SCHED_H_
#define _LINUX_LIVEPATCH_SCHED_H_

/*
 * Included by <linux/sched.h> before task_struct exists: only what the
 * scheduler and do_exit() call stands here.
 */

#ifdef CONFIG_LIVEPATCH

#include <linux/thread_info.h>

void klp_try_switch_current(void);
void klp_exit_begin(void);
void klp_exit_end(void);

/*
 * A task that is about to leave the CPU, or that offers to, looks at its own
 * stack and joins the running transition if it may. Outside transitions, and
 * for tasks that have switched, this is one test of a flag in a hot line.
 */
static __always_inline void klp_sched_try_switch(void)
{
	if (unlikely(test_thread_flag(TIF_PATCH_PENDING)))
		klp_try_switch_current();
}

#else

static __always_inline void klp_sched_try_switch(void) {}
static inline void klp_exit_begin(void) {}
static inline void klp_exit_end(void) {}

#endif

#endif /* _LINUX_LIVEPATCH_SCHED_H_ */
