/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Complete: when tasks lose their state, and when memory is freed, no handler
 * uses what was there before.
 *
 * Every task is in the state it has come to. First both versions are made that
 * state's; then running handlers are waited for; then tasks return to idle,
 * which is the other state to a handler. So the version that was left is never
 * used again, and what it led to may be freed. The same wait lies between a
 * site's removal from the table and its end.
 *
 * In the kernel: klp_site_settle(), klp_sites_sweep(), klp_tasks_leave(),
 * klp_ftrace_handler().
 *
 * holds:
 * breaks: -DNO_WAIT_HANDLERS
 * breaks: -DLEAVE_FIRST
 * breaks: -DFREE_SITE_FIRST
 */

#define NR_CPUS	2
#define NR_VARS	3

#define STATE	0
#define VERSION	1	/* of the state that tasks have left */
#define TABLE	2	/* whether the site is in it */

#include "model.h"

/* States, and the version of each. */
#define LEFT	0
#define IDLE	0	/* the handler does not tell them apart */
#define COME_TO	1

bool ready = false;
bool site_freed = false;

active proctype owner()
{
	mem[STATE] = COME_TO;
	mem[VERSION] = LEFT;
	mem[TABLE] = true;
	ready = true;

#ifdef LEAVE_FIRST
	store(0, STATE, IDLE);
#endif
	store(0, VERSION, COME_TO);	/* klp_site_settle() */

	/* klp_sites_sweep(), of another site that the tasks also call */
	store(0, TABLE, false);
#if !defined(NO_WAIT_HANDLERS) && !defined(FREE_SITE_FIRST)
	synchronize_rcu(0);
#endif
	site_freed = true;
#ifdef FREE_SITE_FIRST
	synchronize_rcu(0);
#endif
#ifndef LEAVE_FIRST
	store(0, STATE, IDLE);		/* klp_tasks_leave() */
#endif
}

active proctype task()
{
	byte state, version, times = 0;

	ready;
	do
	:: times < 2 ->
		times++;
		/* A function whose site stays. */
		preempt_disable(1);
		state = load(1, STATE);
		if
		:: state == COME_TO -> version = COME_TO
		:: else -> version = load(1, VERSION)
		fi;
		assert(version == COME_TO);
		preempt_enable(1);

		/* A function whose site goes: both versions are the original. */
		preempt_disable(1);
		if
		:: load(1, TABLE) ->
			/* The handler reads the site it has found. */
			assert(!site_freed)
		:: else
		fi;
		preempt_enable(1)
	:: else -> break
	od
}
