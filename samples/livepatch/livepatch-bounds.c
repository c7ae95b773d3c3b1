// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A security fix for livepatch-bounds-target.c: a bounds check.
 *
 *	insmod livepatch-bounds.ko
 *	(echo 8 >&3; cat <&3) 3<>/proc/livepatch_bounds_target
 *
 * The order of the modules does not matter: a target that is loaded after its
 * fix is patched before its first function runs.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/livepatch.h>
#include <linux/module.h>

#include "livepatch-bounds.h"

static const char *fixed_note(const struct bounds_store *from, unsigned int number)
{
	if (number >= BOUNDS_NOTES)
		return ERR_PTR(-EINVAL);

	return from->notes[number];
}

static struct klp_func target_funcs[] = {
	{
		.old_name = "bounds_target_note",
		.new_func = fixed_note,
	},
	{ }
};

static struct klp_object objs[] = {
	{
		.name = "livepatch_bounds_target",
		.funcs = target_funcs,
	},
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
};

static int __init bounds_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit bounds_exit(void)
{
}

module_init(bounds_init);
module_exit(bounds_exit);
MODULE_DESCRIPTION("Live patching sample: a bounds check for a module");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
