/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Start: a site's versions are told apart only when nobody can notice.
 *
 * klp_tasks_enter() puts every task in the state that it comes from, without
 * asking it; klp_sites_wait_handlers() waits for handlers that chose by what
 * the state was before; then klp_site_split() writes the version of the other
 * state. A task that has not switched calls two functions, A and B, all the
 * time; a task that exits and that no walk finds does so as well, with the
 * state of yesterday. Both must get the version they had.
 *
 * The model stands for both directions: "from" is the state that tasks come
 * from and whose version stays, "other" any other value, whose version changes.
 *
 * In the kernel: klp_tasks_enter(), klp_site_split(), klp_ftrace_handler(),
 * klp_exit_begin(), klp_exit_end().
 *
 * holds:
 * breaks: -DNO_WAIT_HANDLERS
 * breaks: -DNO_WAIT_EXITING
 * breaks: -DHANDLERS_BEFORE_EXITING
 * breaks: -DONE_GRACE_PERIOD
 */

#define NR_CPUS	3
#define NR_VARS	3

#define STATE	0	/* of the task */
#define A	1	/* version[other] of each function */
#define B	2

#include "model.h"

/* Values of STATE: what it was before, and what the task comes from. */
#define OTHER	0
#define FROM	1

/* Versions. */
#define OLD	0
#define NEW	1

bool exiting = true;	/* in the section of klp_exit_srcu */

/* klp_ftrace_handler() */
inline call(cpu, var)
{
	preempt_disable(cpu);
	if
	:: cpu == 1 -> state = load(cpu, STATE)
	:: else	/* constant */
	fi;
	if
	:: state == FROM -> seen = OLD
	:: else -> seen = load(cpu, var)
	fi;
	assert(seen == OLD);
	preempt_enable(cpu)
}

active proctype owner()
{
	/* Nobody is in transition: both versions are the same. */
	store(0, STATE, FROM);

#ifdef HANDLERS_BEFORE_EXITING
	synchronize_rcu(0);
	synchronize_rcu(0);
	!exiting;
#else
#ifndef NO_WAIT_EXITING
	/* klp_wait_exiting(): those that were on their way out. */
	!exiting;
#endif
#ifndef NO_WAIT_HANDLERS
	synchronize_rcu(0);
#ifndef ONE_GRACE_PERIOD
	synchronize_rcu(0);	/* for what is behind report_quiescent() */
#endif
#endif
#endif
	store(0, A, NEW);
	store(0, B, NEW)
}

active proctype task()
{
	byte seen, state;
	byte times = 0;

	do
	:: times < 2 ->
		call(1, A);
		call(1, B);
		times++
	:: break
	od
}

/* It has been unlinked already: its state is that of the last transition. */
active proctype exiting_task()
{
	byte seen, state = OTHER;

	call(2, A);
	call(2, B);

	/* do_task_dead(): from here on only preemption keeps others waiting. */
	preempt_disable(2);
	exiting = false;	/* klp_exit_end() */
	seen = load(2, A);
	assert(seen == OLD);
	report_quiescent(2);
	seen = load(2, A);
	assert(seen == OLD);
	preempt_enable(2)	/* the CPU goes on with another task */
}
