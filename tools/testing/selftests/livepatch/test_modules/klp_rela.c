// SPDX-License-Identifier: GPL-2.0
/*
 * klp_rela: a patch whose new functions refer to what only late relocations can
 * find. kbuild lets the references pass because they are weak; klp_elf makes of
 * the module what test-relocs.sh loads.
 */

#include <linux/jump_label.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/static_call.h>

#ifdef CONFIG_X86_64
#include <asm/alternative.h>
#include <asm/ibt.h>
#endif

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

/*
 * What else writes to code that has late relocations: a jump label, a static call and
 * an alternative. Parameters switch the first two while the relocations are blank,
 * applied or being written.
 */
static DEFINE_STATIC_KEY_FALSE(rela_key);

static int add_nothing(void)
{
	return 0;
}

static int add_shared(void)
{
	return late_shared() * 100000;
}

DEFINE_STATIC_CALL(klp_rela_add, add_nothing);

static __always_inline bool alternative_applied(void)
{
	int applied = 1;

#ifdef CONFIG_X86_64
	alternative_io("movl $0, %0", "movl $1, %0", X86_FEATURE_ALWAYS, "=r" (applied));
#endif
	return applied;
}

/* Each switch has a digit of its own in the result. */
static int new_value(void)
{
	int value = late_secret * 1000 - late_shared() * 100 - late_twin2() * 10 - late_twin1();

	/* Read once more, so that what the key leads to has a relocation, too. */
	if (static_branch_unlikely(&rela_key))
		value += READ_ONCE(late_secret) * 1000000;
	return alternative_applied() ? value + static_call(klp_rela_add)() : -1;
}

static bool key_on;

static int key_set(const char *val, const struct kernel_param *kp)
{
	int err = param_set_bool(val, kp);

	if (err)
		return err;
	if (key_on)
		static_branch_enable(&rela_key);
	else
		static_branch_disable(&rela_key);
	return 0;
}

static const struct kernel_param_ops key_ops = {
	.set = key_set,
	.get = param_get_bool,
};
module_param_cb(key, &key_ops, &key_on, 0600);
MODULE_PARM_DESC(key, "Whether the static key is enabled");

static bool call_on;

static int call_set(const char *val, const struct kernel_param *kp)
{
	int err = param_set_bool(val, kp);

	if (err)
		return err;
	if (call_on)
		static_call_update(klp_rela_add, add_shared);
	else
		static_call_update(klp_rela_add, add_nothing);
	return 0;
}

static const struct kernel_param_ops call_ops = {
	.set = call_set,
	.get = param_get_bool,
};
module_param_cb(call, &call_ops, &call_on, 0600);
MODULE_PARM_DESC(call, "Whether the static call leads to what has late relocations");

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

#ifdef CONFIG_X86_KERNEL_IBT
static bool begins_with_endbr(const void *func)
{
	return READ_ONCE(*(const u32 *)func) == gen_endbr();
}

/* Their addresses are taken: whoever jumps to them may do so by a register. */
static int endbr_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%d %d %d\n", begins_with_endbr(new_cmdline),
			  begins_with_endbr(new_value), begins_with_endbr(add_shared));
}

static const struct kernel_param_ops endbr_ops = {
	.get = endbr_get,
};
module_param_cb(endbr, &endbr_ops, NULL, 0400);
MODULE_PARM_DESC(endbr, "Whether functions may be targets of indirect jumps");
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

static bool refuse_first;
module_param(refuse_first, bool, 0400);
MODULE_PARM_DESC(refuse_first, "The first pre_patch callback fails, and init does not mind");

static int pre_patch(struct klp_object *obj)
{
	bool refuse = refuse_first;

	refuse_first = false;
	return refuse ? -ENOTUNIQ : 0;
}

static int __init rela_init(void)
{
	bool may_fail = refuse_first;
	int err;

	patch.replace = replace;
	objs[0].callbacks.pre_patch = pre_patch;
	if (no_target)
		objs[1] = (struct klp_object){};
	err = klp_enable_patch(&patch);
	return may_fail ? 0 : err;
}

static void __exit rela_exit(void)
{
}

module_init(rela_init);
module_exit(rela_exit);
MODULE_INFO(livepatch, "Y");
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch test: a patch with late relocations");
