/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Force: no child of a task that is forced stays in the state that is left.
 *
 * Force switches the tasks that a walk finds. A child has the state that its
 * parent had when fork copied it, and is linked later in the same section under
 * tasklist_lock, held for writing. So a walk may switch the parent in between,
 * and never meet the child; or the child's number is behind the walk when it is
 * linked, and its parent's ahead. After the walk, the lock is taken as a reader
 * for an instant: a fork that has copied the old state has linked its child
 * then, which another walk finds, and later ones copy the new state.
 *
 * In the kernel: klp_tasks_force(), klp_wait_forks(), klp_copy_process().
 *
 * holds:
 * breaks: -DONE_WALK
 * breaks: -DNO_WAIT_FORKS
 */

#define NR_NUMBERS	3
#define PARENT		1

bool writer = false;			/* tasklist_lock */
bool reader = false;
bool linked[NR_NUMBERS];
bool old[NR_NUMBERS];
bool forced = false;

inline walk()
{
	nr = 0;
	do
	:: nr < NR_NUMBERS ->
		if
		:: linked[nr] -> old[nr] = false
		:: else
		fi;
		nr++
	:: else ->
		break
	od
}

active proctype owner()
{
	byte nr;

	linked[PARENT];
	walk();
#ifndef NO_WAIT_FORKS
	atomic { !writer; reader = true }
	reader = false;
#endif
#ifndef ONE_WALK
	walk();
#endif
	forced = true
}

active proctype parent()
{
	byte child;
	bool state;

	old[PARENT] = true;
	linked[PARENT] = true;
	/* alloc_pid() has given it a number long before. */
	if
	:: child = PARENT - 1
	:: child = PARENT + 1
	fi;

	atomic { !writer && !reader; writer = true }
	state = old[PARENT];
	old[child] = state;
	linked[child] = true;
	writer = false;

	forced;
	assert(!old[child])
}
