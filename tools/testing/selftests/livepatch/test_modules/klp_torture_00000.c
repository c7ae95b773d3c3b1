// SPDX-License-Identifier: GPL-2.0
/*
 * klp_torture_00000: a patch for klptorture. It is loaded under other names,
 * which the loading program writes into it: the number is the version of its
 * functions. So there are as many patches as one likes.
 *
 * It patches vmlinux, klptorture and klp_torture_mod.
 */

#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/kstrtox.h>
#include <linux/klptorture.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/sched/task.h>
#include <linux/static_call.h>

static bool replace;
module_param(replace, bool, 0400);
MODULE_PARM_DESC(replace, "Take over from all other patches");

static unsigned int mask = BIT(KLPT_PARTS) - 1;
module_param(mask, uint, 0400);
MODULE_PARM_DESC(mask, "Which parts to patch (fewer only with replace)");

static char *refuse = "";
module_param(refuse, charp, 0600);
MODULE_PARM_DESC(refuse, "Object whose pre_patch callback fails with ENOTUNIQ");

static int fail_init;
module_param(fail_init, int, 0400);
MODULE_PARM_DESC(fail_init, "Error for init to return after a success");

static int version __ro_after_init;

/* ---- replacements for klptorture and klp_torture_mod ---- */

static int new_part0(struct klpt_unit *unit)
{
	return klpt_part_body(unit, 0, version);
}

static int new_part1(struct klpt_unit *unit)
{
	return klpt_part_body(unit, 1, version);
}

static int new_part2(struct klpt_unit *unit)
{
	return klpt_part_body(unit, 2, version);
}

static int new_part3(struct klpt_unit *unit)
{
	return klpt_part_body(unit, 3, version);
}

static int new_nest(struct klpt_unit *unit, int depth)
{
	return klpt_nest_body(unit, depth, version);
}

static int new_round(struct klpt_unit *unit)
{
	return klpt_round_body(unit, version, mask);
}

/* ---- replacements for vmlinux: they go on in the original, behind its entry ---- */

static pid_t no_kernel_clone(struct kernel_clone_args *args)
{
	return -EAGAIN;
}

static void no_do_exit(long code)
{
}

/* Direct calls: the places they go to are no valid targets for indirect ones. */
DEFINE_STATIC_CALL(kernel_clone_body, no_kernel_clone);
DEFINE_STATIC_CALL(do_exit_body, no_do_exit);

/* The child has its parent's version, which is still to be left. */
static pid_t new_kernel_clone(struct kernel_clone_args *args)
{
	pid_t pid;

	klpt_enter(version);
	klpt_count(KLPT_CLONE);
	klpt_pause_fork();
	pid = static_call(kernel_clone_body)(args);
	klpt_pause_fork();
	klpt_leave(version);
	return pid;
}

/*
 * It stays on the stack until the task is dead. It counts as running only as long
 * as the task is sure to be listed, and so to be waited for: a dead one, which never
 * comes back here, is not.
 */
static void new_do_exit(long code)
{
	klpt_enter(version);
	klpt_count(KLPT_EXIT);
	klpt_pause_fork();
	klpt_leave(version);
	static_call(do_exit_body)(code);
}

/* ---- the patch ---- */

static struct klp_func vmlinux_funcs[] = {
	{ .old_name = "kernel_clone", .new_func = new_kernel_clone },
	{ .old_name = "do_exit", .new_func = new_do_exit },
	{ }
};

static struct klp_func parts[] = {
	{ .old_name = "klpt_part0", .new_func = new_part0 },
	{ .old_name = "klpt_part1", .new_func = new_part1 },
	{ .old_name = "klpt_part2", .new_func = new_part2 },
	{ .old_name = "klpt_part3", .new_func = new_part3 },
};

static struct klp_func module_funcs[][ARRAY_SIZE(parts) + 3] = {
	{
		{ .old_name = "klpt_round", .new_func = new_round },
		{ .old_name = "klpt_nest", .new_func = new_nest },
	},
	{
		{ .old_name = "klpt_round", .new_func = new_round },
		{ .old_name = "klpt_nest", .new_func = new_nest },
	},
};

static int pre_patch(struct klp_object *obj)
{
	return strcmp(refuse, obj->name ?: "vmlinux") ? 0 : -ENOTUNIQ;
}

static void post_patch(struct klp_object *obj)
{
	if (!obj->name && replace)
		klpt_shadow_free_replaced(version);
}

static void post_unpatch(struct klp_object *obj)
{
	if (!obj->name)
		klpt_shadow_free(version);
}

#define CALLBACKS { .pre_patch = pre_patch, .post_patch = post_patch, \
		    .post_unpatch = post_unpatch }

static struct klp_object objs[] = {
	{ .funcs = vmlinux_funcs, .callbacks = CALLBACKS },
	{ .name = "klptorture", .funcs = module_funcs[0], .callbacks = CALLBACKS },
	{ .name = "klp_torture_mod", .funcs = module_funcs[1], .callbacks = CALLBACKS },
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
};

/* Where a function goes on behind its call of ftrace; 0 if there is none. */
static unsigned long __init body_of(const char *name)
{
	struct kprobe probe = { .symbol_name = name };
	bool at_ftrace;

	if (register_kprobe(&probe))
		return 0;
	at_ftrace = probe.flags & KPROBE_FLAG_FTRACE;
	unregister_kprobe(&probe);
	return at_ftrace ? (unsigned long)probe.addr + MCOUNT_INSN_SIZE : 0;
}

static void __init add_parts(struct klp_func *funcs)
{
	int i, nr = 2;

	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		if (mask & BIT(i))
			funcs[nr++] = parts[i];
	}
}

static int __init patch_init(void)
{
	unsigned long clone_body = body_of("kernel_clone");
	unsigned long exit_body = body_of("do_exit");
	int err;

	err = kstrtoint(THIS_MODULE->name + strlen(KLPT_PATCH_PREFIX), 10, &version);
	if (err)
		return err;
	if (!clone_body || !exit_body)
		return -ENXIO;
	static_call_update(kernel_clone_body, (void *)clone_body);
	static_call_update(do_exit_body, (void *)exit_body);

	add_parts(module_funcs[0]);
	add_parts(module_funcs[1]);
	patch.replace = replace;
	err = klp_enable_patch(&patch);
	return err ?: fail_init;
}

static void __exit patch_exit(void)
{
}

module_init(patch_init);
module_exit(patch_exit);
MODULE_INFO(livepatch, "Y");
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch torture test: a patch of any version");
