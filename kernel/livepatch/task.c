// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tasks: each one's switch from one state to the other, and the count of those
 * still to come.
 *
 * A task that has to switch is marked: its TIF_PATCH_PENDING is set. Who sets
 * a mark counts up, who clears one counts down, so the count is the number of
 * marks whatever the order of events; and whoever takes it to zero reports
 * that all have switched. A mark is an invitation, not a promise: while no
 * goal is set, a task that finds itself marked just drops the mark, and the
 * scan that follows the setting of a goal marks it again if need be.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/moduleparam.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/sched/idle.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sched/task_stack.h>
#include <linux/srcu.h>
#include <linux/stacktrace.h>
#include <linux/tick.h>
#include <linux/wait.h>

#include "internal.h"

#define CREATE_TRACE_POINTS
#include <trace/events/livepatch.h>

/*
 * The state that tasks switch to, or KLP_TRANSITION_IDLE while none may.
 * Written under M; read with preemption off by whoever switches a task.
 *
 * A goal is set before the first mark that is meant for it: klp_mark() pairs
 * with klp_current_goal(). It is taken back by klp_tasks_close(); a grace
 * period after that outlasts whoever has read it: they act with preemption off.
 */
static int klp_switch_goal = KLP_TRANSITION_IDLE;

/*
 * The state of tasks that have not switched, or KLP_TRANSITION_IDLE outside
 * transitions: what a child gets whose parent has no state yet. Written under
 * M; the fork hook reads it under T, see klp_wait_forks().
 */
static int klp_base_state = KLP_TRANSITION_IDLE;

/*
 * Number of marked tasks, and one more while a scan runs, so that only the
 * last mark of a finished scan takes it to zero.
 */
static atomic_t klp_nr_pending = ATOMIC_INIT(0);

/* What must not be on the stack of a task that switches. M to write, R to read. */
static struct klp_ranges __rcu *klp_ranges;

/*
 * Readers are tasks from before they may leave the task list until they have
 * stopped running for good: the only ones that a walk cannot find.
 */
DEFINE_STATIC_SRCU(klp_exit_srcu);

/* How many readers there are: mostly none, and then nobody has to be waited for. */
static atomic_t klp_nr_exiting = ATOMIC_INIT(0);

static void (*klp_all_switched)(void);

static void klp_all_switched_irq_work(struct irq_work *work)
{
	klp_all_switched();
}

/*
 * The count may reach zero under a run-queue lock: nothing can be woken there.
 * Hard, because with PREEMPT_RT the thread that runs other work is parked early
 * when a CPU goes down, and work that it leaves cannot be queued elsewhere.
 */
static struct irq_work klp_zero_work = IRQ_WORK_INIT_HARD(klp_all_switched_irq_work);

static bool nudge_isolated = true;
module_param(nudge_isolated, bool, 0644);
MODULE_PARM_DESC(nudge_isolated,
		 "Interrupt user tasks on nohz_full CPUs so that they switch at once (default: Y)");

static void klp_count_down(void)
{
	/* This CPU does not go down between the lines. */
	guard(preempt_notrace)();

	/* A dying CPU runs no irq_work any more: klp_cpu_dead() reports for it. */
	if (atomic_dec_and_test(&klp_nr_pending) && cpu_online(smp_processor_id()))
		irq_work_queue(&klp_zero_work);
}

/*
 * Counted before it is marked, so that the count is never less than the number
 * of marks. The atomic bit operation orders the goal before the mark, which
 * pairs with klp_current_goal(), and the mark before klp_try_switch_task()'s look
 * at the state, which pairs with klp_unmark(). Returns whether it had no mark.
 */
static bool klp_mark(struct task_struct *task)
{
	atomic_inc(&klp_nr_pending);
	if (!test_and_set_tsk_thread_flag(task, TIF_PATCH_PENDING))
		return true;
	klp_count_down();
	return false;
}

/*
 * The atomic bit operation orders the task's new state before the mark's end;
 * it pairs with klp_mark(), after which klp_try_switch_task() reads the state.
 */
static void klp_unmark(struct task_struct *task)
{
	if (test_and_clear_tsk_thread_flag(task, TIF_PATCH_PENDING))
		klp_count_down();
}

/*
 * Read after the mark: the goal that it was set for. A mark that was left over
 * may come with no goal, or with the one before.
 */
static int klp_current_goal(void)
{
	smp_rmb();	/* pairs with the bit operation of klp_mark() */
	/*
	 * Acquire: for a mark that was left over, and a call in an interrupt
	 * right behind the new state: pairs with the release in klp_tasks_open().
	 */
	return smp_load_acquire(&klp_switch_goal);
}

static void klp_switch_task(struct task_struct *task, int goal, enum klp_switch_event event)
{
	if (goal != KLP_TRANSITION_IDLE) {
		WRITE_ONCE(task->patch_state, goal);
		trace_klp_task_switch(task, goal, event);
	}
	klp_unmark(task);
}

/*
 * Wait until each fork that may have missed what was published before has
 * linked its child: from then on a walk finds the child, or the child's fork
 * hook sees what was published. The hook and the linking are one section
 * under T. Pairs with klp_copy_process().
 *
 * And until who exchanges numbers with its leader has done so, which is under T,
 * too: in between it has none. Pairs with de_thread().
 */
static void klp_wait_forks(void)
{
	read_lock(&tasklist_lock);
	read_unlock(&tasklist_lock);
}

/* ---- stacks ---- */

/**
 * struct klp_frames - the check of one stack
 * @ranges:	what must not be there
 * @modules:	what else must not be there, or NULL
 * @own:	which of @modules may be there all the same, or NULL
 * @hit:	the first address that is there all the same
 */
struct klp_frames {
	const struct klp_ranges *ranges;
	const struct klp_ranges *modules;
	const struct klp_range *own;
	unsigned long hit;
};

static bool klp_check_frame(void *cookie, unsigned long addr)
{
	struct klp_frames *frames = cookie;
	const struct klp_range *left;

	left = klp_ranges_find(frames->ranges, addr);
	if (!left && frames->modules) {
		left = klp_ranges_find(frames->modules, addr);
		if (left == frames->own)
			left = NULL;
	}
	if (!left)
		return true;
	frames->hit = addr;
	return false;
}

/*
 * 0: the stack is free of what the transition leaves. -EBUSY: it is not, and
 * *hit says where. -EINVAL: nobody can tell.
 *
 * The task is current or held off its CPU; preemption is off.
 */
static int klp_check_stack(struct task_struct *task, unsigned long *hit)
{
	/*
	 * Never older than the goal that was read: see the release in
	 * klp_tasks_open(), and klp_current_goal().
	 */
	struct klp_frames frames = {
		.ranges = rcu_dereference_sched(klp_ranges),
	};
	int err = -EINVAL;

	*hit = 0;
	if (!frames.ranges)
		return -EINVAL;

	/*
	 * A patch module may have a thread of its own, which ends only when the
	 * patch has gone: what it does there beside patched functions does not
	 * count. Modules are apart by a page at least, and never one range.
	 */
	frames.modules = frames.ranges->modules;
	if (frames.modules && task->flags & PF_KTHREAD)
		frames.own = klp_ranges_find(frames.modules, (unsigned long)kthread_func(task));

#ifdef CONFIG_HAVE_RELIABLE_STACKTRACE
	/* No stack any more: the task is dead. */
	if (!try_get_task_stack(task))
		return 0;
	err = arch_stack_walk_reliable(klp_check_frame, &frames, task);
	put_task_stack(task);
#endif
	*hit = frames.hit;
	return frames.hit ? -EBUSY : err;
}

static int klp_switch_if_clean(struct task_struct *task, int goal, enum klp_switch_event event)
{
	unsigned long hit;
	int err;

	err = klp_check_stack(task, &hit);
	if (err)
		trace_klp_task_refused(task, hit);
	else
		klp_switch_task(task, goal, event);
	return err;
}

/* ---- events of a task's own ---- */

/**
 * klp_update_patch_state() - current is where it uses no version of anything
 * @task: current
 *
 * Called on the way to user space, as long as TIF_PATCH_PENDING is set, and by
 * the idle loop.
 *
 * Context: process context, not within a patched function.
 */
void klp_update_patch_state(struct task_struct *task)
{
	/* An injected idle loop runs on a kthread's stack: see schedule_idle(). */
	if (is_idle_task(task) && task_pid_nr(task))
		return;

	/* Pairs with the grace period after klp_tasks_close(). */
	preempt_disable_notrace();
	if (klp_patch_pending(task))
		klp_switch_task(task, klp_current_goal(),
				is_idle_task(task) ? KLP_SWITCH_IDLE : KLP_SWITCH_KERNEL_EXIT);
	preempt_enable_notrace();
}

/**
 * klp_try_switch_current() - current is about to leave the CPU, or offers to
 *
 * Context: where the scheduler may be called; current's state may be anything.
 */
void klp_try_switch_current(void)
{
	int goal;

	preempt_disable();
	goal = klp_current_goal();
	if (goal != KLP_TRANSITION_IDLE && klp_patch_pending(current))
		klp_switch_if_clean(current, goal, KLP_SWITCH_SCHED);
	preempt_enable();
}

/**
 * klp_copy_process() - give a child its parent's version
 * @child: a task that is about to be linked into the task list, for certain
 *
 * Context: tasklist_lock held for writing.
 */
void klp_copy_process(struct task_struct *child)
{
	int base, goal, state;

	lockdep_assert_held_write(&tasklist_lock);

	/*
	 * With PREEMPT_RT that lock does not keep current on its CPU; but it
	 * must not switch before the child has its state and is counted.
	 */
	guard(preempt)();

	/* Under T: pairs with klp_wait_forks(). */
	base = READ_ONCE(klp_base_state);
	goal = READ_ONCE(klp_switch_goal);
	state = READ_ONCE(current->patch_state);

	/* The parent may be yet to be given a state, or yet to be rid of it. */
	if (base == KLP_TRANSITION_IDLE || state == KLP_TRANSITION_IDLE)
		state = base;

	WRITE_ONCE(child->patch_state, state);
	clear_tsk_thread_flag(child, TIF_PATCH_PENDING);
	if (goal != KLP_TRANSITION_IDLE && state != goal)
		klp_mark(child);
}

/*
 * The exit zone is a read-side section of klp_exit_srcu, from before a task may
 * be unlinked to its death.
 */

/**
 * klp_exit_begin() - current may be unlinked from the task list from now on
 *
 * It still runs, and so it still counts, but a walk may not find it.
 *
 * The section is waited for under M: from here to current's end nothing may wait
 * for M, or for a task that does.
 *
 * Context: current exiting; any lock may be held.
 */
void klp_exit_begin(void)
{
	int base, goal, state;

	/*
	 * Either the goal that is being set is seen here, or its setter waits
	 * for this section.
	 */
	current->klp_exit_zone = srcu_down_read(&klp_exit_srcu) + 1;
	__release(&klp_exit_srcu);	/* for sparse: klp_exit_end() ends it */
	atomic_inc(&klp_nr_exiting);
	/* Before the goal and the unlinking: pairs with klp_wait_exiting(). */
	smp_mb__after_atomic();

	preempt_disable();
	base = READ_ONCE(klp_base_state);
	goal = READ_ONCE(klp_switch_goal);
	if (goal != KLP_TRANSITION_IDLE) {
		/* A walk may do the same to it. */
		state = READ_ONCE(current->patch_state);
		if (state == KLP_TRANSITION_IDLE) {
			state = base;
			WRITE_ONCE(current->patch_state, state);
		}
		if (state != goal)
			klp_mark(current);
	}
	preempt_enable();
}

/**
 * klp_exit_end() - current is TASK_DEAD and calls the scheduler for good
 *
 * What it still runs, and interrupts meanwhile, uses the state that it is in. It has
 * preemption off: klp_tasks_wait_dead() waits for that.
 *
 * Context: preemption off, TASK_DEAD set under pi_lock: nobody marks current
 * any more.
 */
void klp_exit_end(void)
{
	int zone = current->klp_exit_zone;

	klp_unmark(current);
	if (!zone)
		return;
	current->klp_exit_zone = 0;
	/* Pairs with klp_wait_exiting(): all that was done before is over. */
	atomic_dec_return_release(&klp_nr_exiting);
	__acquire(&klp_exit_srcu);
	srcu_up_read(&klp_exit_srcu, zone - 1);
}

/* ---- events that others bring about ---- */

/**
 * struct klp_visit - what a walk does with each task
 * @goal:	the state to switch to
 * @base:	the state of a task that has none
 * @mark:	mark those that have not switched
 * @force:	do not ask for their stacks
 * @unseen:	set when a task is marked that runs, and had no mark: it may have
 *		looked for it just before
 * @forced:	set when a task is switched because of @force
 */
struct klp_visit {
	int goal;
	int base;
	bool mark;
	bool force;
	bool unseen;
	bool forced;
};

/* User tasks on isolated CPUs may be left alone until they enter the kernel. */
static bool klp_may_nudge(struct task_struct *task)
{
	/* May be written meanwhile: whoever was asked before it may be asked. */
	return task != current &&
	       (READ_ONCE(nudge_isolated) || task->flags & PF_KTHREAD ||
		!tick_nohz_full_cpu(task_cpu(task)));
}

/* Under P: the task neither starts nor stops running meanwhile. */
static int klp_try_switch_task(struct task_struct *task, void *arg)
{
	struct klp_visit *visit = arg;
	bool marked = false;

	/* A dead task clears its own mark, and runs nothing of ours after that. */
	if (READ_ONCE(task->__state) == TASK_DEAD) {
		if (!task_curr(task))
			WRITE_ONCE(task->patch_state, visit->goal);
		return 0;
	}

	/* First visit: give the task the state it comes from. */
	cmpxchg(&task->patch_state, KLP_TRANSITION_IDLE, visit->base);

	/*
	 * The task may switch itself right here: the state it sets is seen
	 * after the mark it clears. See klp_unmark().
	 */
	if (visit->mark)
		marked = klp_mark(task);
	if (!klp_patch_pending(task))
		return 0;
	if (READ_ONCE(task->patch_state) == visit->goal) {
		klp_unmark(task);
		return 0;
	}
	if (visit->force) {
		klp_switch_task(task, visit->goal, KLP_SWITCH_FORCE);
		visit->forced = true;
		return 0;
	}
	if (!task_curr(task))
		return klp_switch_if_clean(task, visit->goal, KLP_SWITCH_SCAN);

	/*
	 * It runs. It sees the mark on its way out of the kernel; or, if it
	 * stays there, a kthread or the host's side of a guest, when it is
	 * preempted or offers to be.
	 */
	visit->unseen |= marked;
	if (is_idle_task(task) || !klp_may_nudge(task))
		return -EBUSY;
	set_tsk_need_resched(task);
	kick_process(task);
	return -EBUSY;
}

static void klp_visit_task(struct task_struct *task, void *arg)
{
	task_call_func(task, klp_try_switch_task, arg);
}

static void klp_set_state(struct task_struct *task, void *arg)
{
	const int *state = arg;

	WRITE_ONCE(task->patch_state, *state);
}

/*
 * Go on to the next number in use. False behind the last one; *task is NULL if
 * the number is not a task's, but a group's or a session's.
 */
static bool klp_next_task(int *nr, struct task_struct **task)
{
	struct pid *pid;

	guard(rcu)();
	*task = NULL;
	pid = find_ge_pid(*nr, &init_pid_ns);
	if (!pid)
		return false;

	*nr = pid_nr(pid) + 1;
	*task = pid_task(pid, PIDTYPE_PID);
	if (*task)
		get_task_struct(*task);
	return true;
}

/*
 * Visit each task that is linked from before the walk to its end, without a
 * lock over more than one of them.
 *
 * One walk may miss a thread that execs and takes over its leader's number,
 * behind the walk's back. A thread does that once at most, as it is the leader
 * then: where each task counts, walk twice, with klp_wait_forks() between, lest
 * both miss a thread that is held up while it has no number.
 */
static void klp_walk(void (*visit)(struct task_struct *task, void *arg), void *arg)
{
	struct task_struct *task;
	int nr = 1;

	while (klp_next_task(&nr, &task)) {
		if (task) {
			visit(task, arg);
			put_task_struct(task);
		}
		cond_resched();
	}
}

static void klp_walk_twice(void (*visit)(struct task_struct *task, void *arg), void *arg)
{
	klp_walk(visit, arg);
	klp_wait_forks();
	klp_walk(visit, arg);
}

/* Idle tasks have no number of their own. */
static void klp_walk_idle(void (*visit)(struct task_struct *task, void *arg), void *arg)
{
	unsigned int cpu;

	cpus_read_lock();
	for_each_possible_cpu(cpu) {
		struct task_struct *idle = idle_task(cpu);

		/* A CPU that cannot come up may have none. */
		if (!idle)
			continue;
		visit(idle, arg);
		if (!klp_patch_pending(idle))
			continue;
		if (cpu_online(cpu))
			wake_up_if_idle(cpu);
		else
			klp_switch_task(idle, READ_ONCE(klp_switch_goal), KLP_SWITCH_OFFLINE);
	}
	cpus_read_unlock();
}

/**
 * klp_tasks_pending() - whether there are tasks still to switch
 *
 * Context: any.
 * Return: true if there are, or if a scan is still running.
 */
bool klp_tasks_pending(void)
{
	return atomic_read(&klp_nr_pending);
}

/*
 * A CPU has died. Its idle task is not marked: it went through the idle loop after
 * all others had left the CPU, and no walk runs while CPUs come and go. But the
 * CPU's last act may have been to take the count to zero: see klp_count_down().
 */
static int klp_cpu_dead(unsigned int cpu)
{
	if (!klp_tasks_pending())
		klp_all_switched();
	return 0;
}

/*
 * Tasks that were on their way out before this call are dead after it. Pairs
 * with klp_exit_begin() and klp_exit_end().
 */
static void klp_wait_exiting(void)
{
	/*
	 * Who is not counted here is still to be unlinked, or dead; and it will
	 * see what was published before. Pairs with klp_exit_begin().
	 */
	smp_mb();
	if (atomic_read_acquire(&klp_nr_exiting))
		synchronize_srcu_expedited(&klp_exit_srcu);
}

/*
 * ---- what a transition is made of, in this order ----
 *
 * enter: every task gets the state it comes from. open: a goal is set, tasks
 * are marked, and switch. close: the goal is taken back. leave: tasks have no
 * state again. A reversal is a close and another open. An attempt that fails
 * before enter needs no leave.
 */

/**
 * klp_tasks_enter() - put every task in the state that it comes from
 * @state: KLP_TRANSITION_UNPATCHED or KLP_TRANSITION_PATCHED
 *
 * When this returns, each live task and each running handler uses the version
 * of @state, which is the same as the other one so far.
 *
 * Context: klp_mutex held; may sleep.
 */
void klp_tasks_enter(int state)
{
	lockdep_assert_held(&klp_mutex);

	WRITE_ONCE(klp_base_state, state);
	klp_wait_forks();

	/* A task without a state uses the version of KLP_TRANSITION_UNPATCHED. */
	if (state == KLP_TRANSITION_PATCHED) {
		klp_walk_twice(klp_set_state, &state);
		klp_walk_idle(klp_set_state, &state);
	}

	/*
	 * Those that the walks have not found. What they run last is over with
	 * the handlers and another grace period: see klp_tasks_wait_dead().
	 */
	klp_wait_exiting();
	klp_sites_wait_handlers();
	synchronize_rcu_expedited();
}

/* Whether a task other than current is marked; one count is the scan's own. */
static bool klp_others_marked(void)
{
	/* First: current may be switched in between, and would be taken off twice. */
	int pending = atomic_read(&klp_nr_pending);

	return pending > 1 + klp_patch_pending(current);
}

static void klp_publish_ranges(struct klp_ranges *ranges)
{
	klp_ranges_free(rcu_replace_pointer(klp_ranges, ranges, lockdep_is_held(&klp_mutex)));
}

/**
 * klp_tasks_open() - let tasks switch
 * @goal: the state to switch to
 * @ranges: sealed; what a task that switches must not have on its stack. Taken
 *	    over
 *
 * Marks every task that is not in @goal, and switches those that it can. The
 * rest switch themselves; klp_tasks_init()'s function is called when the last
 * one has.
 *
 * Context: klp_mutex held; may sleep.
 */
void klp_tasks_open(int goal, struct klp_ranges *ranges)
{
	struct klp_visit visit = {
		.goal = goal,
		.base = klp_base_state,
		.mark = true,
	};
	int i;

	lockdep_assert_held(&klp_mutex);

	atomic_inc(&klp_nr_pending);
	klp_publish_ranges(ranges);
	/*
	 * Release: the versions and the ranges are there before the goal, also
	 * for a task that reads it without a new mark. Pairs with the atomic
	 * bit operation of klp_unmark(), which is before any later handler.
	 */
	smp_store_release(&klp_switch_goal, goal);
	klp_wait_forks();

	klp_walk_idle(klp_visit_task, &visit);
	klp_walk(klp_visit_task, &visit);

	/*
	 * A task may have looked for its mark just before it was set, and gone
	 * to sleep. The scheduler looks with preemption off until the task is
	 * off the CPU. RCU takes the beginning of __schedule() for the end of
	 * that section; interrupts are off from there to the switch, so a
	 * second grace period outlasts it. After both, the task has either
	 * seen the mark, or the second walk sees it asleep. As soon as all have
	 * seen theirs, there is nobody to wait for.
	 *
	 * The first walk may have missed a task that execs. It gets its mark
	 * from the second walk, and then there is a third.
	 */
	do {
		for (i = 0; i < 2 && klp_others_marked(); i++)
			synchronize_rcu_expedited();
		klp_wait_exiting();
		klp_wait_forks();

		visit.unseen = false;
		klp_walk_idle(klp_visit_task, &visit);
		klp_walk(klp_visit_task, &visit);
	} while (visit.unseen);

	klp_count_down();
}

/**
 * klp_tasks_close() - take the goal back
 *
 * Whoever has read it may still switch, with preemption off: before
 * klp_tasks_leave() or another klp_tasks_open(), klp_sites_sweep() or
 * klp_tasks_wait_switching() has to wait for that.
 *
 * Context: klp_mutex held.
 */
void klp_tasks_close(void)
{
	lockdep_assert_held(&klp_mutex);

	WRITE_ONCE(klp_switch_goal, KLP_TRANSITION_IDLE);
}

/**
 * klp_tasks_wait_dead() - wait for what dead tasks run that do not count any more
 *
 * They are in the state that was left, or in one of long ago, and call versions
 * of it from their last __schedule(), or an interrupt does before. For the second
 * grace period see klp_tasks_open().
 *
 * Context: klp_mutex held; may sleep.
 */
void klp_tasks_wait_dead(void)
{
	lockdep_assert_held(&klp_mutex);

	/* Pairs with the preemption-off section around klp_exit_end(). */
	synchronize_rcu_expedited();
	synchronize_rcu_expedited();
}

/**
 * klp_tasks_wait_switching() - wait until each task stays in the state it is in
 *
 * Context: klp_mutex held, the goal taken back; may sleep.
 */
void klp_tasks_wait_switching(void)
{
	lockdep_assert_held(&klp_mutex);

	/* Pairs with the preemption-off sections of whoever switches. */
	synchronize_rcu_expedited();
}

/**
 * klp_tasks_leave() - tasks have no state again
 *
 * Both versions of each site are the same, and handlers have been waited for
 * since then and since klp_tasks_close().
 *
 * Context: klp_mutex held; may sleep.
 */
void klp_tasks_leave(void)
{
	int state = KLP_TRANSITION_IDLE;

	lockdep_assert_held(&klp_mutex);

	WRITE_ONCE(klp_base_state, state);
	klp_wait_forks();
	klp_walk_twice(klp_set_state, &state);
	klp_walk_idle(klp_set_state, &state);
	klp_publish_ranges(NULL);
}

/**
 * klp_tasks_set_ranges() - exchange the range index in a running transition
 * @ranges: sealed. Taken over
 *
 * Context: klp_mutex held.
 */
void klp_tasks_set_ranges(struct klp_ranges *ranges)
{
	lockdep_assert_held(&klp_mutex);
	klp_publish_ranges(ranges);
}

struct klp_own {
	const struct module *mod;
	pid_t pid;
};

static void klp_find_own(struct task_struct *task, void *arg)
{
	unsigned int flags = READ_ONCE(task->flags);
	struct klp_own *own = arg;

	/* Who exits never returns to its function. */
	if (flags & PF_KTHREAD && !(flags & PF_EXITING) &&
	    within_module((unsigned long)kthread_func(task), own->mod))
		own->pid = task_pid_nr(task);
}

/**
 * klp_tasks_find_own() - find a thread of a module's own
 * @mod: the module
 *
 * That is a kthread whose function is the module's: see klp_check_stack(). Such a
 * thread may start another one and end, but that is told of, too, if nobody else
 * starts any.
 *
 * Context: may sleep.
 * Return: the number of one, or 0.
 */
pid_t klp_tasks_find_own(const struct module *mod)
{
	struct klp_own own = { .mod = mod };

	/* Numbers start again from below: there, one walk may have passed already. */
	klp_walk_twice(klp_find_own, &own);
	return own.pid;
}

/* Returns whether a task was forced. */
static bool klp_visit_pending(bool force)
{
	struct klp_visit visit = {
		.goal = klp_switch_goal,
		.base = klp_base_state,
		.force = force,
	};

	lockdep_assert_held(&klp_mutex);
	klp_walk(klp_visit_task, &visit);
	klp_walk_idle(klp_visit_task, &visit);
	return visit.forced;
}

/**
 * klp_tasks_rescan() - look at the stacks of marked tasks again
 *
 * Little depends on it: it may notice a task early that was preempted where the
 * scheduler's hook does not look, and waits for its CPU. And if the last task has
 * switched, it says so again: a CPU that was stopped by hand on its way down, or
 * went up again from there, keeps that to itself. See klp_count_down().
 *
 * Context: klp_mutex held, a goal set; may sleep.
 */
void klp_tasks_rescan(void)
{
	klp_visit_pending(false);
	if (!klp_tasks_pending())
		klp_all_switched();
}

/**
 * klp_tasks_force() - switch all tasks without looking at their stacks
 *
 * But for those that are on their way out and not listed any more: they will be
 * gone.
 *
 * Context: klp_mutex held, a goal set; may sleep.
 * Return: whether there was one that had not switched by itself.
 */
bool klp_tasks_force(void)
{
	bool forced, any;

	/*
	 * At least twice: a child may be linked behind the walk, of a parent ahead of
	 * it; or be about to be, with the state that its parent had before the walk.
	 * Pairs with klp_copy_process(). Such a child may have one of its own.
	 */
	any = klp_visit_pending(true);
	do {
		klp_wait_forks();
		forced = klp_visit_pending(true);
		any |= forced;
	} while (forced);
	return any;
}

static void klp_wake_task(struct task_struct *task, void *arg)
{
	if (!klp_patch_pending(task) || (task_curr(task) && !klp_may_nudge(task)))
		return;
	if (task->flags & PF_KTHREAD)
		wake_up_state(task, TASK_INTERRUPTIBLE);
	else
		set_notify_signal(task);
}

/**
 * klp_tasks_wake() - wake the marked tasks, so that they pass a place to switch
 *
 * User tasks go through the signal code and back to what they were doing.
 *
 * Context: klp_mutex held; may sleep.
 */
void klp_tasks_wake(void)
{
	klp_walk(klp_wake_task, NULL);
}

static int klp_look_at_task(struct task_struct *task, void *arg)
{
	struct klp_blocker *blocker = arg;

	blocker->cpu = task_curr(task) ? task_cpu(task) : -1;
	blocker->state = task_state_to_char(task);
	if (blocker->cpu >= 0 || READ_ONCE(task->__state) == TASK_DEAD)
		return 0;
	blocker->reliable = klp_check_stack(task, &blocker->addr) != -EINVAL;
	return 0;
}

/* Numbers behind all others stand for the idle tasks of CPUs. */
static bool klp_next_task_or_idle(int *nr, struct task_struct **task)
{
	/* An int: PID_MAX_LIMIT is unsigned, and so would a difference below 0 be. */
	const int first = PID_MAX_LIMIT + 1;
	unsigned int cpu;

	if (*nr < first && klp_next_task(nr, task))
		return true;

	*nr = max(*nr, first);
	cpu = *nr - first;
	if (cpu >= nr_cpu_ids)
		return false;
	(*nr)++;
	*task = cpu_possible(cpu) ? idle_task(cpu) : NULL;
	if (*task)
		get_task_struct(*task);
	return true;
}

/**
 * klp_tasks_next_blocker() - find a task that is still to switch
 * @nr: where to go on; 1 for the first, otherwise as the last call left it
 * @blocker: what it is and where it stands. Its task is referenced
 *
 * Context: may sleep; no lock needed.
 * Return: false behind the last one.
 */
bool klp_tasks_next_blocker(int *nr, struct klp_blocker *blocker)
{
	struct task_struct *task;

	if (!klp_tasks_pending())
		return false;

	while (klp_next_task_or_idle(nr, &task)) {
		if (task && klp_patch_pending(task)) {
			*blocker = (struct klp_blocker){ .task = task };
			task_call_func(task, klp_look_at_task, blocker);
			return true;
		}
		if (task)
			put_task_struct(task);
		cond_resched();
	}
	return false;
}

/**
 * klp_tasks_init() - prepare for tasks to be switched
 * @all_switched: called when the last task has switched; in any context, so it
 *		  may only queue work
 *
 * Return: 0 or an error of cpuhp_setup_state_nocalls().
 */
int __init klp_tasks_init(void (*all_switched)(void))
{
	int ret;

	klp_all_switched = all_switched;
	ret = cpuhp_setup_state_nocalls(CPUHP_BP_PREPARE_DYN, "livepatch:dead",
					NULL, klp_cpu_dead);
	return min(ret, 0);
}

#ifdef CONFIG_KLP_KUNIT_TEST
#include "tests/task_kunit.h"
#endif
