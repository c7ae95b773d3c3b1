/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Walk: two walks by number meet every task, also one that changes its number.
 *
 * A walk goes from the lowest number up and looks each task up by the number it
 * has then. A thread that execs takes over its leader's number, and the old
 * leader is gone: if the walk has passed that number and not the thread's own,
 * it misses the thread. A leader keeps its number, so the second walk meets it,
 * unless one of its own threads execs again. But that thread was forked after
 * the first walk had begun: the fork hook has taken care of it.
 *
 * To exchange numbers takes two stores, under tasklist_lock. Between them both
 * numbers are the old leader's, and a thread that is held up there would be missed
 * by any number of walks. So the lock is taken for an instant between the walks.
 *
 * In the kernel: klp_walk_twice(), klp_tasks_open(), klp_next_task(),
 * klp_wait_forks(), klp_copy_process(); de_thread() of fs/exec.c, exchange_tids().
 *
 * holds:
 * breaks: -DONE_WALK
 * breaks: -DNO_FORK_HOOK
 * breaks: -DNO_WAIT_BETWEEN
 */

#define NR_NUMBERS	5
#define NOBODY		0
#define NR_TASKS	5	/* 1 and 2 are there, the others are forked */

byte task_of[NR_NUMBERS] = NOBODY;
bool marked[NR_TASKS];
bool walked = false;
bool ready = false;
byte leader = 1;		/* of the group, a task */
byte thread = 2;		/* another one of the group, or NOBODY */
byte next_task = 3;
bool writer = false;		/* tasklist_lock */

/* The goal is set already. */
active proctype owner()
{
	byte nr, walks = 0;

	ready;
	do
#ifdef ONE_WALK
	:: walks < 1 ->
#else
	:: walks < 2 ->
#endif
		nr = 0;
		do
		:: nr < NR_NUMBERS ->
			atomic {
				if
				:: task_of[nr] != NOBODY -> marked[task_of[nr]] = true
				:: else
				fi
			}
			nr++
		:: else -> break
		od;
#ifndef NO_WAIT_BETWEEN
		!writer;		/* klp_wait_forks() */
#endif
		walks++
	:: else -> break
	od;
	walked = true
}

/* What the group does, each step under tasklist_lock. */
active proctype group()
{
	byte thread_nr, leader_nr;

	/* The leader's number may be above that of its thread. */
	if
	:: leader_nr = 1; thread_nr = 3
	:: leader_nr = 3; thread_nr = 1
	fi;
	task_of[leader_nr] = leader;
	task_of[thread_nr] = thread;
	ready = true;

	do
	:: thread != NOBODY ->
		/* The thread execs: it becomes the leader and the only one. */
		writer = true;
		task_of[thread_nr] = leader;
		task_of[leader_nr] = thread;
		atomic {
			leader = thread;
			thread = NOBODY;
			task_of[thread_nr] = NOBODY;
			writer = false
		}
	:: thread == NOBODY && next_task < NR_TASKS ->
		/* The leader forks a thread, which gets any free number. */
		if
		:: thread_nr = 0
		:: thread_nr = 2
		:: thread_nr = 4
		fi;
		atomic {
			thread = next_task;
			next_task++;
#ifndef NO_FORK_HOOK
			marked[thread] = true;
#endif
			task_of[thread_nr] = thread
		}
	:: break
	od;

	walked;
	assert(marked[leader]);
	assert(thread == NOBODY || marked[thread])
}
