// SPDX-License-Identifier: GPL-2.0
/*
 * klp_fail: one call of a kernel function fails without being made.
 *
 *	function	which; it must not be inlined
 *	value		what the call returns then
 *	within		only calls are counted that a task makes from within this
 *			function, or, without it, those of the process "pid"
 *	allocates	it has GFP flags for its second argument: calls that must
 *			not fail do not count
 *	nth		written: the n-th call from now on fails; read: how many
 *			are left to that, so 0 says that it has failed
 */

#include <linux/gfp.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/ptrace.h>
#include <linux/sched.h>

static char *function = "";
module_param(function, charp, 0400);
MODULE_PARM_DESC(function, "The function whose call fails");

static long value;
module_param(value, long, 0400);
MODULE_PARM_DESC(value, "What the call returns");

static char *within = "";
module_param(within, charp, 0400);
MODULE_PARM_DESC(within, "The function from within which calls are counted");

static bool allocates;
module_param(allocates, bool, 0400);
MODULE_PARM_DESC(allocates, "The function allocates, by the flags in its second argument");

static int pid;
module_param(pid, int, 0600);
MODULE_PARM_DESC(pid, "The process whose calls are counted");

static int nth;
module_param(nth, int, 0600);
MODULE_PARM_DESC(nth, "How many calls are left to the one that fails");

/* The task that is within, if any. */
static struct task_struct *inside;

/* Comes back to the caller as if the function had. */
static noinline notrace void nothing(void)
{
}

NOKPROBE_SYMBOL(nothing);

static int before_call(struct kprobe *probe, struct pt_regs *regs)
{
	if (*within ? READ_ONCE(inside) != current : current->pid != pid)
		return 0;
	if (allocates && regs_get_kernel_argument(regs, 1) & (__force unsigned long)__GFP_NOFAIL)
		return 0;
	/* Within a probe this looks like an NMI, so in_task() would not do. */
	if (in_serving_softirq() || !READ_ONCE(nth))
		return 0;
	WRITE_ONCE(nth, nth - 1);
	if (nth)
		return 0;

	regs_set_return_value(regs, value);
	instruction_pointer_set(regs, (unsigned long)nothing);
	return 1;
}

NOKPROBE_SYMBOL(before_call);

/* It being there keeps the probe from being made a jump, which has one way only. */
static void after_call(struct kprobe *probe, struct pt_regs *regs, unsigned long flags)
{
}

NOKPROBE_SYMBOL(after_call);

static struct kprobe probe = {
	.pre_handler = before_call,
	.post_handler = after_call,
};

static int enter(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	WRITE_ONCE(inside, current);
	return 0;
}

NOKPROBE_SYMBOL(enter);

static int leave(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	WRITE_ONCE(inside, NULL);
	return 0;
}

NOKPROBE_SYMBOL(leave);

/* Only one task at a time is within: they are all under klp_mutex, or workers. */
static struct kretprobe frame = {
	.entry_handler = enter,
	.handler = leave,
};

static int __init fail_init(void)
{
	int err;

	probe.symbol_name = function;
	err = register_kprobe(&probe);
	if (err || !*within)
		return err;

	frame.kp.symbol_name = within;
	err = register_kretprobe(&frame);
	if (err)
		unregister_kprobe(&probe);
	return err;
}

static void __exit fail_exit(void)
{
	if (*within)
		unregister_kretprobe(&frame);
	unregister_kprobe(&probe);
}

module_init(fail_init);
module_exit(fail_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch test: let a function fail");
