// SPDX-License-Identifier: GPL-2.0
/*
 * What a BPF trampoline does to klp_target_value(), without BPF: the function
 * calls it directly, or, if a live patch is there too, ftrace does.
 *
 * In debugfs, folder klp_target:
 *   direct		a write of "fentry" or "fexit" attaches, "none" detaches; a
 *			read tells which, and whether with a live patch ("shared")
 *   direct_hits	how many calls have come by
 *   entry		what stands where klp_target_value() calls ftrace: "nop",
 *			"call", or "jmp" and its target
 */

#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/ftrace.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

#include "target.h"

#if defined(CONFIG_X86_64) && defined(CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS)

#include <asm/ibt.h>
#include <asm/text-patching.h>

static unsigned long traced;
static atomic_t hits;

/* Where the function goes on if nobody redirects it. */
unsigned long klp_direct_original;

/* Called by the trampolines. */
void klp_direct_hit(void)
{
	atomic_inc(&hits);
}

/* Lock of all that follows; taken before ftrace's own, but see ops_func(). */
static DEFINE_MUTEX(direct_lock);
static unsigned long trampoline;
static bool shared;

/*
 * fentry lets the function go on. fexit calls it; it knows the original by its
 * address, but a function that it shares it has to find on the stack.
 */
static unsigned long fentry = (unsigned long)klp_direct_fentry;
static unsigned long fexit = (unsigned long)klp_direct_fexit;
static unsigned long fexit_shared = (unsigned long)klp_direct_fexit_shared;

static int ops_func(struct ftrace_ops *ops, enum ftrace_ops_cmd cmd);

static struct ftrace_ops ops = {
	.ops_func = ops_func,
};

static int change(unsigned long to)
{
	int err;

	if (trampoline == fentry || trampoline == to)
		return 0;
	err = modify_ftrace_direct_nolock(&ops, to);
	if (!err)
		trampoline = to;
	return err;
}

/* As BPF does, down to the errors. */
static int ops_func(struct ftrace_ops *ops, enum ftrace_ops_cmd cmd)
{
	int err = 0;

	/* From within attach() or change(), so direct_lock is held. */
	if (cmd == FTRACE_OPS_CMD_ENABLE_SHARE_IPMODIFY_SELF) {
		if (trampoline == fexit)
			return -EAGAIN;
		shared = true;
		return 0;
	}

	/* Here ftrace's lock was taken first. */
	if (!mutex_trylock(&direct_lock)) {
		usleep_range(1000, 2000);
		return -EAGAIN;
	}
	if (cmd == FTRACE_OPS_CMD_ENABLE_SHARE_IPMODIFY_PEER) {
		shared = true;
		err = change(fexit_shared);
	} else {
		shared = false;
		err = change(fexit);
	}
	mutex_unlock(&direct_lock);
	return err;
}

static int attach(unsigned long to)
{
	int err;

	if (trampoline)
		return -EBUSY;

	err = ftrace_set_filter_ip(&ops, traced, 0, 1);
	if (err)
		return err;
	trampoline = to;
	err = register_ftrace_direct(&ops, trampoline);
	if (err == -EAGAIN) {
		trampoline = fexit_shared;
		err = register_ftrace_direct(&ops, trampoline);
	}
	if (err)
		trampoline = 0;
	return err;
}

static int detach(void)
{
	int err;

	if (!trampoline)
		return 0;
	err = unregister_ftrace_direct(&ops, trampoline, false);
	if (!err) {
		trampoline = 0;
		shared = false;
	}
	return err;
}

static int direct_show(struct seq_file *m, void *v)
{
	guard(mutex)(&direct_lock);
	seq_printf(m, "%s%s\n", !trampoline ? "none" : trampoline == fentry ? "fentry" : "fexit",
		   shared ? " shared" : "");
	return 0;
}

static int direct_open(struct inode *inode, struct file *file)
{
	return single_open(file, direct_show, NULL);
}

static ssize_t direct_write(struct file *file, const char __user *from, size_t size,
			    loff_t *pos)
{
	char kind[16] = "";
	int err = -EINVAL;

	if (size >= sizeof(kind))
		return -EINVAL;
	if (copy_from_user(kind, from, size))
		return -EFAULT;

	guard(mutex)(&direct_lock);
	strim(kind);
	if (!strcmp(kind, "fentry"))
		err = attach(fentry);
	else if (!strcmp(kind, "fexit"))
		err = attach(fexit);
	else if (!strcmp(kind, "none"))
		err = detach();
	return err ?: size;
}

static const struct file_operations direct_fops = {
	.owner = THIS_MODULE,
	.open = direct_open,
	.read = seq_read,
	.write = direct_write,
	.llseek = seq_lseek,
	.release = single_release,
};

/* The location is at the function's beginning, or behind an ENDBR. */
static const u8 *location(void)
{
	const u8 *text = (const u8 *)traced;

	return is_endbr(*(u32 *)text) ? text + ENDBR_INSN_SIZE : text;
}

static int entry_show(struct seq_file *m, void *v)
{
	union text_poke_insn insn;

	memcpy(&insn, location(), CALL_INSN_SIZE);
	if (insn.opcode == JMP32_INSN_OPCODE)
		seq_printf(m, "jmp %ps\n", location() + JMP32_INSN_SIZE + insn.disp);
	else
		seq_printf(m, "%s\n", insn.opcode == CALL_INSN_OPCODE ? "call" : "nop");
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(entry);

void klp_target_direct_init(unsigned long addr, struct dentry *dir)
{
	traced = addr;
	klp_direct_original = (unsigned long)location() + CALL_INSN_SIZE;
	debugfs_create_file("direct", 0600, dir, NULL, &direct_fops);
	debugfs_create_atomic_t("direct_hits", 0600, dir, &hits);
	debugfs_create_file("entry", 0400, dir, NULL, &entry_fops);
}

void klp_target_direct_exit(void)
{
	guard(mutex)(&direct_lock);
	detach();
	/* Not before: it leaves a dangling pointer. */
	ftrace_free_filter(&ops);
}

#else

void klp_target_direct_init(unsigned long addr, struct dentry *dir)
{
}

void klp_target_direct_exit(void)
{
}

#endif
