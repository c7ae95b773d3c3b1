// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Callbacks: a patch whose new code needs something set up before it runs, and
 * torn down after it has run for the last time. Here it is a counter of pokes.
 * The patch also has callbacks, but no functions, for the kernel itself.
 *
 *	insmod livepatch-callbacks-target.ko; insmod livepatch-callbacks-demo.ko
 *	echo 3 > /sys/module/livepatch_callbacks_target/parameters/poke; dmesg | tail
 *
 * Load them in either order, unload the target while it is patched, disable the
 * patch, or load it with refuse=1, and look at the log each time.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/percpu_counter.h>

static bool refuse;
module_param(refuse, bool, 0644);
MODULE_PARM_DESC(refuse, "pre_patch of the target fails: neither is patched");

static struct percpu_counter pokes;

static void demo_poke(unsigned int times)
{
	percpu_counter_add(&pokes, times);
	pr_info("counted %u pokes\n", times);
}

static const char *target_state(struct klp_object *obj)
{
	if (!obj->mod)
		return "always there";

	switch (obj->mod->state) {
	case MODULE_STATE_COMING:
		return "coming";
	case MODULE_STATE_LIVE:
		return "live";
	case MODULE_STATE_GOING:
		return "going";
	default:
		return "?";
	}
}

static void show(const char *callback, struct klp_object *obj)
{
	pr_info("%s: %s (%s)\n", callback, obj->name ?: "vmlinux", target_state(obj));
}

/* Nothing runs demo_poke() yet. An error from here refuses the patch. */
static int target_pre_patch(struct klp_object *obj)
{
	show(__func__, obj);
	if (refuse)
		return -EPERM;

	return percpu_counter_init(&pokes, 0, GFP_KERNEL);
}

/* Every task runs the new code. */
static void target_post_patch(struct klp_object *obj)
{
	show(__func__, obj);
}

/* Tasks are about to leave the new code. */
static void target_pre_unpatch(struct klp_object *obj)
{
	show(__func__, obj);
}

/* Nothing runs demo_poke() any more. */
static void target_post_unpatch(struct klp_object *obj)
{
	show(__func__, obj);
	pr_info("%lld pokes in all\n", percpu_counter_sum(&pokes));
	percpu_counter_destroy(&pokes);
}

static int vmlinux_pre_patch(struct klp_object *obj)
{
	show(__func__, obj);
	return 0;
}

static void vmlinux_post_unpatch(struct klp_object *obj)
{
	show(__func__, obj);
}

static struct klp_func no_funcs[] = {
	{ }
};

static struct klp_func target_funcs[] = {
	{
		.old_name = "callbacks_target_poke",
		.new_func = demo_poke,
	},
	{ }
};

static struct klp_object objs[] = {
	{
		.funcs = no_funcs,
		.callbacks = {
			.pre_patch = vmlinux_pre_patch,
			.post_unpatch = vmlinux_post_unpatch,
		},
	},
	{
		.name = "livepatch_callbacks_target",
		.funcs = target_funcs,
		.callbacks = {
			.pre_patch = target_pre_patch,
			.post_patch = target_post_patch,
			.pre_unpatch = target_pre_unpatch,
			.post_unpatch = target_post_unpatch,
		},
	},
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
};

static int __init demo_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit demo_exit(void)
{
}

module_init(demo_init);
module_exit(demo_exit);
MODULE_DESCRIPTION("Live patching sample: callbacks");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
