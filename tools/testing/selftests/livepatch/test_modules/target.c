// SPDX-License-Identifier: GPL-2.0
/*
 * klp_target: functions to be patched, and ways to be in them. Each original
 * says 0, the replacement in klp_patch_vN says N.
 *
 * In debugfs, folder klp_target (or klp_other, see other.c):
 *   value, twin1, twin2, shared	what the functions return
 *   secret			a static variable
 *   init_value			what klp_target_value() returned in this module's init
 *   going_refs			who referred to the last patch module that went, when
 *				all were told that it goes
 *   sleep, deep		a read sleeps in the function, or 200 frames below
 *				it, until somebody writes to "release"
 *   cold			the same in a part that the compiler puts elsewhere
 *   jump			the same; a replacement jumps to who sleeps
 *   isleep			the same as sleep, but a signal ends it
 *   sleepers			how many do
 *   wait_sleepers		a write of N returns when there are N
 *   pair			a read makes one round of the consistency oracle
 *   rounds_old, rounds_new, mixed	its counters
 *   kthread			a write of a kind starts a kthread, of "stop" ends
 *				all; a read tells their kinds and pids
 *   direct, direct_hits, entry	see target_direct.c
 */

#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#include "target.h"
#include "test.h"

static atomic_t generation;
static atomic_t sleepers;
static atomic_t pauses;
static DECLARE_WAIT_QUEUE_HEAD(released);
static DECLARE_WAIT_QUEUE_HEAD(arrived);

/* ---- the functions ---- */

static noinline __noclone int klp_target_value(void)
{
	int ret = 0;

	OPTIMIZER_HIDE_VAR(ret);
	/* Or calls whose result nobody wants would be left out. */
	barrier();
	return ret;
}

int klp_target_alias(void)
	__alias(klp_target_value);

static noinline __noclone int klp_target_twin(void)
{
	int ret = -1;

	OPTIMIZER_HIDE_VAR(ret);
	return ret;
}

static noinline __noclone notrace int klp_target_notrace(void)
{
	int ret = 0;

	OPTIMIZER_HIDE_VAR(ret);
	return ret;
}

static noinline __noclone int klp_target_sleep(struct klp_test *test)
{
	int err = test->nap(test);

	/* No tail call: the function has to stay on the stack. */
	barrier();
	return err;
}

/* Not __cold, which is empty for compilers that do not align cold functions. */
[[gnu::cold]] static noinline int cold_nap(struct klp_test *test)
{
	int err = test->nap(test);

	barrier();
	return err;
}

static noinline __noclone int klp_target_cold(struct klp_test *test)
{
	int err = -EINVAL;

	/* What leads to a cold function is cold, too: klp_target_cold.cold. */
	if (READ_ONCE(test->nap)) {
		err = cold_nap(test);
		barrier();
	}
	return err;
}

static noinline __noclone int klp_target_jump(struct klp_test *test)
{
	int err = test->nap(test);

	/* Not the same code as klp_target_sleep(), or they would become one. */
	OPTIMIZER_HIDE_VAR(err);
	return err;
}

static noinline __noclone int klp_target_deep(struct klp_test *test)
{
	int err = test->descend(test, KLP_TEST_FRAMES);

	barrier();
	return err;
}

static noinline __noclone int klp_target_a(struct klp_test *test, int caller)
{
	return klp_test_part(test, caller, 0);
}

static noinline __noclone int klp_target_b(struct klp_test *test, int caller)
{
	return klp_test_part(test, caller, 0);
}

static noinline __noclone int klp_target_pair(struct klp_test *test)
{
	return klp_test_round(test, 0);
}

/* The same name as an exported function's: see target_twin.c. */
static noinline __noclone int klp_target_shared(void)
{
	int ret = -3;

	OPTIMIZER_HIDE_VAR(ret);
	return ret;
}

/* Found by late relocations only. */
static u32 klp_target_secret = 42;

/* ---- what they call ---- */

static bool may_stop(void)
{
	return current->flags & PF_KTHREAD && kthread_should_stop();
}

/* Not interruptible: a signal must not lead out of the patched function. */
static int nap(struct klp_test *test)
{
	int since = atomic_read(&generation);
	int err;

	atomic_inc(&sleepers);
	wake_up_all(&arrived);
	err = wait_event_killable(released, atomic_read(&generation) != since || may_stop());
	atomic_dec(&sleepers);
	wake_up_all(&arrived);
	return err;
}

static int interruptible_nap(struct klp_test *test)
{
	int since = atomic_read(&generation);
	int err;

	atomic_inc(&sleepers);
	wake_up_all(&arrived);
	err = wait_event_interruptible(released, atomic_read(&generation) != since);
	atomic_dec(&sleepers);
	wake_up_all(&arrived);
	return err;
}

static noinline int descend(struct klp_test *test, int frames)
{
	int err;

	if (!frames)
		return nap(test);
	err = descend(test, frames - 1);
	/* Something to do, or the compiler makes a loop of it. */
	barrier();
	return err;
}

static void pause(struct klp_test *test)
{
	int i;

	switch (atomic_inc_return(&pauses) % 5) {
	case 0:
		cond_resched();
		break;
	case 1:
		schedule_timeout_interruptible(1);
		break;
	case 2:
		usleep_range(20, 200);
		break;
	case 3:
		for (i = 0; i < 1000; i++)
			cpu_relax();
		break;
	}
}

static struct klp_test test = {
	.a = klp_target_a,
	.b = klp_target_b,
	.nap = nap,
	.descend = descend,
	.pause = pause,
};

static struct klp_test interruptible_test = {
	.nap = interruptible_nap,
};

/* ---- user tasks in them ---- */

#define TARGET_READ(name, expr)							\
static int name##_get(void *data, u64 *val)					\
{										\
	int ret = expr;								\
										\
	if (ret == -ERESTARTSYS)						\
		return ret;							\
	*val = ret;								\
	return 0;								\
}										\
DEFINE_DEBUGFS_ATTRIBUTE_SIGNED(name##_fops, name##_get, NULL, "%lld\n")

TARGET_READ(value, klp_target_value());
TARGET_READ(twin1, klp_target_twin());
TARGET_READ(twin2, klp_target_second_twin());
TARGET_READ(shared, klp_target_shared());
TARGET_READ(sleep, klp_target_sleep(&test));
TARGET_READ(isleep, klp_target_sleep(&interruptible_test));
TARGET_READ(deep, klp_target_deep(&test));
TARGET_READ(cold, klp_target_cold(&test));
TARGET_READ(jump, klp_target_jump(&test));
TARGET_READ(pair, klp_target_pair(&test));

static int release_set(void *data, u64 val)
{
	atomic_inc(&generation);
	wake_up_all(&released);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(release_fops, NULL, release_set, "%llu\n");

static int wait_sleepers_set(void *data, u64 val)
{
	long left;

	left = wait_event_interruptible_timeout(arrived, atomic_read(&sleepers) == val, 60 * HZ);
	if (left < 0)
		return left;
	return left ? 0 : -ETIMEDOUT;
}
DEFINE_DEBUGFS_ATTRIBUTE(wait_sleepers_fops, NULL, wait_sleepers_set, "%llu\n");

/* ---- kthreads in them ---- */

static int sleep_thread(void *data)
{
	while (!kthread_should_stop()) {
		klp_target_sleep(&test);
		/* Here it can switch: it is in no function that is patched. */
		cond_resched();
	}
	return 0;
}

static int deep_thread(void *data)
{
	while (!kthread_should_stop()) {
		klp_target_deep(&test);
		cond_resched();
	}
	return 0;
}

static int idle_thread(void *data)
{
	while (!kthread_should_stop()) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (!kthread_should_stop())
			schedule();
		__set_current_state(TASK_RUNNING);
		klp_target_value();
	}
	return 0;
}

static int resched_thread(void *data)
{
	while (!kthread_should_stop()) {
		klp_target_value();
		cond_resched();
	}
	return 0;
}

/* Only for preempt=full. */
static int busy_thread(void *data)
{
	while (!kthread_should_stop()) {
		klp_target_value();
		cpu_relax();
	}
	return 0;
}

/* Nearly always on the way into the function. Only for preempt=full. */
static int call_thread(void *data)
{
	int i;

	while (!kthread_should_stop()) {
		for (i = 0; i < 100; i++)
			klp_target_value();
	}
	return 0;
}

/* Seen running, and not preempted unless preempt=full: it switches as it goes to sleep. */
static int doze_thread(void *data)
{
	while (!kthread_should_stop()) {
		klp_target_value();
		mdelay(50);
		schedule_timeout_uninterruptible(1);
	}
	return 0;
}

static int pair_thread(void *data)
{
	while (!kthread_should_stop()) {
		klp_target_pair(&test);
		cond_resched();
	}
	return 0;
}

static const struct {
	const char *name;
	int (*fn)(void *data);
} kinds[] = {
	{ "sleep", sleep_thread },
	{ "deep", deep_thread },
	{ "idle", idle_thread },
	{ "resched", resched_thread },
	{ "doze", doze_thread },
	{ "busy", busy_thread },
	{ "call", call_thread },
	{ "pair", pair_thread },
};

static DEFINE_MUTEX(threads_lock);
static struct task_struct *threads[16];

static void stop_threads(void)
{
	int i;

	guard(mutex)(&threads_lock);
	for (i = 0; i < ARRAY_SIZE(threads); i++) {
		if (!threads[i])
			continue;
		/* It may be in nap(), which looks for this. */
		kthread_stop(threads[i]);
		threads[i] = NULL;
	}
}

static int run_thread(const char *kind)
{
	struct task_struct *thread;
	int i, slot;

	guard(mutex)(&threads_lock);
	for (slot = 0; slot < ARRAY_SIZE(threads) && threads[slot]; slot++)
		;
	if (slot == ARRAY_SIZE(threads))
		return -ENOSPC;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(kinds[i].name, kind))
			continue;
		thread = kthread_run(kinds[i].fn, NULL, "klp_%s", kind);
		if (IS_ERR(thread))
			return PTR_ERR(thread);
		threads[slot] = thread;
		return 0;
	}
	return -EINVAL;
}

static int kthread_show(struct seq_file *m, void *v)
{
	int i;

	guard(mutex)(&threads_lock);
	for (i = 0; i < ARRAY_SIZE(threads); i++) {
		if (threads[i])
			seq_printf(m, "%s %d\n", threads[i]->comm, threads[i]->pid);
	}
	return 0;
}

static int kthread_open(struct inode *inode, struct file *file)
{
	return single_open(file, kthread_show, NULL);
}

static ssize_t kthread_write(struct file *file, const char __user *from, size_t size,
			     loff_t *pos)
{
	char kind[16] = "";
	int err = 0;

	if (size >= sizeof(kind))
		return -EINVAL;
	if (copy_from_user(kind, from, size))
		return -EFAULT;

	if (!strcmp(strim(kind), "stop"))
		stop_threads();
	else
		err = run_thread(strim(kind));
	return err ?: size;
}

static const struct file_operations kthread_fops = {
	.owner = THIS_MODULE,
	.open = kthread_open,
	.read = seq_read,
	.write = kthread_write,
	.llseek = seq_lseek,
	.release = single_release,
};

/* ---- who else goes ---- */

static atomic_t going_refs = ATOMIC_INIT(-1);

static int module_goes(struct notifier_block *nb, unsigned long action, void *data)
{
	if (action == MODULE_STATE_GOING && is_livepatch_module(data))
		atomic_set(&going_refs, module_refcount(data));
	return NOTIFY_DONE;
}

static struct notifier_block module_nb = { .notifier_call = module_goes };

/* ---- */

static struct dentry *dir;
static u32 init_value;

static int __init target_init(void)
{
	static const struct {
		const char *name;
		const struct file_operations *fops;
	} files[] = {
		{ "value", &value_fops },
		{ "twin1", &twin1_fops },
		{ "twin2", &twin2_fops },
		{ "shared", &shared_fops },
		{ "sleep", &sleep_fops },
		{ "isleep", &isleep_fops },
		{ "deep", &deep_fops },
		{ "cold", &cold_fops },
		{ "jump", &jump_fops },
		{ "pair", &pair_fops },
		{ "release", &release_fops },
		{ "wait_sleepers", &wait_sleepers_fops },
		{ "kthread", &kthread_fops },
	};
	int i;

	init_value = klp_target_value() + klp_target_notrace() + klp_target_init_value();

	dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	klp_target_direct_init((unsigned long)klp_target_value, dir);
	for (i = 0; i < ARRAY_SIZE(files); i++)
		debugfs_create_file(files[i].name, 0600, dir, NULL, files[i].fops);
	debugfs_create_u32("init_value", 0400, dir, &init_value);
	debugfs_create_u32("secret", 0400, dir, &klp_target_secret);
	debugfs_create_atomic_t("sleepers", 0400, dir, &sleepers);
	debugfs_create_atomic_t("rounds_old", 0600, dir, &test.rounds_old);
	debugfs_create_atomic_t("rounds_new", 0600, dir, &test.rounds_new);
	debugfs_create_atomic_t("mixed", 0600, dir, &test.mixed);
	debugfs_create_atomic_t("going_refs", 0400, dir, &going_refs);
	return register_module_notifier(&module_nb);
}

static void __exit target_exit(void)
{
	unregister_module_notifier(&module_nb);
	stop_threads();
	debugfs_remove(dir);
	klp_target_direct_exit();
}

module_init(target_init);
module_exit(target_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch test: functions to be patched");
