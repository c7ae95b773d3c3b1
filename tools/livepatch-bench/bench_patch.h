/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A patch of bench_target. The file that includes this has defined
 * FUNCTIONS(F): F(name) for each function; and REPLACE: true or false.
 */

#include <linux/livepatch.h>
#include <linux/module.h>

#define DEFINE_NEW(name)					\
static noinline int new_##name(int x)				\
{								\
	barrier();						\
	return x + 1;						\
}

FUNCTIONS(DEFINE_NEW)

#define FUNC_ENTRY(name)	{ .old_name = #name, .new_func = new_##name },
static struct klp_func funcs[] = {
	FUNCTIONS(FUNC_ENTRY)
	{ }
};

static struct klp_object objs[] = {
	{
		.name = "bench_target",
		.funcs = funcs,
	}, { }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
	.replace = REPLACE,
};

static int __init bench_patch_init(void)
{
	return klp_enable_patch(&patch);
}
module_init(bench_patch_init);

static void __exit bench_patch_exit(void)
{
}
module_exit(bench_patch_exit);

MODULE_DESCRIPTION("Livepatch benchmark: a patch");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
