/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A patch on do_exit(), which every task is in when it leaves the task list
 * and runs on. The replacement counts and goes on in the original, behind its
 * call of ftrace, so its frame stays on the stack to the end.
 */

#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/static_call.h>

static atomic_t exits;
module_param_named(exits, exits.counter, int, 0400);
MODULE_PARM_DESC(exits, "Tasks that have exited through here");

static bool replace;
module_param(replace, bool, 0400);
MODULE_PARM_DESC(replace, "Take over from all other patches");

static void no_body(long code)
{
}

/* A direct call: the place it goes to is no valid target for an indirect one. */
DEFINE_STATIC_CALL(do_exit_body, no_body);

static void new_do_exit(long code)
{
	atomic_inc(&exits);
	static_call(do_exit_body)(code);
}

static struct klp_func funcs[] = {
	{ .old_name = "do_exit", .new_func = new_do_exit },
	{ }
};

static struct klp_object objs[] = {
	{ .funcs = funcs },
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
};

static int __init exit_init(void)
{
	struct kprobe probe = { .symbol_name = "do_exit" };
	bool at_ftrace;
	int err;

	/* The probe is only to find the place where ftrace is called. */
	err = register_kprobe(&probe);
	if (err)
		return err;
	at_ftrace = probe.flags & KPROBE_FLAG_FTRACE;
	unregister_kprobe(&probe);
	if (!at_ftrace)
		return -ENXIO;
	static_call_update(do_exit_body, (void *)probe.addr + MCOUNT_INSN_SIZE);

	patch.replace = replace;
	return klp_enable_patch(&patch);
}

static void __exit exit_exit(void)
{
}

module_init(exit_init);
module_exit(exit_exit);
MODULE_INFO(livepatch, "Y");
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch test: a patch on do_exit()");
