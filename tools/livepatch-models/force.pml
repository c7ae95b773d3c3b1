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
 * then, which another walk finds, and later ones copy the new state. But before
 * that other walk comes to it, such a child may have one of its own. Numbers come
 * round, so that one may be behind the walk again: walk until there is nobody.
 *
 * In the kernel: klp_tasks_force(), klp_wait_forks(), klp_copy_process().
 *
 * holds:
 * breaks: -DONE_WALK
 * breaks: -DTWO_WALKS
 * breaks: -DNO_WAIT_FORKS
 */

#define NR_NUMBERS	4
#define PARENT		2
#define GRANDCHILD	0

bool writer = false;			/* tasklist_lock */
bool reader = false;
bool linked[NR_NUMBERS];
bool old[NR_NUMBERS];
bool forced = false;
byte child = NR_NUMBERS;		/* its number */

inline walk()
{
	nr = 0;
	found = false;
	do
	:: nr < NR_NUMBERS ->
		if
		:: linked[nr] && old[nr] ->
			old[nr] = false;
			found = true
		:: else
		fi;
		nr++
	:: else ->
		break
	od;
	nr = 0
}

inline wait_forks()
{
#ifndef NO_WAIT_FORKS
	atomic { !writer; reader = true }
	reader = false
#else
	skip
#endif
}

active proctype owner()
{
	byte nr;
	bool found;

	linked[PARENT];
	walk();
#ifndef ONE_WALK
	do
	:: wait_forks();
		walk();
#ifdef TWO_WALKS
		break
#else
		if
		:: found
		:: else -> break
		fi
#endif
	od;
#endif
	forced = true
}

inline fork(parent, number)
{
	atomic { !writer && !reader; writer = true }
	state = old[parent];
	old[number] = state;
	linked[number] = true;
	writer = false
}

active proctype task()
{
	bool state;

	old[PARENT] = true;
	linked[PARENT] = true;
	/* alloc_pid() has given the child a number long before. */
	if
	:: child = PARENT - 1
	:: child = PARENT + 1
	fi;
	fork(PARENT, child);
	forced;
	assert(!old[child])
}

active proctype child_task()
{
	bool state;

	child < NR_NUMBERS && linked[child];
	fork(child, GRANDCHILD);
	forced;
	assert(!old[GRANDCHILD])
}
