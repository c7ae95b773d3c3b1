/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fork: no child escapes the walk and the fork hook both.
 *
 * The hook and the linking of the child are one section under tasklist_lock,
 * with the lock held for writing. The child's number may be behind the walk or
 * ahead of it. The owner sets the goal, takes the lock as a reader for an
 * instant, and walks without it: a child that was linked before is found, and
 * a fork that comes later sees the goal and marks its child itself.
 *
 * In the kernel: klp_copy_process(), klp_wait_forks(), klp_tasks_open(),
 * klp_tasks_enter(), klp_tasks_leave().
 *
 * holds:
 * breaks: -DNO_WAIT_FORKS
 * breaks: -DHOOK_OUTSIDE_LOCK
 */

#define NR_CPUS	2
#define NR_VARS	1

#define GOAL	0

#include "model.h"

#define NONE	0
#define NEW	1

#define NR_NUMBERS	3
#define PARENT		1

bool writer = false;			/* tasklist_lock */
bool reader = false;
bool linked[NR_NUMBERS];
bool marked[NR_NUMBERS];
bool walked = false;

active proctype owner()
{
	byte nr;

	store(0, GOAL, NEW);

#ifndef NO_WAIT_FORKS
	atomic { !writer; reader = true }
	smp_mb(0);			/* unlocking is a release */
	reader = false;
#endif
	nr = 0;
	do
	:: nr < NR_NUMBERS ->
		if
		:: linked[nr] ->
			/* klp_mark() is a full barrier. */
			atomic { smp_mb(0); marked[nr] = true }
		:: else
		fi;
		nr++
	:: else ->
		break
	od;
	walked = true
}

active proctype parent()
{
	byte goal, child;

	linked[PARENT] = true;
	/* alloc_pid() has given it a number long before. */
	if
	:: child = PARENT - 1
	:: child = PARENT + 1
	fi;

#ifdef HOOK_OUTSIDE_LOCK
	goal = load(1, GOAL);
#endif
	atomic { !writer && !reader; writer = true }
#ifndef HOOK_OUTSIDE_LOCK
	goal = load(1, GOAL);
#endif
	if
	:: goal == NEW -> marked[child] = true
	:: else
	fi;
	linked[child] = true;
	writer = false;

	/* The parent has not switched: neither has the child. */
	walked;
	assert(marked[child])
}
