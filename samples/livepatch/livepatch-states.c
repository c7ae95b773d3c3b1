// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * System states: a cumulative patch that changes a setting while it is active. Its
 * successor (livepatch-states-v2.c, the same source) changes the setting again, but
 * what it will put back in the end is the value from before the first.
 *
 *	insmod livepatch-states.ko; insmod livepatch-states-v2.ko; sysctl kernel.panic
 *	rmmod livepatch_states; insmod livepatch-states.ko; dmesg | tail -1
 *
 * The second line shows that the older one may not take over from the newer.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/panic.h>
#include <linux/slab.h>

/* Patches for one system agree on what the numbers mean. */
#define STATE_PANIC_TIMEOUT	1

#ifndef STATES_VERSION
#define STATES_VERSION		1
#endif

static struct klp_state states[] = {
	{
		.id = STATE_PANIC_TIMEOUT,
		.version = STATES_VERSION,
	},
	{ }
};

static struct klp_patch patch;

static struct klp_state *this_state(void)
{
	return klp_get_state(&patch, STATE_PANIC_TIMEOUT);
}

/* Only what may fail: reserve room for the original value, unless it is kept. */
static int states_pre_patch(struct klp_object *obj)
{
	if (klp_get_prev_state(STATE_PANIC_TIMEOUT))
		return 0;

	this_state()->data = kzalloc(sizeof(int), GFP_KERNEL);
	return this_state()->data ? 0 : -ENOMEM;
}

/* The patch that is replaced gets no callback: it hands over here. */
static void states_post_patch(struct klp_object *obj)
{
	struct klp_state *prev = klp_get_prev_state(STATE_PANIC_TIMEOUT);
	int *original = this_state()->data;

	if (prev) {
		this_state()->data = prev->data;
		prev->data = NULL;
	} else {
		*original = panic_timeout;
	}
	panic_timeout = STATES_VERSION * 60;
	pr_info("kernel.panic is %d\n", panic_timeout);
}

static void states_pre_unpatch(struct klp_object *obj)
{
	int *original = this_state()->data;

	panic_timeout = *original;
	pr_info("kernel.panic is %d again\n", panic_timeout);
}

/* Also called when the transition is reversed and nothing has been changed. */
static void states_post_unpatch(struct klp_object *obj)
{
	kfree(this_state()->data);
	this_state()->data = NULL;
}

static struct klp_func no_funcs[] = {
	{ }
};

static struct klp_object objs[] = {
	{
		.funcs = no_funcs,
		.callbacks = {
			.pre_patch = states_pre_patch,
			.post_patch = states_post_patch,
			.pre_unpatch = states_pre_unpatch,
			.post_unpatch = states_post_unpatch,
		},
	},
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
	.states = states,
	.replace = true,
};

static int __init states_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit states_exit(void)
{
}

module_init(states_init);
module_exit(states_exit);
MODULE_DESCRIPTION("Live patching sample: system states");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
