// SPDX-License-Identifier: GPL-2.0
/* A patch of 200 modules that are not there. */

#include <linux/livepatch.h>
#include <linux/module.h>

#include "functions.h"

static noinline int new_function(int x)
{
	barrier();
	return x + 1;
}

/* A name is a function's here, and a module's there: it is only a name. */
#define OBJECT_ENTRY(word) {					\
	.name = #word,						\
	.funcs = (struct klp_func[]) {				\
		{ .old_name = #word, .new_func = new_function },	\
		{ }						\
	},							\
},

static struct klp_object objs[] = {
	FUNCTIONS_200(OBJECT_ENTRY)
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
};

static int __init bench_absent_init(void)
{
	return klp_enable_patch(&patch);
}
module_init(bench_absent_init);

static void __exit bench_absent_exit(void)
{
}
module_exit(bench_absent_exit);

MODULE_DESCRIPTION("Livepatch benchmark: a patch of modules that are not there");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
