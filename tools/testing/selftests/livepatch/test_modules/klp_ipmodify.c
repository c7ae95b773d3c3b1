// SPDX-License-Identifier: GPL-2.0
/*
 * klp_ipmodify: claims the right to redirect a function, which only one may have,
 * and makes no use of it.
 */

#include <linux/ftrace.h>
#include <linux/module.h>
#include <linux/string.h>

static char *func = "";
module_param(func, charp, 0400);
MODULE_PARM_DESC(func, "The function");

static void notrace handler(unsigned long ip, unsigned long parent_ip,
			    struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
}

static struct ftrace_ops ops = {
	.func = handler,
	.flags = FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_RECURSION,
};

static int __init ipmodify_init(void)
{
	int err;

	err = ftrace_set_filter(&ops, func, strlen(func), 0);
	if (!err)
		err = register_ftrace_function(&ops);
	if (err)
		ftrace_free_filter(&ops);
	return err;
}

static void __exit ipmodify_exit(void)
{
	unregister_ftrace_function(&ops);
	ftrace_free_filter(&ops);
}

module_init(ipmodify_init);
module_exit(ipmodify_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch test: somebody else who redirects a function");
