/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Mark: who finds a mark finds the goal that it is meant for, and who has come
 * to a goal calls its version.
 *
 * The owner writes the version of the state that tasks come to, then the goal,
 * then it marks the task. The task, on its way out of the kernel, finds the
 * mark, reads the goal, takes it for its state and clears the mark. Later it
 * calls the function. With a goal that is not seen yet it would drop the mark,
 * and nobody would look after it any more; with a version that is not seen yet
 * it would mix old and new.
 *
 * klp_mark()'s atomic operation orders the two stores before the mark. The
 * task's loads of mark and goal are ordered by smp_rmb() in klp_current_goal(),
 * its load of the goal and those of later handlers by klp_unmark()'s atomic
 * operation.
 *
 * A task may have an old mark instead, one that was meant for a goal of the
 * past. It may then find any goal, also the new one before it is marked for it:
 * that is what the goal's own release is for, and the acquire of who reads it: an
 * interrupt may call the function right behind the new state, before the mark is
 * cleared.
 *
 * In the kernel: klp_tasks_open(), klp_mark(), klp_update_patch_state(),
 * klp_current_goal(), klp_unmark(), klp_ftrace_handler().
 *
 * holds:
 * holds: -DOLD_MARK
 * breaks: -DNO_RMB
 * breaks: -DPLAIN_MARK
 * breaks: -DOLD_MARK -DPLAIN_GOAL
 * breaks: -DOLD_MARK -DNO_ACQUIRE
 */

#define NR_CPUS	2
#define NR_VARS	3

#define VERSION	0	/* of the state that tasks come to */
#define GOAL	1
#define MARK	2

#include "model.h"

#define NONE	0
#define NEW	1	/* the state, and the version that belongs to it */

active proctype owner()
{
#ifdef OLD_MARK
	mem[MARK] = 1;
#endif
	store(0, VERSION, NEW);		/* klp_site_split() */

#ifndef PLAIN_GOAL
	smp_mb(0);			/* smp_store_release() */
#endif
	store(0, GOAL, NEW);

	/* klp_mark() */
#ifdef PLAIN_MARK
	store(0, MARK, 1)
#else
	atomic { smp_mb(0); mem[MARK] = 1 }
#endif
}

active proctype task()
{
	byte mark, goal, seen, seen_in_irq;

	/* klp_update_patch_state() */
#ifdef NO_RMB
	goal = load(1, GOAL);
	mark = load(1, MARK);
#else
	mark = load(1, MARK);
#ifdef NO_ACQUIRE
	seen_in_irq = load(1, VERSION);
#endif
	goal = load(1, GOAL);
#endif
	if
	:: !mark -> goto out
	:: else
	fi;

#ifndef OLD_MARK
	/*
	 * An old mark may be dropped: it was for the other one of two goals, so the
	 * task that has kept it is where this one leads.
	 */
	assert(goal == NEW);
#endif
	if
	:: goal == NONE
	:: else ->
#ifndef NO_ACQUIRE
		seen_in_irq = load(1, VERSION);
#endif
		assert(seen_in_irq == NEW);
		/* klp_unmark() */
		atomic { smp_mb(1); mem[MARK] = 0 }
		seen = load(1, VERSION);
		assert(seen == NEW)
	fi;
out:
	skip
}
