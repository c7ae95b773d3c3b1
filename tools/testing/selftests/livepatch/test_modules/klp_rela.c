// SPDX-License-Identifier: GPL-2.0
/*
 * klp_rela: a patch whose new functions refer to what only late relocations can
 * find. kbuild lets the references pass because they are weak; klp_elf makes of
 * the module what test-relocs.sh loads.
 */

#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "klp_rela.h"

/* Places of each kind that relocations change, beside the code. */
static u32 *pointer = &late_secret;
static u32 *pointer_ro_after_init __ro_after_init = &late_secret;
static u32 *const pointer_ro = &late_secret;

static int new_cmdline(struct seq_file *m, void *v)
{
	seq_printf(m, "late: %s\n", late_command_line);
	return 0;
}

static int new_value(void)
{
	return late_secret * 1000 - late_shared() * 100 - late_twin2() * 10 - late_twin1();
}

/* What the pointers lead to: 0 while there is nothing. */
static int pointers_get(char *buffer, const struct kernel_param *kp)
{
	u32 *p[3];

	/* Or the compiler would know them. */
	barrier_data(&pointer);
	p[0] = READ_ONCE(pointer);
	p[1] = READ_ONCE(pointer_ro_after_init);
	p[2] = READ_ONCE(pointer_ro);
	return sysfs_emit(buffer, "%u %u %u\n", p[0] ? *p[0] : 0, p[1] ? *p[1] : 0,
			  p[2] ? *p[2] : 0);
}

static const struct kernel_param_ops pointers_ops = {
	.get = pointers_get,
};
module_param_cb(pointers, &pointers_ops, NULL, 0400);
MODULE_PARM_DESC(pointers, "What is found where relocated pointers lead");

#ifdef CONFIG_X86_64
static bool writable(const void *addr)
{
	unsigned int level;
	pte_t *pte = lookup_address((unsigned long)addr, &level);

	return !pte || pte_write(*pte);
}

/* Of what relocations change, code and constants must be protected all the time. */
static int writable_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%d %d %d %d\n", writable(new_cmdline), writable(new_value),
			  writable(&pointer_ro_after_init), writable(&pointer_ro));
}

static const struct kernel_param_ops writable_ops = {
	.get = writable_get,
};
module_param_cb(writable, &writable_ops, NULL, 0400);
MODULE_PARM_DESC(writable, "Whether protected places are writable");
#endif

static struct klp_func vmlinux_funcs[] = {
	{
		.old_name = "cmdline_proc_show",
		.new_func = new_cmdline,
	},
	{ }
};

static struct klp_func target_funcs[] = {
	{
		.old_name = "klp_target_value",
		.new_func = new_value,
	},
	{ }
};

static struct klp_object objs[] = {
	{
		.funcs = vmlinux_funcs,
	},
	{
		.name = "klp_target",
		.funcs = target_funcs,
	},
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
};

/* A write enables it once more; a read gives the result. */
static int again_result;

static int again_set(const char *val, const struct kernel_param *kp)
{
	/* Callbacks may take it with the core's lock held. */
	kernel_param_unlock(THIS_MODULE);
	again_result = klp_enable_patch(&patch);
	kernel_param_lock(THIS_MODULE);
	return 0;
}

/* A parameter is not freed while the patch is enabled; one reference is the loader's. */
static void again_free(void *arg)
{
	WARN_ON(module_refcount(THIS_MODULE) > 1);
}

static const struct kernel_param_ops again_ops = {
	.set = again_set,
	.get = param_get_int,
	.free = again_free,
};
module_param_cb(again, &again_ops, &again_result, 0600);
MODULE_PARM_DESC(again, "Enable the patch after it was disabled");

static bool replace;
module_param(replace, bool, 0400);
MODULE_PARM_DESC(replace, "Take over from all other patches");

static bool no_target;
module_param(no_target, bool, 0400);
MODULE_PARM_DESC(no_target, "Have no object for klp_target");

static int __init rela_init(void)
{
	patch.replace = replace;
	if (no_target)
		objs[1] = (struct klp_object){};
	return klp_enable_patch(&patch);
}

static void __exit rela_exit(void)
{
}

module_init(rela_init);
module_exit(rela_exit);
MODULE_INFO(livepatch, "Y");
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch test: a patch with late relocations");
