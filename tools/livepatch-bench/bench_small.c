// SPDX-License-Identifier: GPL-2.0
/* A module that no patch is for. */

#include <linux/module.h>

static int __init bench_small_init(void)
{
	return 0;
}
module_init(bench_small_init);

static void __exit bench_small_exit(void)
{
}
module_exit(bench_small_exit);

MODULE_DESCRIPTION("Livepatch benchmark: a module that is not patched");
MODULE_LICENSE("GPL");
