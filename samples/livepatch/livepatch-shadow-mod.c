// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A module that leaks, to be fixed by livepatch-shadow-fix.c: each session writes
 * a log when it is opened, and forgets where it is.
 *
 *	insmod livepatch-shadow-mod.ko; cd /sys/module/livepatch_shadow_mod/parameters
 *	echo 100 > sessions; echo 0 > sessions; grep . sessions logs
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "livepatch-shadow.h"

static DEFINE_MUTEX(session_mutex);
static LIST_HEAD(session_list);
static struct session_stats session_stats;

/* The mistake: nothing keeps @log. */
static noinline __noclone struct session *session_open(struct session_stats *stats)
{
	struct session *session;
	char *log;

	session = kzalloc(sizeof(*session), GFP_KERNEL);
	if (!session)
		return NULL;

	log = kmalloc(SESSION_LOG_SIZE, GFP_KERNEL);
	if (!log) {
		kfree(session);
		return NULL;
	}
	session->stats = stats;
	session->number = atomic_inc_return(&stats->sessions);
	atomic_inc(&stats->logs);
	snprintf(log, SESSION_LOG_SIZE, "session %u opened\n", session->number);
	return session;
}

static noinline __noclone void session_close(struct session *session)
{
	atomic_dec(&session->stats->sessions);
	kfree(session);
}

static void close_last(void)
{
	struct session *session = list_last_entry(&session_list, struct session, node);

	list_del(&session->node);
	session_close(session);
}

static int sessions_set(const char *val, const struct kernel_param *kp)
{
	struct session *session;
	unsigned int wanted;
	int err;

	err = kstrtouint(val, 0, &wanted);
	if (err)
		return err;
	if (wanted > 1000000)
		return -EINVAL;

	mutex_lock(&session_mutex);
	while (atomic_read(&session_stats.sessions) > wanted)
		close_last();
	while (!err && atomic_read(&session_stats.sessions) < wanted) {
		session = session_open(&session_stats);
		if (session)
			list_add_tail(&session->node, &session_list);
		else
			err = -ENOMEM;
	}
	mutex_unlock(&session_mutex);
	return err;
}

static int counter_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%d\n", atomic_read((atomic_t *)kp->arg));
}

static const struct kernel_param_ops sessions_ops = {
	.set = sessions_set,
	.get = counter_get,
};

static const struct kernel_param_ops logs_ops = {
	.get = counter_get,
};

module_param_cb(sessions, &sessions_ops, &session_stats.sessions, 0644);
MODULE_PARM_DESC(sessions, "how many sessions are open; write to open or close some");
module_param_cb(logs, &logs_ops, &session_stats.logs, 0444);
MODULE_PARM_DESC(logs, "how many logs are in memory");

static int __init shadow_mod_init(void)
{
	return 0;
}

static void __exit shadow_mod_exit(void)
{
	while (!list_empty(&session_list))
		close_last();
}

module_init(shadow_mod_init);
module_exit(shadow_mod_exit);
MODULE_DESCRIPTION("Live patching sample: a module that leaks memory");
MODULE_LICENSE("GPL");
