/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A module with functions that are never called. The file that includes this
 * has defined FUNCTIONS(F): F(name) for each.
 */

#include <linux/module.h>

#define DEFINE_FUNC(name)					\
static noinline __used void name(void)				\
{								\
	barrier();						\
}

FUNCTIONS(DEFINE_FUNC)

static int __init bench_functions_init(void)
{
	return 0;
}
module_init(bench_functions_init);

static void __exit bench_functions_exit(void)
{
}
module_exit(bench_functions_exit);

MODULE_DESCRIPTION("Livepatch benchmark: functions to patch");
MODULE_LICENSE("GPL");
