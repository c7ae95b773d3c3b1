// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * /sys/kernel/debug/livepatch/blockers: who keeps the transition from ending.
 *
 * A snapshot line by line: no lock is held from one task to the next.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/sched/task.h>
#include <linux/seq_file.h>
#include <linux/string_helpers.h>

#include "internal.h"

/**
 * struct klp_blockers_iter - one reader
 * @blocker:	the line to be shown
 * @since:	when the transition has started, or has been reversed or forced
 */
struct klp_blockers_iter {
	struct klp_blocker blocker;
	ktime_t since;
};

static void klp_blockers_put(struct klp_blockers_iter *iter)
{
	if (iter->blocker.task)
		put_task_struct(iter->blocker.task);
	iter->blocker.task = NULL;
}

/* Position 0 is the heading, any other the number of a task or later. */
static void *klp_blockers_find(struct seq_file *m, loff_t *pos)
{
	struct klp_blockers_iter *iter = m->private;
	int nr = *pos;

	klp_blockers_put(iter);
	if (!klp_tasks_next_blocker(&nr, &iter->blocker)) {
		++*pos;
		return NULL;
	}
	*pos = nr - 1;
	return iter;
}

static void *klp_blockers_start(struct seq_file *m, loff_t *pos)
{
	return *pos ? klp_blockers_find(m, pos) : SEQ_START_TOKEN;
}

static void *klp_blockers_next(struct seq_file *m, void *v, loff_t *pos)
{
	++*pos;
	return klp_blockers_find(m, pos);
}

static void klp_blockers_stop(struct seq_file *m, void *v)
{
	klp_blockers_put(m->private);
}

static void klp_blockers_heading(struct seq_file *m, struct klp_blockers_iter *iter)
{
	struct klp_patch *patch;

	guard(mutex)(&klp_mutex);

	patch = klp_transition_patch();
	if (!patch)
		return;
	iter->since = patch->phase_since;
	seq_printf(m, "# %s %s for %lld ms\n", patch->mod->name,
		   klp_phase_name(patch->phase),
		   ktime_ms_delta(ktime_get(), iter->since));
	seq_puts(m, "# pid comm kind where blocked_ms function...\n");
}

static int klp_blockers_show(struct seq_file *m, void *v)
{
	struct klp_blockers_iter *iter = m->private;
	struct klp_blocker *blocker = &iter->blocker;
	struct task_struct *task = blocker->task;
	char comm[TASK_COMM_LEN];
	ktime_t since;

	if (v == SEQ_START_TOKEN) {
		klp_blockers_heading(m, iter);
		return 0;
	}

	/* A child that was forked into the transition is as old as it is. */
	since = ns_to_ktime(max_t(u64, ktime_to_ns(iter->since), task->start_time));

	get_task_comm(comm, task);
	seq_printf(m, "%d ", task_pid_nr(task));
	seq_escape_str(m, comm, ESCAPE_SPACE | ESCAPE_SPECIAL | ESCAPE_OCTAL, "\n\t \\");
	seq_printf(m, " %s ", task->flags & PF_KTHREAD ? "kthread" : "user");
	if (blocker->cpu >= 0)
		seq_printf(m, "cpu%d", blocker->cpu);
	else
		seq_putc(m, blocker->state);
	seq_printf(m, " %lld ", ktime_ms_delta(ktime_get(), since));
	if (blocker->addr)
		seq_printf(m, "%ps\n", (void *)blocker->addr);
	else
		seq_puts(m, blocker->cpu >= 0 ? "running\n" :
			    blocker->reliable ? "-\n" : "unreliable-stack\n");
	return 0;
}

static const struct seq_operations klp_blockers_sops = {
	.start	= klp_blockers_start,
	.next	= klp_blockers_next,
	.stop	= klp_blockers_stop,
	.show	= klp_blockers_show,
};

static int klp_blockers_open(struct inode *inode, struct file *file)
{
	return seq_open_private(file, &klp_blockers_sops, sizeof(struct klp_blockers_iter));
}

static const struct file_operations klp_blockers_fops = {
	.open		= klp_blockers_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= seq_release_private,
};

/* Without debugfs there is no such file, and that is all. */
void __init klp_debugfs_init(void)
{
	struct dentry *dir = debugfs_create_dir("livepatch", NULL);

	debugfs_create_file("blockers", 0400, dir, NULL, &klp_blockers_fops);
}
