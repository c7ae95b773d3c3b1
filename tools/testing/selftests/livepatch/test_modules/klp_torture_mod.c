// SPDX-License-Identifier: GPL-2.0
/*
 * klp_torture_mod: functions that klptorture's patches patch too, in a module
 * that comes and goes. Its init and its exit call them.
 */

#include <linux/err.h>
#define KLPT_TARGET mod_target
#include <linux/klptorture.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>

static int fail_init;
module_param(fail_init, int, 0400);
MODULE_PARM_DESC(fail_init, "Error for init to return");

static struct task_struct *threads[2];

static int mod_thread(void *arg)
{
	while (!kthread_should_stop()) {
		klpt_run_task(&mod_target, KLPT_MOD_KTHREAD);
		schedule_timeout_interruptible(1);
	}
	return 0;
}

static void stop_threads(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(threads); i++) {
		if (!IS_ERR_OR_NULL(threads[i]))
			kthread_stop(threads[i]);
	}
}

static int __init mod_init(void)
{
	int i;

	klpt_run_task(&mod_target, KLPT_MOD_INIT);
	if (fail_init)
		return fail_init;

	for (i = 0; i < ARRAY_SIZE(threads); i++) {
		threads[i] = kthread_run(mod_thread, NULL, "klpt_mod");
		if (IS_ERR(threads[i])) {
			stop_threads();
			return PTR_ERR(threads[i]);
		}
	}
	return 0;
}

static void __exit mod_exit(void)
{
	stop_threads();
	klpt_run_task(&mod_target, KLPT_MOD_EXIT);
}

module_init(mod_init);
module_exit(mod_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch torture test: a module that comes and goes");
