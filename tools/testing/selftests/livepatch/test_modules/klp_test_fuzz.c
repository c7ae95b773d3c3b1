// SPDX-License-Identifier: GPL-2.0
/*
 * klp_test_fuzz: patches made of random numbers, good ones of which a little is
 * spoiled. A write of a number to "run" has the patch of that number enabled and gets
 * its error; the parameter "case" does it in the module's init. What a patch replaces
 * if it is good is only called by those who want it.
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

/* ---- what there is of the present patch ---- */

#define MAX_OBJS	4

static struct klp_patch *patch;
static struct klp_object *objs;
static u32 nr_objs;
static u32 nr_funcs[MAX_OBJS];

/* All of its memory: structures may share a part of it. */
static void *kept[512];
static u32 nr_kept;

static void *keep(void *p)
{
	if (!WARN_ON(nr_kept == ARRAY_SIZE(kept)))
		kept[nr_kept++] = p;
	return p;
}

/* What the core does not set itself must not matter. */
static void *garbage(size_t n, size_t size)
{
	void *p = keep(kmalloc_array(n, size, GFP_KERNEL | __GFP_NOFAIL));

	memset(p, 0xa5, n * size);
	return p;
}

/* Each in memory of its own, so that reading too far is seen. */
static char *own_name(const char *name)
{
	return name ? keep(kstrdup(name, GFP_KERNEL | __GFP_NOFAIL)) : NULL;
}

static char *long_name(size_t len)
{
	char *name = keep(kmalloc(len + 1, GFP_KERNEL | __GFP_NOFAIL));

	memset(name, 'n', len);
	name[len] = '\0';
	return name;
}

static void free_patch(void)
{
	while (nr_kept)
		kfree(kept[--nr_kept]);
	patch = NULL;
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

static void *new_func(void)
{
	switch (below(4)) {
	case 0:
		return new_two;
	case 1:
		return klp_test_fuzz_own;
	default:
		return new_one;
	}
}

/* ---- callbacks ---- */

static int pre_patch_error;

static int pre_patch(struct klp_object *obj)
{
	return pre_patch_error;
}

static void callback(struct klp_object *obj)
{
	barrier();
}

/* ---- good patches ---- */

static const char * const objects[MAX_OBJS] = { "klp_target", NULL, "klp_absent", "klp_other" };

static const char * const vmlinux_funcs[] = { "cmdline_proc_show", "version_proc_show" };

static const char * const target_funcs[] = {
	"klp_target_value", "klp_target_sleep", "klp_target_deep", "klp_target_twin",
	"klp_target_cold", "klp_target_jump", "klp_target_a", "klp_target_b",
};

/* Of a module that is not there, functions may have any names. */
static const char *func_name(const struct klp_object *obj, u32 i)
{
	if (!obj->name)
		return own_name(vmlinux_funcs[i % ARRAY_SIZE(vmlinux_funcs)]);
	if (!strcmp(obj->name, "klp_target"))
		return own_name(target_funcs[i % ARRAY_SIZE(target_funcs)]);
	return keep(kasprintf(GFP_KERNEL | __GFP_NOFAIL, "klp_function_%u", i));
}

static u32 make_funcs(struct klp_object *obj)
{
	u32 i, nr, first = below(8);

	if (!obj->name)
		nr = below(ARRAY_SIZE(vmlinux_funcs) + 1);
	else if (!strcmp(obj->name, "klp_target"))
		nr = below(8) ? 1 + below(3) : below(ARRAY_SIZE(target_funcs) + 1);
	else
		nr = below(8) ? below(3) : below(40);

	obj->funcs = garbage(nr + 1, sizeof(*obj->funcs));
	for (i = 0; i < nr; i++) {
		struct klp_func *func = &obj->funcs[i];

		func->old_name = func_name(obj, first + i);
		func->new_func = new_func();
		func->old_sympos = below(2);
		/* There are two. */
		if (!strcmp(func->old_name, "klp_target_twin"))
			func->old_sympos++;
	}
	obj->funcs[nr].old_name = NULL;
	obj->funcs[nr].new_func = NULL;
	obj->funcs[nr].old_sympos = 0;
	return nr;
}

static void make_object(u32 nr, const char *name)
{
	struct klp_object *obj = &objs[nr];

	obj->name = own_name(name);
	obj->callbacks.pre_patch = below(4) ? NULL : pre_patch;
	obj->callbacks.post_patch = below(4) ? NULL : callback;
	obj->callbacks.pre_unpatch = below(4) ? NULL : callback;
	obj->callbacks.post_unpatch = below(4) ? NULL : callback;
	nr_funcs[nr] = make_funcs(obj);
}

static struct klp_state *make_states(void)
{
	struct klp_state *states;
	u32 i, nr = below(4);

	states = garbage(nr + 1, sizeof(*states));
	for (i = 0; i < nr; i++) {
		states[i].id = below(2) ? 1 + below(3) : ULONG_MAX;
		states[i].version = below(3);
	}
	states[nr].id = 0;
	return states;
}

static void make_patch(void)
{
	u32 i, first = below(2);

	nr_objs = below(4) ? 1 + below(2) : 1 + below(MAX_OBJS);
	objs = garbage(nr_objs + 1, sizeof(*objs));
	for (i = 0; i < nr_objs; i++)
		make_object(i, objects[(first + i) % MAX_OBJS]);
	objs[nr_objs].name = NULL;
	objs[nr_objs].funcs = NULL;
	pre_patch_error = 0;

	patch = garbage(1, sizeof(*patch));
	patch->mod = THIS_MODULE;
	patch->objs = objs;
	patch->states = below(2) ? make_states() : NULL;
	patch->replace = !below(3);
}

/* ---- what can be spoiled ---- */

static const char * const bad_objects[] = {
	"vmlinux", "", ".", "..", "klp/target", "enabled", "transition", "klp_test_fuzz",
	"klp_target ", "KLP_TARGET", "klp-target", "%s%s%n", "\xff\xfe",
};

static const char * const bad_funcs[] = {
	"klp_there_is_no_such_function", "klp_target_notrace", "klp_target_alias",
	"klp_target_value", "saved_command_line", "irqentry_enter", "klp_test_fuzz_own",
	"", ".", "..", "/", "a/b", "klp_target_value,1", "%s%s%n", "\xff\xfe", NULL,
};

static int some_data;

static struct klp_object *some_object(void)
{
	return &objs[below(nr_objs)];
}

/* NULL if the object has none. */
static struct klp_func *some_func(void)
{
	u32 nr = below(nr_objs);

	return nr_funcs[nr] ? &objs[nr].funcs[below(nr_funcs[nr])] : NULL;
}

static const char *bad_name(const char * const *names, u32 nr, size_t max)
{
	switch (below(8)) {
	case 0:
		return long_name(max - 3 + below(6));
	case 1:
		return long_name(5000);
	default:
		return own_name(names[below(nr)]);
	}
}

static void *bad_new_func(void)
{
	switch (below(6)) {
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
	default:
		return (void *)~0UL - below(16);
	}
}

static void spoil_object_name(void)
{
	some_object()->name = bad_name(bad_objects, ARRAY_SIZE(bad_objects), MODULE_NAME_LEN);
}

static void spoil_func_name(void)
{
	struct klp_func *func = some_func();

	if (func)
		func->old_name = bad_name(bad_funcs, ARRAY_SIZE(bad_funcs), KSYM_NAME_LEN);
}

static void spoil_new_func(void)
{
	struct klp_func *func = some_func();

	if (func)
		func->new_func = bad_new_func();
}

static void spoil_sympos(void)
{
	static const unsigned long pos[] = { 2, 3, ULONG_MAX, LONG_MAX };
	struct klp_func *func = some_func();

	if (func)
		func->old_sympos = below(4) ? pos[below(ARRAY_SIZE(pos))] :
					      prandom_u32_state(&rnd);
}

/* As if it were the end: there are fewer of them. */
static void spoil_func(void)
{
	struct klp_func *func = some_func();

	if (func) {
		func->old_name = NULL;
		func->new_func = NULL;
		func->old_sympos = 0;
	}
}

static void spoil_funcs(void)
{
	u32 nr = below(nr_objs);

	objs[nr].funcs = NULL;
	nr_funcs[nr] = 0;
}

/* Two functions of one name, in an object that has two. */
static void spoil_same_func(void)
{
	u32 nr = below(nr_objs);

	if (nr_funcs[nr] > 1)
		objs[nr].funcs[0].old_name = objs[nr].funcs[nr_funcs[nr] - 1].old_name;
}

/* An object has the functions of another one, or the last of them, or just the end. */
static void spoil_shared(void)
{
	u32 to = below(nr_objs), from = below(nr_objs), skip;

	if (!objs[from].funcs)
		return;
	skip = below(2) ? 0 : below(nr_funcs[from] + 1);
	objs[to].funcs = objs[from].funcs + skip;
	nr_funcs[to] = nr_funcs[from] - skip;
}

static void spoil_same_object(void)
{
	u32 to = below(nr_objs), from = below(nr_objs);

	objs[to] = objs[from];
	nr_funcs[to] = nr_funcs[from];
}

static void spoil_same_name(void)
{
	struct klp_object *to = some_object(), *from = some_object();

	to->name = from->name;
}

static void spoil_callback(void)
{
	some_object()->callbacks.pre_patch = pre_patch;
	pre_patch_error = below(4) ? -ENOTUNIQ : 1 + below(100);
}

static void spoil_patch(void)
{
	switch (below(4)) {
	case 0:
		patch->mod = NULL;
		break;
	case 1:
		patch->objs = NULL;
		break;
	case 2:
		patch->objs = objs + nr_objs;
		break;
	default:
		patch = NULL;
	}
}

static void (*const spoilers[])(void) = {
	spoil_object_name, spoil_object_name, spoil_func_name, spoil_func_name,
	spoil_func_name, spoil_func_name, spoil_new_func, spoil_new_func, spoil_new_func,
	spoil_sympos, spoil_sympos, spoil_func, spoil_funcs, spoil_same_func,
	spoil_shared, spoil_shared, spoil_shared, spoil_same_object, spoil_same_name,
	spoil_callback, spoil_callback, spoil_callback,
};

/* Few mistakes each: the first one that the core sees hides all others. */
static void spoil(void)
{
	static const u32 times[] = { 0, 1, 1, 1, 1, 2, 2, 2 };
	u32 i, nr = times[below(ARRAY_SIZE(times))];

	for (i = 0; i < nr; i++)
		spoilers[below(ARRAY_SIZE(spoilers))]();
	if (!below(32))
		spoil_patch();
}

/* ---- one case ---- */

/* Nobody refers to the present patch any more: who asks has waited for it. */
static int run(u64 number)
{
	int err;

	free_patch();
	prandom_seed_state(&rnd, number);
	make_patch();
	spoil();
	err = klp_enable_patch(patch);
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
