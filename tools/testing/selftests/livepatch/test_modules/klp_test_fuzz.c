// SPDX-License-Identifier: GPL-2.0
/*
 * klp_test_fuzz: patches made of random numbers, good and bad ones. A write of a
 * number to "run" has the patch of that number enabled and gets its error; the
 * parameter "case" does it in the module's init. What a patch replaces if it is
 * good is only called by those who want it.
 */

#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/slab.h>
#include <linux/string.h>

static struct rnd_state rnd;

static u32 below(u32 n)
{
	return prandom_u32_state(&rnd) % n;
}

/* ---- replacements ---- */

static int new_one(void)
{
	barrier();
	return 21;
}

static int new_two(void)
{
	barrier();
	return 22;
}

/* It is in this module's text, and it has a name. */
static noinline int klp_test_fuzz_own(void)
{
	barrier();
	return 23;
}

static int some_data;

static void *new_func(void)
{
	switch (below(16)) {
	case 0:
		return NULL;
	case 1:
		return &some_data;
	case 2:
		return kfree;
	case 3:
		return (void *)new_one + 1;
	case 4:
		return (void *)(unsigned long)prandom_u32_state(&rnd);
	case 5:
		return (void *)~0UL - below(16);
	case 6 ... 8:
		return new_two;
	case 9:
		return klp_test_fuzz_own;
	default:
		return new_one;
	}
}

/* ---- names ---- */

static const char * const object_names[] = {
	NULL, NULL, NULL, "klp_target", "klp_target", "klp_target", "klp_target",
	"klp_other", "klp_absent", "vmlinux", "", ".", "..", "klp/target", "enabled",
	"transition", "klp_test_fuzz", "klp_target ", "KLP_TARGET", "klp-target",
	"%s%s%n", "\xff\xfe",
};

static const char * const func_names[] = {
	"klp_target_value", "klp_target_value", "klp_target_sleep", "klp_target_deep",
	"klp_target_a", "klp_target_twin", "klp_target_alias", "klp_target_notrace",
	"cmdline_proc_show", "cmdline_proc_show", "version_proc_show",
	"klp_there_is_no_such_function", "saved_command_line", "irqentry_enter",
	"klp_test_fuzz_own", "", ".", "..", "/", "a/b", "klp_target_value,1", "%s%s%n",
	"\xff\xfe", NULL,
};

static char *long_name(size_t len)
{
	char *name = kmalloc(len + 1, GFP_KERNEL | __GFP_NOFAIL);

	memset(name, 'n', len);
	name[len] = '\0';
	return name;
}

/* Each in memory of its own, so that reading too far is seen. */
static char *make_name(const char * const *names, u32 nr, size_t max)
{
	const char *name = names[below(nr)];

	if (!below(32))
		return long_name(max - 3 + below(6));
	if (!below(64))
		return long_name(5000);
	return name ? kstrdup(name, GFP_KERNEL | __GFP_NOFAIL) : NULL;
}

static unsigned long make_sympos(void)
{
	static const unsigned long pos[] = { 0, 0, 0, 0, 1, 1, 2, 3, ULONG_MAX, LONG_MAX };

	return below(8) ? pos[below(ARRAY_SIZE(pos))] : prandom_u32_state(&rnd);
}

/* ---- callbacks ---- */

static bool pre_patch_fails;

static int pre_patch(struct klp_object *obj)
{
	return pre_patch_fails ? -ENOTUNIQ : 0;
}

static void callback(struct klp_object *obj)
{
	barrier();
}

/* ---- patches ---- */

/* What there is of the present one. */
static struct klp_patch *patch;
static struct klp_object *objs;
static u32 nr_objs;
static u32 nr_funcs[6];
static struct klp_state *states;

/* What the core does not set itself must not matter. */
static void *garbage(size_t n, size_t size)
{
	void *p = kmalloc_array(n, size, GFP_KERNEL | __GFP_NOFAIL);

	memset(p, 0xa5, n * size);
	return p;
}

static u32 make_funcs(struct klp_object *obj)
{
	u32 i, nr = below(6) ? 1 + below(3) : below(40);

	obj->funcs = garbage(nr + 1, sizeof(*obj->funcs));
	for (i = 0; i < nr; i++) {
		obj->funcs[i].old_name = make_name(func_names, ARRAY_SIZE(func_names),
						   KSYM_NAME_LEN);
		obj->funcs[i].new_func = new_func();
		obj->funcs[i].old_sympos = make_sympos();
	}
	obj->funcs[nr].old_name = NULL;
	obj->funcs[nr].new_func = NULL;
	obj->funcs[nr].old_sympos = 0;
	return nr;
}

static u32 make_object(struct klp_object *obj)
{
	obj->name = make_name(object_names, ARRAY_SIZE(object_names), MODULE_NAME_LEN);
	obj->callbacks.pre_patch = below(4) ? NULL : pre_patch;
	obj->callbacks.post_patch = below(4) ? NULL : callback;
	obj->callbacks.pre_unpatch = below(4) ? NULL : callback;
	obj->callbacks.post_unpatch = below(4) ? NULL : callback;
	obj->funcs = NULL;
	return below(16) ? make_funcs(obj) : 0;
}

static void make_states(void)
{
	u32 i, nr = below(4);

	states = garbage(nr + 1, sizeof(*states));
	for (i = 0; i < nr; i++) {
		states[i].id = below(2) ? 1 + below(3) : ULONG_MAX;
		states[i].version = below(3);
	}
	states[nr].id = 0;
}

static void make_patch(void)
{
	u32 i;

	nr_objs = below(4) ? 1 + below(2) : below(6);
	objs = garbage(nr_objs + 1, sizeof(*objs));
	for (i = 0; i < nr_objs; i++)
		nr_funcs[i] = make_object(&objs[i]);
	objs[nr_objs].name = NULL;
	objs[nr_objs].funcs = NULL;
	make_states();

	pre_patch_fails = !below(8);
	patch = garbage(1, sizeof(*patch));
	patch->mod = below(32) ? THIS_MODULE : NULL;
	patch->objs = below(64) ? objs : NULL;
	patch->states = below(2) ? states : NULL;
	patch->replace = !below(3);
}

static void free_patch(void)
{
	u32 i, j;

	/* What looks like an end to the core may stand before it. */
	for (i = 0; i < nr_objs; i++) {
		for (j = 0; j < nr_funcs[i]; j++)
			kfree(objs[i].funcs[j].old_name);
		kfree(objs[i].funcs);
		kfree(objs[i].name);
	}
	kfree(objs);
	kfree(states);
	kfree(patch);
	objs = NULL;
	states = NULL;
	patch = NULL;
	nr_objs = 0;
}

/* Nobody refers to the present patch any more: who asks has waited for it. */
static int run(u64 number)
{
	int err;

	free_patch();
	prandom_seed_state(&rnd, number);
	make_patch();
	err = klp_enable_patch(below(64) ? patch : NULL);
	if (err)
		free_patch();
	return err;
}

static int run_set(const char *val, const struct kernel_param *kp)
{
	u64 number;
	int err;

	err = kstrtou64(val, 0, &number);
	if (err)
		return err;

	/* Callbacks may take it with the core's lock held. */
	kernel_param_unlock(THIS_MODULE);
	err = run(number);
	kernel_param_lock(THIS_MODULE);
	return err;
}

static const struct kernel_param_ops run_ops = {
	.set = run_set,
};
module_param_cb(run, &run_ops, NULL, 0200);
MODULE_PARM_DESC(run, "Number of the patch to enable");

static unsigned long long first;
module_param_named(case, first, ullong, 0400);
MODULE_PARM_DESC(case, "Number of the patch to enable at once");

static int __init fuzz_init(void)
{
	return first ? run(first) : 0;
}

static void __exit fuzz_exit(void)
{
	free_patch();
}

module_init(fuzz_init);
module_exit(fuzz_exit);
MODULE_INFO(livepatch, "Y");
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch test: patches made of random numbers");
