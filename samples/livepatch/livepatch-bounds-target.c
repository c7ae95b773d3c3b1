// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A module with a hole, to be fixed by livepatch-bounds.c while it is in use.
 *
 * Whoever writes a number to /proc/livepatch_bounds_target may then read the note
 * of that number. There are eight; but number 8 discloses what is stored behind
 * them. (The hole is a demonstration: nothing outside the module's own structure
 * can be reached through it, and only by root.)
 *
 *	insmod livepatch-bounds-target.ko
 *	(echo 8 >&3; cat <&3) 3<>/proc/livepatch_bounds_target
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "livepatch-bounds.h"

#define PROC_NAME "livepatch_bounds_target"

static struct bounds_store store = {
	.secret = "the secret: 42\n",
};

/*
 * The mistake: the limit is taken from the whole structure, not from the notes.
 * A function that is inlined or cloned by the compiler could not be replaced
 * under its name.
 */
static noinline __noclone
const char *bounds_target_note(const struct bounds_store *from, unsigned int number)
{
	if (number >= sizeof(*from) / BOUNDS_LEN)
		return ERR_PTR(-EINVAL);

	return (const char *)from + number * BOUNDS_LEN;
}

static int bounds_target_open(struct inode *inode, struct file *file)
{
	/* The note that has been asked for. */
	file->private_data = kzalloc(BOUNDS_LEN, GFP_KERNEL);
	return file->private_data ? 0 : -ENOMEM;
}

static int bounds_target_release(struct inode *inode, struct file *file)
{
	kfree(file->private_data);
	return 0;
}

static ssize_t bounds_target_write(struct file *file, const char __user *buf,
				   size_t count, loff_t *ppos)
{
	unsigned int number;
	const char *note;
	int err;

	err = kstrtouint_from_user(buf, count, 0, &number);
	if (err)
		return err;

	note = bounds_target_note(&store, number);
	if (IS_ERR(note))
		return PTR_ERR(note);

	strscpy(file->private_data, note, BOUNDS_LEN);
	/* The position stays: the note is read from its beginning. */
	return count;
}

static ssize_t bounds_target_read(struct file *file, char __user *buf,
				  size_t count, loff_t *ppos)
{
	const char *note = file->private_data;

	return simple_read_from_buffer(buf, count, ppos, note, strnlen(note, BOUNDS_LEN));
}

static const struct proc_ops bounds_target_ops = {
	.proc_open = bounds_target_open,
	.proc_release = bounds_target_release,
	.proc_write = bounds_target_write,
	.proc_read = bounds_target_read,
	.proc_lseek = default_llseek,
};

static int __init bounds_target_init(void)
{
	int i;

	for (i = 0; i < BOUNDS_NOTES; i++)
		snprintf(store.notes[i], BOUNDS_LEN, "note %d\n", i);

	return proc_create(PROC_NAME, 0600, NULL, &bounds_target_ops) ? 0 : -ENOMEM;
}

static void __exit bounds_target_exit(void)
{
	remove_proc_entry(PROC_NAME, NULL);
}

module_init(bounds_target_init);
module_exit(bounds_target_exit);
MODULE_DESCRIPTION("Live patching sample: a module that lacks a bounds check");
MODULE_LICENSE("GPL");
