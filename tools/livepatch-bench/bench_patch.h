/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A patch of one module. The file that includes this has defined FUNCTIONS(F):
 * F(name) for each function; and REPLACE: true or false. It may define TARGET,
 * the module's name. With PLAIN it is a module of the same content, which the
 * livepatch core has no part in.
 */

#include <linux/livepatch.h>
#include <linux/module.h>

#ifndef TARGET
#define TARGET		"bench_target"
#endif

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
		.name = TARGET,
		.funcs = funcs,
	}, { }
};

static struct klp_patch __used patch = {
	.mod = THIS_MODULE,
	.objs = objs,
	.replace = REPLACE,
};

static int __init bench_patch_init(void)
{
#ifdef PLAIN
	return 0;
#else
	return klp_enable_patch(&patch);
#endif
}
module_init(bench_patch_init);

static void __exit bench_patch_exit(void)
{
}
module_exit(bench_patch_exit);

MODULE_DESCRIPTION("Livepatch benchmark: a patch");
MODULE_LICENSE("GPL");
#ifndef PLAIN
MODULE_INFO(livepatch, "Y");
#endif
