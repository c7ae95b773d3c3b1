// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A cumulative patch: it takes over from all patches that are there at once.
 * What it does not patch goes back to the original in the same transition.
 *
 *	insmod livepatch-sample.ko; insmod livepatch-replace.ko; cat /proc/cmdline
 *	ls /sys/kernel/livepatch; rmmod livepatch_sample
 *
 * Tools that look for livepatch_sample in /sys/kernel/livepatch find that it has
 * vanished by itself.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

static int replace_cmdline_show(struct seq_file *m, void *v)
{
	seq_puts(m, "this has been live patched, cumulatively\n");
	return 0;
}

static struct klp_func vmlinux_funcs[] = {
	{
		.old_name = "cmdline_proc_show",
		.new_func = replace_cmdline_show,
	},
	{ }
};

static struct klp_object objs[] = {
	{
		.funcs = vmlinux_funcs,
	},
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
	.replace = true,
};

static int __init replace_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit replace_exit(void)
{
}

module_init(replace_init);
module_exit(replace_exit);
MODULE_DESCRIPTION("Live patching sample: atomic replace");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
