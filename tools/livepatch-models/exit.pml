/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Exit: a task counts until it has run its last instruction.
 *
 * An exiting task is unlinked at some moment, and runs on. From before that
 * moment until it is TASK_DEAD it is in a section of klp_exit_srcu. When the
 * section begins it either sees the goal, and marks and counts itself, or the
 * owner, who has set the goal before, waits for the section's end. The owner
 * does not even ask for sections if no task says that it exits. When it is
 * TASK_DEAD, nobody marks it any more: both hold its pi_lock. It clears its
 * mark and calls the scheduler. What it still runs there it runs with
 * preemption off, and from the beginning of __schedule(), which RCU takes for
 * the end of that section, with interrupts off. There it calls versions of the
 * state that it died in: an interrupt does before that beginning, the scheduler
 * behind it. Two calls have to give the same. So two grace periods lie between
 * the completion and the change of that version, and the end of what it leads to.
 *
 * The task is in the old version of do_exit(), so that no look at its stack
 * lets it switch.
 *
 * In the kernel: klp_exit_begin(), klp_exit_end(), klp_wait_exiting(),
 * klp_try_switch_task(), klp_tasks_open(), klp_tasks_wait_dead(),
 * klp_site_settle(), klp_sites_sweep().
 *
 * holds:
 * breaks: -DNO_SECTION
 * breaks: -DNO_WAIT_EXITING
 * breaks: -DWAIT_BEFORE_GOAL
 * breaks: -DBEGIN_AFTER_UNLINK
 * breaks: -DMARK_THE_DEAD
 * breaks: -DNO_COUNT_BARRIER
 * breaks: -DNO_WAIT_BARRIER
 * breaks: -DNO_DEAD_WAIT
 * breaks: -DONE_DEAD_WAIT
 */

#define NR_CPUS	2
#define NR_VARS	3

#define GOAL	0
#define EXITING	1	/* klp_nr_exiting */
#define VERSION	2	/* of the state that tasks leave */

#include "model.h"

#define NONE	0
#define NEW	1

#ifdef MARK_THE_DEAD
#define MARK_DEAD	true
#else
#define MARK_DEAD	false
#endif

bool linked = true;
bool dead = false;			/* TASK_DEAD */
bool pi_lock = false;
bool marked = false;
byte pending = 0;
bool section = false;			/* of klp_exit_srcu */
bool freed = false;
bool over = false;			/* the task is off its CPU for good */

inline mark()
{
	atomic {
		if
		:: !marked -> marked = true; pending++
		:: else
		fi
	}
}

/* klp_exit_begin() */
inline exit_begin()
{
#ifndef NO_SECTION
	section = true;
	store(1, EXITING, 1);
#ifndef NO_COUNT_BARRIER
	smp_mb(1);
#endif
#endif
	preempt_disable(1);
	if
	:: load(1, GOAL) == NEW -> mark()
	:: else
	fi;
	preempt_enable(1)
}

/* Two functions, of a scheduler that goes on or of an interrupt that comes. */
inline call_both()
{
	first = load(1, VERSION);
	assert(first == load(1, VERSION))
}

active proctype task()
{
	byte first;

#ifdef BEGIN_AFTER_UNLINK
	linked = false;
	exit_begin();
#else
	exit_begin();
	linked = false;			/* exit_notify(), release_task() */
#endif
	/* The rest of do_exit(), preemptible. */
	assert(!freed);

	preempt_disable(1);
	atomic { !pi_lock; dead = true }

	/* klp_exit_end() */
	if
	:: marked -> atomic { marked = false; pending-- }
	:: else
	fi;
	smp_mb(1);			/* release */
	store(1, EXITING, 0);
	section = false;
	call_both();

	/* __schedule() */
	assert(!freed);
	report_quiescent(1);
	call_both();
	assert(!freed);
	preempt_enable(1);
	over = true
}

/* klp_try_switch_task() */
inline visit()
{
	if
	:: linked ->
		atomic { !pi_lock; pi_lock = true }
		if
#ifndef MARK_THE_DEAD
		:: dead
#endif
		:: !dead || MARK_DEAD -> mark()
		fi;
		pi_lock = false
	:: else
	fi
}

inline wait_exiting()
{
#ifndef NO_WAIT_BARRIER
	smp_mb(0);
	exiting = load(0, EXITING);
#endif
	if
	:: exiting ->
		atomic {
			smp_mb(0);
			waits = section
		}
		!waits || !section
	:: else
	fi
}

/* klp_others_marked() */
inline wait_between_walks()
{
	if
	:: pending > 1 -> synchronize_rcu(0)
	:: else
	fi
}

active proctype owner()
{
	bool exiting, waits;

	pending++;
#ifdef WAIT_BEFORE_GOAL
	wait_exiting();
#endif
	store(0, GOAL, NEW);

#ifdef NO_WAIT_BARRIER
	/* Before what the walks read: that they do not find the task. */
	exiting = load(0, EXITING);
#endif
	visit();
	wait_between_walks();
	wait_between_walks();
#if !defined(NO_WAIT_EXITING) && !defined(WAIT_BEFORE_GOAL)
	wait_exiting();
#endif
	visit();
	pending--;

	/* klp_transition_complete(), when the count has come to zero. */
	pending == 0 || over;
	assert(pending == 0);
	store(0, GOAL, NONE);		/* klp_tasks_close() */
#ifndef NO_DEAD_WAIT
	synchronize_rcu(0);		/* klp_tasks_wait_dead() */
#ifndef ONE_DEAD_WAIT
	synchronize_rcu(0);
#endif
#endif
	store(0, VERSION, NEW);		/* klp_site_settle() */
	synchronize_rcu(0);		/* klp_sites_sweep() */
	freed = true
}
