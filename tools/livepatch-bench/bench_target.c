// SPDX-License-Identifier: GPL-2.0
/*
 * What is patched: 1,000 functions that are never called, one that is called in
 * a loop, and one that sleeps.
 *
 * In debugfs, in livepatch-bench/:
 *   call	reading it gives the clock cycles of LOOPS calls of bench_call()
 *   sleep	reading it sleeps in bench_sleep() until "wake" is read, and
 *		gives the time at which bench_sleep() was left
 *   sleepers	how many sleep there
 *   wake	reading it wakes them
 */

#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/timekeeping.h>
#include <linux/timex.h>
#include <linux/wait.h>

#include "functions.h"

#define LOOPS	10000

#define DEFINE_FUNC(name)					\
static noinline __used void name(void)				\
{								\
	barrier();						\
}

FUNCTIONS_1000(DEFINE_FUNC)

static struct dentry *dir;
static DECLARE_WAIT_QUEUE_HEAD(waiters);
static atomic_t sleepers;
static unsigned int wakes;

static noinline int bench_call(int x)
{
	barrier();
	return x + 1;
}

static noinline int bench_sleep(void)
{
	unsigned int seen = READ_ONCE(wakes);
	int err;

	atomic_inc(&sleepers);
	err = wait_event_interruptible(waiters, READ_ONCE(wakes) != seen);
	atomic_dec(&sleepers);
	return err;
}

static int call_get(void *data, u64 *val)
{
	unsigned long flags;
	cycles_t start;
	int i, x = 0;

	local_irq_save(flags);
	start = get_cycles();
	for (i = 0; i < LOOPS; i++)
		x = bench_call(x);
	*val = get_cycles() - start;
	local_irq_restore(flags);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(call_fops, call_get, NULL, "%llu\n");

static int sleep_get(void *data, u64 *val)
{
	int err = bench_sleep();

	*val = ktime_get_ns();
	return err;
}
DEFINE_DEBUGFS_ATTRIBUTE(sleep_fops, sleep_get, NULL, "%llu\n");

static int wake_get(void *data, u64 *val)
{
	*val = ktime_get_ns();
	WRITE_ONCE(wakes, wakes + 1);
	wake_up_all(&waiters);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(wake_fops, wake_get, NULL, "%llu\n");

static int __init bench_target_init(void)
{
	dir = debugfs_create_dir("livepatch-bench", NULL);
	debugfs_create_file("call", 0400, dir, NULL, &call_fops);
	debugfs_create_file("sleep", 0400, dir, NULL, &sleep_fops);
	debugfs_create_file("wake", 0400, dir, NULL, &wake_fops);
	debugfs_create_atomic_t("sleepers", 0400, dir, &sleepers);
	return 0;
}
module_init(bench_target_init);

static void __exit bench_target_exit(void)
{
	debugfs_remove(dir);
}
module_exit(bench_target_exit);

MODULE_DESCRIPTION("Livepatch benchmark: what is patched");
MODULE_LICENSE("GPL");
