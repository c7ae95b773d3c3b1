/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reverse: one completion, and every task where it says.
 *
 * The goal is taken back, and a grace period waits for those that have read it
 * and are about to switch, which they do with preemption off. Then the other
 * range index and the other goal are set, and tasks are marked anew. Without the
 * wait a task could look for the wrong functions on its stack and come to the
 * old goal.
 *
 * At the end of the transition each task is where the goal was: one that is
 * about to switch changes nothing, until tasks are idle again. The wait for
 * handlers, which comes before that, is the wait for those who switch, too.
 *
 * A scan that finds nobody else marked does not wait between its walks.
 *
 * The count comes to zero any time, also between the goals, when tasks drop
 * the marks of the first. Each zero asks for a completion, which looks at the
 * count again under klp_mutex: it runs before the reversal, which then finds
 * nothing to reverse, or not until all tasks have come back.
 *
 * In the kernel: klp_tasks_open(), klp_tasks_close(), klp_tasks_wait_switching(),
 * klp_others_marked(), klp_sites_sweep(), klp_tasks_leave(), klp_count_down(),
 * klp_transition_reverse(), klp_transition_complete().
 *
 * holds:
 * breaks: -DNO_GRACE_PERIOD
 * breaks: -DNO_WAIT_HANDLERS
 * breaks: -DNO_SECOND_LOOK
 * breaks: -DNO_REPORT
 * breaks: -DREPORT_MARKS_ONLY
 */

#define NR_CPUS	3
#define NR_VARS	2

#define GOAL	0
#define RANGES	1	/* what a task must not have on its stack to come there */

#include "model.h"

#define NONE	2
#define OLD	0
#define NEW	1

bool mutex = false;			/* klp_mutex */
bool moving = false;
byte direction = NEW;			/* where the phase says that tasks go */
byte pending = 0;
bool asked = false;			/* a completion is queued */
byte completed = 0;
byte state[NR_CPUS] = OLD;		/* of the task on each CPU but 0 */
bool marked[NR_CPUS];

inline count_down()
{
	atomic {
		pending--;
		if
#ifndef NO_REPORT
		:: pending == 0 -> asked = true
#endif
		:: else
		fi
	}
}

inline unmark(nr, self)
{
	atomic {
		smp_mb(self);
		was = marked[nr];
		marked[nr] = false
	}
	if
	:: was -> count_down()
	:: else
	fi
}

/* klp_try_switch_task() of a task that runs */
inline visit(cpu)
{
	pending++;
	atomic {
		smp_mb(0);
		was = marked[cpu];
		marked[cpu] = true
	}
	if
	:: was -> count_down()
	:: else
	fi;
	if
	:: state[cpu] == direction -> unmark(cpu, 0)
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

inline tasks_open()
{
	pending++;
	store(0, RANGES, direction);
	smp_mb(0);			/* smp_store_release() */
	store(0, GOAL, direction);
	visit(1);
	visit(2);
	wait_between_walks();
	wait_between_walks();
	visit(1);
	visit(2);
#ifdef REPORT_MARKS_ONLY
	pending--
#else
	count_down()
#endif
}

inline tasks_close()
{
	store(0, GOAL, NONE)
}

active proctype owner()
{
	bool was;

	mem[GOAL] = NONE;

	atomic { !mutex; mutex = true }
	moving = true;
	tasks_open();
	mutex = false;

	/* klp_enabled_store(), at any time */
	atomic { !mutex; mutex = true }
	if
	:: moving ->
		tasks_close();
#ifndef NO_GRACE_PERIOD
		synchronize_rcu(0);	/* klp_tasks_wait_switching() */
#endif
		direction = OLD;
		tasks_open()
	:: else
	fi;
	mutex = false
}

/* klp_complete_fn(): the same CPU will do. */
active proctype worker()
{
end:
	do
	:: atomic { asked && !mutex; asked = false; mutex = true }
		if
#ifdef NO_SECOND_LOOK
		:: moving ->
#else
		:: moving && pending == 0 ->
#endif
			tasks_close();
			assert(state[1] == direction);
			assert(state[2] == direction);
#ifndef NO_WAIT_HANDLERS
			synchronize_rcu(0);	/* klp_sites_sweep() */
#endif
			/* klp_tasks_leave() */
			state[1] = NONE;
			state[2] = NONE;
			moving = false;
			completed++;
			assert(completed == 1)
		:: else
		fi;
		mutex = false
	od
}

/*
 * klp_update_patch_state() or klp_try_switch_current(), when the task finds its
 * mark, which may take long.
 */
proctype task(byte cpu)
{
	byte goal, ranges;
	bool was;

end:
	do
	:: marked[cpu] ->
		preempt_disable(cpu);
		goal = load(cpu, GOAL);
		if
		:: marked[cpu] && goal != NONE ->
			ranges = load(cpu, RANGES);
			assert(ranges == goal || state[cpu] == goal);
			state[cpu] = goal
		:: else
		fi;
		if
		:: marked[cpu] -> unmark(cpu, cpu)
		:: else
		fi;
		preempt_enable(cpu)
	od
}

active proctype monitor()
{
	/* When nothing moves any more, there has been a completion. */
	timeout;
	assert(completed == 1);
	assert(state[1] == NONE && state[2] == NONE)
}

init
{
	atomic { run task(1); run task(2) }
}
