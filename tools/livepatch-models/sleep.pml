/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sleep: no task goes to sleep marked and unseen.
 *
 * A task looks at its mark before it leaves its CPU, and a walk that finds it
 * off its CPU looks at its stack. It may look just before it is marked, and
 * sleep for ever. The look and the switch to the next task are one section with
 * preemption off: after a grace period, the task has seen its mark at a later
 * look, or the second walk finds it off its CPU.
 *
 * One grace period is not enough. RCU takes the beginning of __schedule() for
 * the end of the section, and the task may still be about to get the run-queue
 * lock. The second walk may get it first, and finds the task running. But
 * interrupts are off there: a second grace period ends only when the task has
 * left its CPU.
 *
 * Neither is waited for when no task is marked any more.
 *
 * That is so for a task that the first walk marks. It may miss one that execs. So
 * if a walk marks a task that runs and had no mark, there is another walk.
 *
 * The idle task is another such task: it leaves its CPU to one that may never
 * give it back. So it looks before it does, and it is walked twice, too.
 *
 * In the kernel: klp_sched_try_switch() in __schedule_loop(), schedule_idle()
 * and preempt_schedule_irq(), klp_tasks_open(), klp_others_marked(),
 * klp_try_switch_task().
 *
 * holds:
 * breaks: -DONE_GRACE_PERIOD
 * breaks: -DNO_GRACE_PERIOD
 * breaks: -DONE_WALK
 * breaks: -DTWO_WALKS
 * breaks: -DLOOK_IN_ANOTHER_SECTION
 * breaks: -DLOOK_AFTERWARDS
 */

#define NR_CPUS	2
#define NR_VARS	1

#define MARK	0

#include "model.h"

bool rq_lock = false;
bool on_cpu = true;
bool switched = false;
bool scanned = false;
bool unseen;

inline look()
{
	if
	:: load(1, MARK) ->
		/* klp_try_switch_current(), with a clean stack */
		atomic { smp_mb(1); mem[MARK] = 0; switched = true }
	:: else
	fi
}

/* klp_try_switch_task() under the run-queue lock */
inline visit()
{
	atomic { !rq_lock; rq_lock = true }
	atomic {
		smp_mb(0);
		unseen = on_cpu && !switched && !mem[MARK];
		mem[MARK] = !switched
	}
	if
	:: mem[MARK] && !on_cpu ->
		atomic { mem[MARK] = 0; switched = true }
	:: else	/* It runs: it looks by itself. */
	fi;
	rq_lock = false
}

/* klp_others_marked() */
inline wait_between_walks()
{
	if
	:: mem[MARK] -> synchronize_rcu(0)
	:: else
	fi
}

active proctype owner()
{
	if
	:: visit()
	:: skip		/* The task is missed. */
	fi;
#ifndef ONE_WALK
	do
	::
#ifndef NO_GRACE_PERIOD
		wait_between_walks();
#ifndef ONE_GRACE_PERIOD
		wait_between_walks();
#endif
#endif
		visit();
		if
#ifndef TWO_WALKS
		:: unseen -> skip
#endif
		:: else -> break
		fi
	od;
#endif
	scanned = true
}

active proctype task()
{
	byte times = 0;

	do
	:: times < 2 ->
		/* Somewhere in the kernel, with a stack that is not clean. */
		times++;

#ifdef LOOK_IN_ANOTHER_SECTION
		preempt_disable(1);
		look();
		preempt_enable(1);
#endif
		/* __schedule_loop() */
		preempt_disable(1);
#if !defined(LOOK_IN_ANOTHER_SECTION) && !defined(LOOK_AFTERWARDS)
		look();
#endif
		/* __schedule(): interrupts are off from here to the switch. */
		report_quiescent(1);
		atomic { !rq_lock; rq_lock = true }
		if
		:: times < 2 ->
			/* It is chosen again, or woken at once. */
			skip
		:: on_cpu = false
		fi;
		rq_lock = false;
		preempt_enable(1);

		if
		:: !on_cpu -> break	/* for ever */
		:: else
		fi;
#ifdef LOOK_AFTERWARDS
		look()
#endif
	:: times == 2 ->
		break
	od;

	/* Asleep for ever, or it looks again some day. */
	scanned;
	assert(on_cpu || !mem[MARK])
}
