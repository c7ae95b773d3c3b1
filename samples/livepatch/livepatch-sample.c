// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The smallest live patch: /proc/cmdline says something else.
 *
 *	insmod livepatch-sample.ko; cat /proc/cmdline
 *	echo 0 > /sys/kernel/livepatch/livepatch_sample/enabled; cat /proc/cmdline
 *
 * When the directory in /sys/kernel/livepatch is gone, so may be the module
 * (rmmod livepatch_sample).
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

/* Everything about the replacement but its name is as in fs/proc/cmdline.c. */
static int sample_cmdline_show(struct seq_file *m, void *v)
{
	seq_puts(m, "this has been live patched\n");
	return 0;
}

static struct klp_func vmlinux_funcs[] = {
	{
		.old_name = "cmdline_proc_show",
		.new_func = sample_cmdline_show,
	},
	{ }
};

static struct klp_object objs[] = {
	{
		/* No name: the kernel itself. */
		.funcs = vmlinux_funcs,
	},
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
};

static int __init sample_init(void)
{
	return klp_enable_patch(&patch);
}

/* There is nothing to do, but without it the module could not be unloaded. */
static void __exit sample_exit(void)
{
}

module_init(sample_init);
module_exit(sample_exit);
MODULE_DESCRIPTION("Live patching sample: a function of the kernel");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
