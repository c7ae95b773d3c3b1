// SPDX-License-Identifier: GPL-2.0
/*
 * klp_life: a patch whose structures are allocated. After an error they are
 * freed at once; after a success at exit, found by walking the arrays.
 */

#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>

static bool missing;
module_param(missing, bool, 0400);
MODULE_PARM_DESC(missing, "Have a function that does not exist");

static int refuse;
module_param(refuse, int, 0400);
MODULE_PARM_DESC(refuse, "What the second pre_patch callback returns");

static bool empty;
module_param(empty, bool, 0400);
MODULE_PARM_DESC(empty, "Have no functions");

static int called;
module_param(called, int, 0400);
MODULE_PARM_DESC(called, "Calls of pre_patch");

static int new_cmdline(struct seq_file *m, void *v)
{
	seq_puts(m, "patched by v7\n");
	return 0;
}

static int new_value(void)
{
	int ret = 7;

	OPTIMIZER_HIDE_VAR(ret);
	return ret;
}

static int pre_patch(struct klp_object *obj)
{
	return ++called == 2 ? refuse : 0;
}

static struct klp_patch *patch;

/* What was freed must not be read again: poison it where nobody else does. */
static void poison_and_free(void *p, size_t size)
{
	memset(p, 0x6b, size);
	kfree(p);
}

static void free_patch(void)
{
	struct klp_object *obj;
	struct klp_func *func;

	for (obj = patch->objs; obj->funcs; obj++) {
		for (func = obj->funcs; func->old_name; func++)
			kfree(func->old_name);
		poison_and_free(obj->funcs, 3 * sizeof(*func));
		kfree(obj->name);
	}
	poison_and_free(patch->objs, 3 * sizeof(*obj));
	poison_and_free(patch, sizeof(*patch));
}

/* What is the core's own need not be initialized. */
static void *garbage(size_t n, size_t size)
{
	void *p = kmalloc_array(n, size, GFP_KERNEL | __GFP_NOFAIL);

	memset(p, 0xa5, n * size);
	return p;
}

static struct klp_func *make_funcs(void)
{
	struct klp_func *funcs = garbage(3, sizeof(*funcs));
	int i;

	for (i = 0; i < 3; i++) {
		funcs[i].old_name = NULL;
		funcs[i].new_func = NULL;
		funcs[i].old_sympos = 0;
	}
	return funcs;
}

static struct klp_object *make_objects(void)
{
	struct klp_object *objs = garbage(3, sizeof(*objs));
	int i;

	for (i = 0; i < 3; i++) {
		objs[i].name = NULL;
		objs[i].funcs = i < 2 ? make_funcs() : NULL;
		objs[i].callbacks = (struct klp_callbacks){};
	}
	return objs;
}

static int __init life_init(void)
{
	struct klp_object *objs = make_objects();
	int err;

	objs[1].name = kstrdup("klp_target", GFP_KERNEL | __GFP_NOFAIL);
	objs[0].callbacks.pre_patch = pre_patch;
	objs[1].callbacks.pre_patch = pre_patch;
	if (!empty) {
		objs[0].funcs[0].old_name = kstrdup("cmdline_proc_show", GFP_KERNEL | __GFP_NOFAIL);
		objs[0].funcs[0].new_func = new_cmdline;
		objs[1].funcs[0].old_name = kstrdup("klp_target_value", GFP_KERNEL | __GFP_NOFAIL);
		objs[1].funcs[0].new_func = new_value;
	}
	if (missing) {
		objs[1].funcs[1].old_name = kstrdup("klp_missing", GFP_KERNEL | __GFP_NOFAIL);
		objs[1].funcs[1].new_func = new_value;
	}
	patch = garbage(1, sizeof(*patch));
	patch->mod = THIS_MODULE;
	patch->objs = objs;
	patch->states = NULL;
	patch->replace = false;

	err = klp_enable_patch(patch);
	if (err)
		free_patch();
	return err;
}

static void __exit life_exit(void)
{
	free_patch();
}

module_init(life_init);
module_exit(life_exit);
MODULE_INFO(livepatch, "Y");
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch test: a patch of allocated structures");
