/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Unmark: no mark is left on a task that has switched, and each counts once.
 *
 * A walk and the task itself meet at the task's mark. The task writes its
 * state, then clears the mark. The walk sets the mark first and reads the state
 * then: if the task was faster, the walk finds it in its new state and clears
 * the mark again; if not, the task finds it, now or on its next way out of the
 * kernel. A walk that set the mark after the task had cleared it and still
 * read the old state would leave a mark that nobody looks at: the task runs in
 * user space, and what takes it back into the kernel may never come.
 *
 * klp_unmark()'s atomic operation orders the state before the mark's end,
 * klp_mark()'s orders the mark before the load of the state.
 *
 * In the kernel: klp_switch_task(), klp_try_switch_task().
 *
 * holds:
 * breaks: -DPLAIN_UNMARK
 * breaks: -DSTATE_FIRST
 */

#define NR_CPUS	2
#define NR_VARS	2

#define STATE	0
#define MARK	1

#include "model.h"

#define OLD	0
#define NEW	1

byte pending = 2;		/* the mark of the first walk, and the scan itself */
byte zeros = 0;
bool started = false;
bool scanned = false;
bool in_user = false;		/* looks at its mark no more */

inline count_down()
{
	atomic {
		pending--;
		if
		:: pending == 0 -> zeros++
		:: else
		fi
	}
}

/* klp_try_switch_task() of a task that runs. */
inline visit()
{
#ifdef STATE_FIRST
	state = load(0, STATE);
#endif
	pending++;
	atomic { smp_mb(0); was = mem[MARK]; mem[MARK] = 1 }
	if
	:: was -> count_down()
	:: else
	fi;
#ifndef STATE_FIRST
	state = load(0, STATE);
#endif
	if
	:: state == NEW ->
		atomic { smp_mb(0); was = mem[MARK]; mem[MARK] = 0 }
		if
		:: was -> count_down()
		:: else
		fi
	:: else
	fi
}

active proctype owner()
{
	byte was, state;

	mem[MARK] = 1;		/* the first walk */
	started = true;
	visit();		/* the second one */
	count_down();
	scanned = true
}

/* klp_update_patch_state(), whenever the task finds its mark. */
active proctype task()
{
	byte was;

	started;
	do
	:: load(1, MARK) ->
		store(1, STATE, NEW);
#ifdef PLAIN_UNMARK
		atomic { was = mem[MARK]; mem[MARK] = 0 }
#else
		atomic { smp_mb(1); was = mem[MARK]; mem[MARK] = 0 }
#endif
		if
		:: was -> count_down()
		:: else
		fi
	:: !load(1, MARK) && load(1, STATE) == NEW ->
		in_user = true;
		break
	od
}

active proctype monitor()
{
	scanned && in_user && smp_mb(0) && smp_mb(1);
	assert(mem[MARK] == 0);
	assert(pending == 0);
	assert(zeros == 1)
}
