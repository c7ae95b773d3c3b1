// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Shadow variables: the fix for livepatch-shadow-mod.c needs a pointer in a
 * structure that cannot grow any more. It is attached to each session instead.
 *
 *	insmod livepatch-shadow-fix.ko; cd /sys/module/livepatch_shadow_mod/parameters
 *	echo 100 > sessions; echo 0 > sessions; grep . sessions logs
 *
 * Sessions that were opened before the fix have no such variable: their logs are
 * lost, and closing them goes as before.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "livepatch-shadow.h"

/* Patches for one object agree on what the numbers mean. */
#define SV_SESSION_LOG	1

/* Runs with interrupts off, as all constructors do. */
static int log_ctor(void *obj, void *shadow_data, void *ctor_data)
{
	char **log = shadow_data;

	*log = ctor_data;
	return 0;
}

static void log_dtor(void *obj, void *shadow_data)
{
	struct session *session = obj;
	char **log = shadow_data;

	kfree(*log);
	atomic_dec(&session->stats->logs);
}

static struct session *fixed_open(struct session_stats *stats)
{
	struct session *session;
	char *log;

	session = kzalloc(sizeof(*session), GFP_KERNEL);
	if (!session)
		return NULL;

	log = kmalloc(SESSION_LOG_SIZE, GFP_KERNEL);
	if (!log)
		goto free_session;

	if (!klp_shadow_alloc(session, SV_SESSION_LOG, sizeof(char *), GFP_KERNEL, log_ctor, log))
		goto free_log;

	session->stats = stats;
	session->number = atomic_inc_return(&stats->sessions);
	atomic_inc(&stats->logs);
	snprintf(log, SESSION_LOG_SIZE, "session %u opened\n", session->number);
	return session;

free_log:
	kfree(log);
free_session:
	kfree(session);
	return NULL;
}

static void fixed_close(struct session *session)
{
	klp_shadow_free(session, SV_SESSION_LOG, log_dtor);
	atomic_dec(&session->stats->sessions);
	kfree(session);
}

/*
 * The original close does not know of the variables of the sessions that are still
 * open. Nothing of the patch runs any more: free them.
 */
static void mod_post_unpatch(struct klp_object *obj)
{
	klp_shadow_free_all(SV_SESSION_LOG, log_dtor);
}

static struct klp_func mod_funcs[] = {
	{
		.old_name = "session_open",
		.new_func = fixed_open,
	},
	{
		.old_name = "session_close",
		.new_func = fixed_close,
	},
	{ }
};

static struct klp_object objs[] = {
	{
		.name = "livepatch_shadow_mod",
		.funcs = mod_funcs,
		.callbacks = {
			.post_unpatch = mod_post_unpatch,
		},
	},
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
};

static int __init shadow_fix_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit shadow_fix_exit(void)
{
}

module_init(shadow_fix_init);
module_exit(shadow_fix_exit);
MODULE_DESCRIPTION("Live patching sample: a leak fixed with shadow variables");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
