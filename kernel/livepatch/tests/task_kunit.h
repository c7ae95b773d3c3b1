/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of task.c: marks, their count, and what decides a task's state, with
 * tasks that never run.
 */
#ifdef CONFIG_KLP_KUNIT_TEST

#ifndef _KLP_TASK_KUNIT_H
#define _KLP_TASK_KUNIT_H

#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/kallsyms.h>
#include <linux/moduleparam.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/stop_machine.h>

#include <asm/switch_to.h>

static unsigned long klp_task_seed;
module_param_named(task_seed, klp_task_seed, ulong, 0444);
MODULE_PARM_DESC(task_seed, "Repeat the random test of the pending count with this seed (default: 0, a new one)");

#define KLP_TEST_IDLE		KLP_TRANSITION_IDLE
#define KLP_TEST_OLD		KLP_TRANSITION_UNPATCHED
#define KLP_TEST_NEW		KLP_TRANSITION_PATCHED

static void (*klp_test_saved)(void);
static atomic_t klp_test_reports;

static void klp_test_report(void)
{
	atomic_inc(&klp_test_reports);
}

/* How often zero has been reported since the last call. */
static int klp_test_reported(void)
{
	irq_work_sync(&klp_zero_work);
	return atomic_xchg(&klp_test_reports, 0);
}

/* No transition runs meanwhile, and nobody else is told of our zeros. */
static void klp_test_begin(void)
{
	mutex_lock(&klp_mutex);
	irq_work_sync(&klp_zero_work);
	klp_test_saved = klp_all_switched;
	klp_all_switched = klp_test_report;
	atomic_set(&klp_test_reports, 0);
}

static void klp_test_end(void)
{
	/* What a failed test leaves must not fail the next one, too. */
	atomic_set(&klp_nr_pending, 0);
	irq_work_sync(&klp_zero_work);
	klp_all_switched = klp_test_saved;
	mutex_unlock(&klp_mutex);
}

/* A task off any CPU, without a stack. */
static struct task_struct *klp_test_task(struct kunit *test, int state)
{
	struct task_struct *task = kunit_kzalloc(test, sizeof(*task), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, task);
	strscpy(task->comm, "klp_test", sizeof(task->comm));
	task->pid = PID_MAX_LIMIT + 1;
	task->patch_state = state;
	task->__state = TASK_INTERRUPTIBLE;
	return task;
}

/* A mark counts once, and so does its end. */
static void klp_test_mark(struct kunit *test)
{
	struct task_struct *a = klp_test_task(test, KLP_TEST_OLD);
	struct task_struct *b = klp_test_task(test, KLP_TEST_OLD);

	klp_test_begin();
	KUNIT_EXPECT_EQ(test, atomic_read(&klp_nr_pending), 0);
	KUNIT_EXPECT_FALSE(test, klp_tasks_pending());

	klp_mark(a);
	KUNIT_EXPECT_TRUE(test, klp_patch_pending(a));
	KUNIT_EXPECT_FALSE(test, klp_patch_pending(b));
	KUNIT_EXPECT_EQ(test, atomic_read(&klp_nr_pending), 1);
	KUNIT_EXPECT_TRUE(test, klp_tasks_pending());
	klp_mark(a);
	KUNIT_EXPECT_EQ(test, atomic_read(&klp_nr_pending), 1);
	klp_mark(b);
	KUNIT_EXPECT_EQ(test, atomic_read(&klp_nr_pending), 2);

	klp_unmark(a);
	KUNIT_EXPECT_FALSE(test, klp_patch_pending(a));
	KUNIT_EXPECT_EQ(test, atomic_read(&klp_nr_pending), 1);
	klp_unmark(a);
	KUNIT_EXPECT_EQ(test, atomic_read(&klp_nr_pending), 1);
	KUNIT_EXPECT_EQ(test, klp_test_reported(), 0);

	klp_unmark(b);
	KUNIT_EXPECT_EQ(test, atomic_read(&klp_nr_pending), 0);
	KUNIT_EXPECT_EQ(test, klp_test_reported(), 1);
	klp_unmark(b);
	KUNIT_EXPECT_EQ(test, atomic_read(&klp_nr_pending), 0);
	KUNIT_EXPECT_EQ(test, klp_test_reported(), 0);
	klp_test_end();
}

/* While a scan runs it has one count itself: marks may come and go below it. */
static void klp_test_bias(struct kunit *test)
{
	struct task_struct *a = klp_test_task(test, KLP_TEST_OLD);
	struct task_struct *b = klp_test_task(test, KLP_TEST_OLD);

	klp_test_begin();
	atomic_inc(&klp_nr_pending);
	klp_mark(a);
	klp_unmark(a);
	klp_mark(b);
	KUNIT_EXPECT_EQ(test, klp_test_reported(), 0);
	klp_count_down();
	KUNIT_EXPECT_EQ(test, klp_test_reported(), 0);
	klp_unmark(b);
	KUNIT_EXPECT_EQ(test, klp_test_reported(), 1);

	/* Nothing is left to wait for when the scan ends: the scan reports. */
	atomic_inc(&klp_nr_pending);
	klp_mark(a);
	klp_unmark(a);
	KUNIT_EXPECT_EQ(test, klp_test_reported(), 0);
	klp_count_down();
	KUNIT_EXPECT_EQ(test, klp_test_reported(), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&klp_nr_pending), 0);
	klp_test_end();
}

/* Between the walks, current and the scan itself are nobody to wait for. */
static void klp_test_others(struct kunit *test)
{
	struct task_struct *task = klp_test_task(test, KLP_TEST_OLD);

	klp_test_begin();
	atomic_inc(&klp_nr_pending);
	KUNIT_EXPECT_FALSE(test, klp_others_marked());
	klp_mark(current);
	KUNIT_EXPECT_FALSE(test, klp_others_marked());
	klp_mark(task);
	KUNIT_EXPECT_TRUE(test, klp_others_marked());
	klp_unmark(current);
	KUNIT_EXPECT_TRUE(test, klp_others_marked());
	klp_unmark(task);
	KUNIT_EXPECT_FALSE(test, klp_others_marked());
	klp_count_down();
	klp_test_end();
}

static void klp_test_switch(struct kunit *test)
{
	struct task_struct *task = klp_test_task(test, KLP_TEST_OLD);

	klp_test_begin();
	klp_mark(task);
	klp_switch_task(task, KLP_TEST_NEW, KLP_SWITCH_SCAN);
	KUNIT_EXPECT_EQ(test, task->patch_state, KLP_TEST_NEW);
	KUNIT_EXPECT_FALSE(test, klp_patch_pending(task));
	KUNIT_EXPECT_EQ(test, klp_test_reported(), 1);

	/* Switched, but not marked: nothing to count. */
	klp_switch_task(task, KLP_TEST_OLD, KLP_SWITCH_SCAN);
	KUNIT_EXPECT_EQ(test, task->patch_state, KLP_TEST_OLD);
	KUNIT_EXPECT_EQ(test, atomic_read(&klp_nr_pending), 0);
	KUNIT_EXPECT_EQ(test, klp_test_reported(), 0);
	klp_test_end();
}

/* A mark without a goal, as a reversal leaves it, goes; the state stays. */
static void klp_test_no_goal(struct kunit *test)
{
	struct task_struct *task = klp_test_task(test, KLP_TEST_OLD);

	klp_test_begin();
	KUNIT_EXPECT_EQ(test, klp_current_goal(), KLP_TRANSITION_IDLE);
	klp_mark(task);
	klp_update_patch_state(task);
	KUNIT_EXPECT_EQ(test, task->patch_state, KLP_TEST_OLD);
	KUNIT_EXPECT_FALSE(test, klp_patch_pending(task));
	KUNIT_EXPECT_EQ(test, atomic_read(&klp_nr_pending), 0);
	KUNIT_EXPECT_EQ(test, klp_test_reported(), 1);

	klp_update_patch_state(task);
	KUNIT_EXPECT_EQ(test, task->patch_state, KLP_TEST_OLD);
	KUNIT_EXPECT_EQ(test, klp_test_reported(), 0);
	klp_test_end();
}

/*
 * The rest needs a goal, which would be every real task's goal, too: it is run
 * while the machine is stopped, and judged afterwards.
 */

/* What a child gets, by goal, base, and its parent's state. */
static const struct klp_fork_case {
	const char *name;
	int base;
	int goal;
	int parent;
	bool parent_marked;
	int child;
	bool child_marked;
} klp_fork_cases[] = {
	{ "outside transitions",
		KLP_TEST_IDLE, KLP_TEST_IDLE, KLP_TEST_IDLE, false,
		KLP_TEST_IDLE, false },
	{ "the last one has just ended, and the parent has not been told yet",
		KLP_TEST_IDLE, KLP_TEST_IDLE, KLP_TEST_NEW, false,
		KLP_TEST_IDLE, false },
	{ "the last one has just ended, and the parent has an old mark",
		KLP_TEST_IDLE, KLP_TEST_IDLE, KLP_TEST_OLD, true,
		KLP_TEST_IDLE, false },
	{ "before patching, the parent has not been told yet",
		KLP_TEST_OLD, KLP_TEST_IDLE, KLP_TEST_IDLE, false,
		KLP_TEST_OLD, false },
	{ "before unpatching, the parent has not been told yet",
		KLP_TEST_NEW, KLP_TEST_IDLE, KLP_TEST_IDLE, false,
		KLP_TEST_NEW, false },
	{ "patching, the parent has not been told yet",
		KLP_TEST_OLD, KLP_TEST_NEW, KLP_TEST_IDLE, false,
		KLP_TEST_OLD, true },
	{ "patching, the parent has not switched",
		KLP_TEST_OLD, KLP_TEST_NEW, KLP_TEST_OLD, true,
		KLP_TEST_OLD, true },
	{ "patching, the parent has switched",
		KLP_TEST_OLD, KLP_TEST_NEW, KLP_TEST_NEW, false,
		KLP_TEST_NEW, false },
	{ "unpatching, the parent has not switched",
		KLP_TEST_NEW, KLP_TEST_OLD, KLP_TEST_NEW, true,
		KLP_TEST_NEW, true },
	{ "unpatching, the parent has switched",
		KLP_TEST_NEW, KLP_TEST_OLD, KLP_TEST_OLD, false,
		KLP_TEST_OLD, false },
	{ "patching is reversed, the parent had switched",
		KLP_TEST_OLD, KLP_TEST_OLD, KLP_TEST_NEW, false,
		KLP_TEST_NEW, true },
	{ "patching is reversed, the parent had not switched",
		KLP_TEST_OLD, KLP_TEST_OLD, KLP_TEST_OLD, true,
		KLP_TEST_OLD, false },
	{ "between two goals",
		KLP_TEST_OLD, KLP_TEST_IDLE, KLP_TEST_NEW, true,
		KLP_TEST_NEW, false },
};

KUNIT_ARRAY_PARAM_DESC(klp_fork, klp_fork_cases, name);

struct klp_test_fork {
	const struct klp_fork_case *param;
	struct task_struct *child;
	int count;
};

/* current forks: it is the stopper, and gets its own state back. */
static int klp_test_stopped_fork(void *arg)
{
	struct klp_test_fork *fork = arg;
	int state = current->patch_state;

	current->patch_state = fork->param->parent;
	klp_base_state = fork->param->base;
	klp_switch_goal = fork->param->goal;

	/* dup_task_struct() has copied the parent's mark, which counts once. */
	if (fork->param->parent_marked)
		set_tsk_thread_flag(fork->child, TIF_PATCH_PENDING);

	write_lock(&tasklist_lock);
	klp_copy_process(fork->child);
	write_unlock(&tasklist_lock);
	fork->count = atomic_read(&klp_nr_pending);

	klp_base_state = KLP_TRANSITION_IDLE;
	klp_switch_goal = KLP_TRANSITION_IDLE;
	current->patch_state = state;
	return 0;
}

static void klp_test_fork(struct kunit *test)
{
	const struct klp_fork_case *param = test->param_value;
	struct klp_test_fork fork = {
		.param = param,
		.child = klp_test_task(test, param->parent),
	};

	klp_test_begin();
	stop_machine(klp_test_stopped_fork, &fork, NULL);

	KUNIT_EXPECT_EQ(test, fork.child->patch_state, param->child);
	KUNIT_EXPECT_EQ(test, klp_patch_pending(fork.child), param->child_marked);
	KUNIT_EXPECT_EQ(test, fork.count, param->child_marked);
	klp_unmark(fork.child);
	KUNIT_EXPECT_EQ(test, atomic_read(&klp_nr_pending), 0);
	klp_test_end();
}

/* What a walk does with a task that is off its CPU. */
static const struct klp_visit_case {
	const char *name;
	int state;
	bool marked;
	bool dead;
	bool stack;
	struct klp_visit visit;
	int state_after;
	bool marked_after;
} klp_visit_cases[] = {
	{ "clean stack",
		KLP_TEST_OLD, false, false, true,
		{ .goal = KLP_TEST_NEW, .base = KLP_TEST_OLD, .mark = true },
		KLP_TEST_NEW, false },
	{ "clean stack, no state yet",
		KLP_TEST_IDLE, false, false, true,
		{ .goal = KLP_TEST_NEW, .base = KLP_TEST_OLD, .mark = true },
		KLP_TEST_NEW, false },
	{ "unreliable stack",
		KLP_TEST_OLD, false, false, false,
		{ .goal = KLP_TEST_NEW, .base = KLP_TEST_OLD, .mark = true },
		KLP_TEST_OLD, true },
	{ "unreliable stack, no state yet",
		KLP_TEST_IDLE, false, false, false,
		{ .goal = KLP_TEST_NEW, .base = KLP_TEST_OLD, .mark = true },
		KLP_TEST_OLD, true },
	{ "unreliable stack, marked before",
		KLP_TEST_OLD, true, false, false,
		{ .goal = KLP_TEST_NEW, .base = KLP_TEST_OLD, .mark = true },
		KLP_TEST_OLD, true },
	{ "has switched",
		KLP_TEST_NEW, false, false, false,
		{ .goal = KLP_TEST_NEW, .base = KLP_TEST_OLD, .mark = true },
		KLP_TEST_NEW, false },
	{ "has a mark of the other direction",
		KLP_TEST_OLD, true, false, false,
		{ .goal = KLP_TEST_OLD, .base = KLP_TEST_OLD, .mark = true },
		KLP_TEST_OLD, false },
	{ "rescan, clean stack",
		KLP_TEST_OLD, true, false, true,
		{ .goal = KLP_TEST_NEW, .base = KLP_TEST_OLD },
		KLP_TEST_NEW, false },
	{ "rescan, not marked",
		KLP_TEST_NEW, false, false, true,
		{ .goal = KLP_TEST_NEW, .base = KLP_TEST_OLD },
		KLP_TEST_NEW, false },
	{ "force, unreliable stack",
		KLP_TEST_OLD, true, false, false,
		{ .goal = KLP_TEST_NEW, .base = KLP_TEST_OLD, .force = true },
		KLP_TEST_NEW, false },
	{ "dead, unmarked by itself",
		KLP_TEST_OLD, false, true, false,
		{ .goal = KLP_TEST_NEW, .base = KLP_TEST_OLD, .mark = true },
		KLP_TEST_NEW, false },
};

KUNIT_ARRAY_PARAM_DESC(klp_visit, klp_visit_cases, name);

struct klp_test_visit {
	const struct klp_visit_case *param;
	struct task_struct *task;
	int count;
};

/* A task without a stack is clean if there is an index to say so. */
static struct klp_ranges klp_test_no_ranges;

static int klp_test_stopped_visit(void *arg)
{
	struct klp_test_visit *visited = arg;
	struct klp_visit visit = visited->param->visit;

	rcu_assign_pointer(klp_ranges, visited->param->stack ? &klp_test_no_ranges : NULL);
	klp_try_switch_task(visited->task, &visit);
	visited->count = atomic_read(&klp_nr_pending);
	rcu_assign_pointer(klp_ranges, NULL);
	return 0;
}

static void klp_test_visit(struct kunit *test)
{
	const struct klp_visit_case *param = test->param_value;
	struct klp_test_visit visited = {
		.param = param,
		.task = klp_test_task(test, param->state),
	};

	klp_test_begin();
	if (param->marked)
		klp_mark(visited.task);
	if (param->dead)
		visited.task->__state = TASK_DEAD;
	stop_machine(klp_test_stopped_visit, &visited, NULL);

	KUNIT_EXPECT_EQ(test, visited.task->patch_state, param->state_after);
	KUNIT_EXPECT_EQ(test, klp_patch_pending(visited.task), param->marked_after);
	KUNIT_EXPECT_EQ(test, visited.count, param->marked_after);
	klp_unmark(visited.task);
	KUNIT_EXPECT_EQ(test, atomic_read(&klp_nr_pending), 0);
	klp_test_end();
}

/* A running task that gets its first mark may have looked for one just before. */
static void klp_test_unseen(struct kunit *test)
{
	struct klp_visit visit = { .goal = KLP_TEST_NEW, .base = KLP_TEST_OLD, .mark = true };
	bool first, second;

	klp_test_begin();
	scoped_guard(preempt) {
		klp_try_switch_task(current, &visit);
		first = visit.unseen;
		visit.unseen = false;
		klp_try_switch_task(current, &visit);
		second = visit.unseen;
		klp_unmark(current);
		current->patch_state = KLP_TEST_IDLE;
	}
	KUNIT_EXPECT_TRUE(test, first);
	KUNIT_EXPECT_FALSE(test, second);
	klp_test_end();
}

#ifdef CONFIG_HAVE_RELIABLE_STACKTRACE
static void klp_test_add_function(struct klp_ranges *ranges, unsigned long addr)
{
	unsigned long size = 0, offset = 0;

	kallsyms_lookup_size_offset(addr, &size, &offset);
	klp_ranges_add(ranges, addr - offset, addr - offset + size);
}

/* What current's stack says if patches that go have these functions. */
static int klp_test_leave(struct kunit *test, unsigned long first, unsigned long second,
			  unsigned long *hit)
{
	struct klp_ranges *ranges = klp_ranges_alloc(1, GFP_KERNEL);
	int err;

	KUNIT_ASSERT_NOT_NULL(test, ranges);
	ranges->modules = klp_ranges_alloc(2, GFP_KERNEL);
	if (!ranges->modules) {
		klp_ranges_free(ranges);
		KUNIT_FAIL_AND_ABORT(test, "no memory");
	}
	klp_test_add_function(ranges->modules, first);
	klp_test_add_function(ranges->modules, second);
	klp_ranges_seal(ranges->modules);

	klp_test_begin();
	rcu_assign_pointer(klp_ranges, ranges);
	scoped_guard(preempt)
		err = klp_check_stack(current, hit);
	klp_publish_ranges(NULL);
	klp_test_end();
	return err;
}

/* A thread of a patch may be in its own patch, but in no other one that goes. */
static noinline void klp_test_own_text(struct kunit *test)
{
	unsigned long own = (unsigned long)kthread_func(current);
	unsigned long other = (unsigned long)klp_test_own_text;
	unsigned long hit;

	KUNIT_EXPECT_EQ(test, klp_test_leave(test, own, own, &hit), 0);
	KUNIT_EXPECT_EQ(test, hit, 0);
	KUNIT_EXPECT_EQ(test, klp_test_leave(test, own, other, &hit), -EBUSY);
	KUNIT_EXPECT_GT(test, hit, other);
	KUNIT_EXPECT_EQ(test, klp_test_leave(test, other, other, &hit), -EBUSY);
}
#endif

#ifdef CONFIG_X86_64
/* A stack that leads nowhere shows nothing that is to be left, and says nothing. */
static void klp_test_unreliable(struct kunit *test)
{
	struct task_struct *task = klp_test_task(test, KLP_TEST_OLD);
	void *stack = kunit_kzalloc(test, THREAD_SIZE, GFP_KERNEL);
	struct inactive_task_frame *frame = stack + THREAD_SIZE / 2;
	unsigned long hit;
	int err;

	KUNIT_ASSERT_NOT_NULL(test, stack);
	frame->ret_addr = (unsigned long)stack;
	task->stack = stack;
	refcount_set(&task->stack_refcount, 2);
	task->thread.sp = (unsigned long)frame;

	klp_test_begin();
	rcu_assign_pointer(klp_ranges, &klp_test_no_ranges);
	scoped_guard(preempt)
		err = klp_check_stack(task, &hit);
	rcu_assign_pointer(klp_ranges, NULL);
	klp_test_end();

	KUNIT_EXPECT_EQ(test, err, -EINVAL);
	KUNIT_EXPECT_EQ(test, hit, 0);
}
#endif

/* ---- random orders of everything ---- */

#define KLP_TEST_TASKS	12
#define KLP_TEST_STEPS	20000

enum klp_test_life { KLP_TEST_FREE, KLP_TEST_ALIVE, KLP_TEST_EXITING, KLP_TEST_DEAD };

/**
 * struct klp_test_world - tasks, and what must be true of them
 * @task:	tasks that never run
 * @life:	what has become of each
 * @rnd:	where orders come from
 * @walks:	so many walks of klp_tasks_open() are still to come
 * @zeros:	how often the count came to zero
 * @step:	number of the step
 * @wrong:	what was not true first, or NULL
 */
struct klp_test_world {
	struct task_struct *task[KLP_TEST_TASKS];
	enum klp_test_life life[KLP_TEST_TASKS];
	struct rnd_state rnd;
	unsigned int walks;
	unsigned int zeros;
	unsigned int step;
	const char *wrong;
};

static void klp_test_check(struct klp_test_world *w, bool ok, const char *what)
{
	if (!ok && !w->wrong)
		w->wrong = what;
}

static int klp_test_pick(struct klp_test_world *w, enum klp_test_life life)
{
	unsigned int i, first = prandom_u32_state(&w->rnd) % KLP_TEST_TASKS;

	for (i = 0; i < KLP_TEST_TASKS; i++) {
		if (w->life[(first + i) % KLP_TEST_TASKS] == life)
			return (first + i) % KLP_TEST_TASKS;
	}
	return -1;
}

/* The hooks of fork and exit act on current: let it be @task for a while. */
static void klp_test_exchange(struct task_struct *task)
{
	bool marked = test_tsk_thread_flag(task, TIF_PATCH_PENDING);

	update_tsk_thread_flag(task, TIF_PATCH_PENDING, klp_patch_pending(current));
	update_tsk_thread_flag(current, TIF_PATCH_PENDING, marked);
	swap(task->patch_state, current->patch_state);
	swap(task->klp_exit_zone, current->klp_exit_zone);
}

static void klp_test_do_fork(struct klp_test_world *w)
{
	int parent = klp_test_pick(w, KLP_TEST_ALIVE), child = klp_test_pick(w, KLP_TEST_FREE);
	int state;

	if (parent < 0 || child < 0)
		return;
	state = w->task[parent]->patch_state;
	w->task[child]->patch_state = state;
	update_tsk_thread_flag(w->task[child], TIF_PATCH_PENDING,
			       klp_patch_pending(w->task[parent]));

	klp_test_exchange(w->task[parent]);
	write_lock(&tasklist_lock);
	klp_copy_process(w->task[child]);
	write_unlock(&tasklist_lock);
	klp_test_exchange(w->task[parent]);

	w->task[child]->__state = TASK_INTERRUPTIBLE;
	w->life[child] = KLP_TEST_ALIVE;
	if (state != KLP_TRANSITION_IDLE && klp_base_state != KLP_TRANSITION_IDLE)
		klp_test_check(w, w->task[child]->patch_state == state,
			       "a child differs from its parent");
}

static void klp_test_do_exit(struct klp_test_world *w)
{
	int i, alive = 0;

	for (i = 0; i < KLP_TEST_TASKS; i++)
		alive += w->life[i] == KLP_TEST_ALIVE;
	/* Somebody has to fork the next ones. */
	if (alive < 2)
		return;
	i = klp_test_pick(w, KLP_TEST_ALIVE);
	klp_test_exchange(w->task[i]);
	klp_exit_begin();
	klp_test_exchange(w->task[i]);
	w->life[i] = KLP_TEST_EXITING;
	klp_test_check(w, w->task[i]->klp_exit_zone > 0, "exits without a section");
	/* It may not be found from now on, so it has to know by itself. */
	if (klp_switch_goal != KLP_TRANSITION_IDLE &&
	    w->task[i]->patch_state != klp_switch_goal)
		klp_test_check(w, klp_patch_pending(w->task[i]), "exits uncounted");
}

static void klp_test_do_die(struct klp_test_world *w, int i)
{
	int state;

	if (i < 0)
		return;
	state = w->task[i]->patch_state;
	w->task[i]->__state = TASK_DEAD;
	klp_test_exchange(w->task[i]);
	klp_exit_end();
	klp_test_exchange(w->task[i]);
	w->life[i] = KLP_TEST_DEAD;
	klp_test_check(w, !klp_patch_pending(w->task[i]), "dead and marked");
	klp_test_check(w, !w->task[i]->klp_exit_zone, "dead and in the section");
	klp_test_check(w, w->task[i]->patch_state == state, "changed its version to die");
}

static void klp_test_do_reap(struct klp_test_world *w)
{
	int i = klp_test_pick(w, KLP_TEST_DEAD);

	if (i >= 0)
		w->life[i] = KLP_TEST_FREE;
}

static void klp_test_do_kernel_exit(struct klp_test_world *w)
{
	int i = klp_test_pick(w, KLP_TEST_ALIVE);
	bool marked;
	int state;

	if (i < 0)
		return;
	marked = klp_patch_pending(w->task[i]);
	state = w->task[i]->patch_state;
	klp_update_patch_state(w->task[i]);
	klp_test_check(w, !klp_patch_pending(w->task[i]), "left the kernel marked");
	if (marked && klp_switch_goal != KLP_TRANSITION_IDLE)
		state = klp_switch_goal;
	klp_test_check(w, w->task[i]->patch_state == state, "left the kernel in the wrong state");
}

/* Every second task has a clean stack. */
static void klp_test_do_walk(struct klp_test_world *w, bool mark, bool force)
{
	struct klp_visit visit = {
		.goal = klp_switch_goal,
		.base = klp_base_state,
		.mark = mark,
		.force = force,
	};
	int i;

	for (i = 0; i < KLP_TEST_TASKS; i++) {
		/* Who exits may be unlinked already: take it for granted. */
		if (w->life[i] == KLP_TEST_FREE || w->life[i] == KLP_TEST_EXITING)
			continue;
		rcu_assign_pointer(klp_ranges, prandom_u32_state(&w->rnd) & 1 ?
						       &klp_test_no_ranges : NULL);
		klp_try_switch_task(w->task[i], &visit);
		klp_test_check(w, !force || !klp_patch_pending(w->task[i]), "withstood force");
	}
	rcu_assign_pointer(klp_ranges, NULL);
}

/* klp_wait_exiting() */
static void klp_test_wait_exiting(struct klp_test_world *w)
{
	int i;

	while ((i = klp_test_pick(w, KLP_TEST_EXITING)) >= 0)
		klp_test_do_die(w, i);
}

static void klp_test_set_states(struct klp_test_world *w, int state)
{
	int i;

	for (i = 0; i < KLP_TEST_TASKS; i++) {
		if (w->life[i] == KLP_TEST_ALIVE)
			klp_set_state(w->task[i], &state);
	}
}

/* The next thing that klp_mutex's owner does, one of those that make sense. */
static void klp_test_do_transition(struct klp_test_world *w)
{
	bool coin = prandom_u32_state(&w->rnd) & 1;

	if (klp_base_state == KLP_TRANSITION_IDLE) {
		/* klp_tasks_enter() */
		klp_test_wait_exiting(w);
		klp_base_state = coin ? KLP_TEST_NEW : KLP_TEST_OLD;
		if (klp_base_state == KLP_TEST_NEW)
			klp_test_set_states(w, klp_base_state);
	} else if (w->walks) {
		klp_test_do_walk(w, true, false);
		if (!--w->walks)
			klp_count_down();
	} else if (klp_switch_goal == KLP_TRANSITION_IDLE) {
		if (coin && !klp_tasks_pending()) {
			/* klp_tasks_leave() */
			klp_base_state = KLP_TRANSITION_IDLE;
			klp_test_set_states(w, KLP_TRANSITION_IDLE);
			return;
		}
		/* klp_tasks_open(); who exits now is waited for before the last walk. */
		klp_test_wait_exiting(w);
		atomic_inc(&klp_nr_pending);
		klp_switch_goal = prandom_u32_state(&w->rnd) & 1 ? KLP_TEST_NEW : KLP_TEST_OLD;
		w->walks = 2;
	} else if (coin) {
		klp_test_do_walk(w, false, prandom_u32_state(&w->rnd) % 4 == 0);
	} else {
		/* klp_tasks_close() */
		klp_switch_goal = KLP_TRANSITION_IDLE;
	}
}

static void klp_test_check_world(struct klp_test_world *w, int before)
{
	int i, count = atomic_read(&klp_nr_pending), marks = 0;
	bool settled = klp_switch_goal != KLP_TRANSITION_IDLE && !w->walks;

	for (i = 0; i < KLP_TEST_TASKS; i++) {
		bool marked = klp_patch_pending(w->task[i]);

		if (w->life[i] == KLP_TEST_FREE || w->life[i] == KLP_TEST_DEAD) {
			klp_test_check(w, !marked, "a mark on nobody");
			continue;
		}
		marks += marked;
		if (!settled)
			continue;
		if (w->task[i]->patch_state != klp_switch_goal)
			klp_test_check(w, marked, "not switched and not marked");
		/* No walk takes an old mark from a task that exits: it dies with it. */
		else if (w->life[i] != KLP_TEST_EXITING)
			klp_test_check(w, !marked, "switched and marked");
	}
	klp_test_check(w, count == marks + !!w->walks, "the count is not that of marks");
	if (before && !count)
		w->zeros++;
}

static int klp_test_stopped_world(void *arg)
{
	struct klp_test_world *w = arg;
	int i, exiting = atomic_read(&klp_nr_exiting);

	for (w->step = 0; w->step < KLP_TEST_STEPS && !w->wrong; w->step++) {
		int before = atomic_read(&klp_nr_pending);

		switch (prandom_u32_state(&w->rnd) % 8) {
		case 0 ... 1:
			klp_test_do_fork(w);
			break;
		case 2:
			klp_test_do_exit(w);
			break;
		case 3:
			klp_test_do_die(w, klp_test_pick(w, KLP_TEST_EXITING));
			break;
		case 4:
			klp_test_do_reap(w);
			break;
		case 5 ... 6:
			klp_test_do_kernel_exit(w);
			break;
		case 7:
			klp_test_do_transition(w);
			break;
		}
		klp_test_check_world(w, before);
	}

	/* Leave everything as it was, whatever has gone wrong. */
	for (i = 0; i < KLP_TEST_TASKS; i++) {
		klp_test_exchange(w->task[i]);
		klp_exit_end();
		klp_test_exchange(w->task[i]);
	}
	klp_test_check(w, atomic_read(&klp_nr_exiting) == exiting,
		       "the number of exiting tasks is wrong");
	if (w->walks)
		klp_count_down();
	klp_switch_goal = KLP_TRANSITION_IDLE;
	klp_base_state = KLP_TRANSITION_IDLE;
	return 0;
}

static void klp_test_world(struct kunit *test)
{
	unsigned long seed = klp_task_seed ?: get_random_long();
	struct klp_test_world *w;
	int i;

	kunit_info(test, "livepatch.task_seed=%lu\n", seed);
	w = kunit_kzalloc(test, sizeof(*w), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, w);
	prandom_seed_state(&w->rnd, seed);
	for (i = 0; i < KLP_TEST_TASKS; i++)
		w->task[i] = klp_test_task(test, KLP_TRANSITION_IDLE);
	w->life[0] = KLP_TEST_ALIVE;
	w->life[1] = KLP_TEST_ALIVE;

	klp_test_begin();
	stop_machine(klp_test_stopped_world, w, NULL);
	if (w->wrong)
		KUNIT_FAIL(test, "step %u: %s", w->step, w->wrong);
	KUNIT_EXPECT_EQ(test, atomic_read(&klp_nr_pending), 0);
	/* Something has happened; interrupts were off, so it was reported once. */
	KUNIT_EXPECT_GT(test, w->zeros, 0);
	KUNIT_EXPECT_EQ(test, klp_test_reported(), 1);
	klp_test_end();
}

/* A task in the exit zone is counted, and the zone ends with it. */
/* After the tasks that have a number come the idle tasks, each once. */
static void klp_test_idle_numbers(struct kunit *test)
{
	unsigned int cpu, there = 0, found = 0;
	struct task_struct *task;
	bool idle, before = false;
	int nr = 1;

	for_each_possible_cpu(cpu)
		there += !!idle_task(cpu);
	while (klp_next_task_or_idle(&nr, &task)) {
		if (!task)
			continue;
		idle = is_idle_task(task);
		KUNIT_EXPECT_FALSE(test, before && !idle);
		before = idle;
		found += idle;
		put_task_struct(task);
	}
	KUNIT_EXPECT_GT(test, there, 0);
	KUNIT_EXPECT_EQ(test, found, there);
	/* The end stays the end. */
	KUNIT_EXPECT_FALSE(test, klp_next_task_or_idle(&nr, &task));
}

static void klp_test_exit_zone(struct kunit *test)
{
	unsigned long cookie;
	int i;

	klp_test_begin();
	klp_exit_begin();
	KUNIT_EXPECT_GT(test, current->klp_exit_zone, 0);
	KUNIT_EXPECT_GT(test, atomic_read(&klp_nr_exiting), 0);
	cookie = start_poll_synchronize_srcu(&klp_exit_srcu);
	KUNIT_EXPECT_FALSE(test, poll_state_synchronize_srcu(&klp_exit_srcu, cookie));
	preempt_disable();
	klp_exit_end();
	preempt_enable();
	KUNIT_EXPECT_EQ(test, current->klp_exit_zone, 0);

	/* A zone left open would stop klp_wait_exiting(), and all, for ever. */
	for (i = 0; i < 1000 && !poll_state_synchronize_srcu(&klp_exit_srcu, cookie); i++)
		msleep(20);
	KUNIT_EXPECT_TRUE(test, poll_state_synchronize_srcu(&klp_exit_srcu, cookie));
	klp_test_end();
}

/* What nobody was told is told when somebody looks, or when a CPU has died. */
static void klp_test_told_again(struct kunit *test)
{
	klp_test_begin();
	klp_tasks_rescan();
	KUNIT_EXPECT_EQ(test, klp_test_reported(), 1);
	klp_cpu_dead(0);
	KUNIT_EXPECT_EQ(test, klp_test_reported(), 1);

	atomic_inc(&klp_nr_pending);
	klp_tasks_rescan();
	klp_cpu_dead(0);
	KUNIT_EXPECT_EQ(test, klp_test_reported(), 0);
	klp_test_end();
}

static struct kunit_case klp_task_tests[] = {
	KUNIT_CASE(klp_test_mark),
	KUNIT_CASE(klp_test_bias),
	KUNIT_CASE(klp_test_others),
	KUNIT_CASE(klp_test_switch),
	KUNIT_CASE(klp_test_no_goal),
	KUNIT_CASE_PARAM(klp_test_fork, klp_fork_gen_params),
	KUNIT_CASE_PARAM(klp_test_visit, klp_visit_gen_params),
	KUNIT_CASE(klp_test_unseen),
	KUNIT_CASE(klp_test_told_again),
#ifdef CONFIG_HAVE_RELIABLE_STACKTRACE
	KUNIT_CASE(klp_test_own_text),
#endif
#ifdef CONFIG_X86_64
	KUNIT_CASE(klp_test_unreliable),
#endif
	KUNIT_CASE(klp_test_idle_numbers),
	KUNIT_CASE(klp_test_exit_zone),
	KUNIT_CASE(klp_test_world),
	{}
};

static struct kunit_suite klp_task_suite = {
	.name = "livepatch-task",
	.test_cases = klp_task_tests,
};

kunit_test_suite(klp_task_suite);

#endif /* _KLP_TASK_KUNIT_H */

#endif /* CONFIG_KLP_KUNIT_TEST */
