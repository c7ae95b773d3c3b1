// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A module for livepatch-callbacks-demo.c to patch: it can be poked.
 *
 *	insmod livepatch-callbacks-target.ko
 *	echo 1 > /sys/module/livepatch_callbacks_target/parameters/poke
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

static noinline __noclone void callbacks_target_poke(unsigned int times)
{
	pr_info("poked %u times\n", times);
}

static int poke_set(const char *val, const struct kernel_param *kp)
{
	unsigned int times;
	int err;

	err = kstrtouint(val, 0, &times);
	if (err)
		return err;

	callbacks_target_poke(times);
	return 0;
}

static const struct kernel_param_ops poke_ops = {
	.set = poke_set,
};

module_param_cb(poke, &poke_ops, NULL, 0200);
MODULE_PARM_DESC(poke, "write a number to poke the module");

static int __init callbacks_target_init(void)
{
	return 0;
}

static void __exit callbacks_target_exit(void)
{
}

module_init(callbacks_target_init);
module_exit(callbacks_target_exit);
MODULE_DESCRIPTION("Live patching sample: a module to be patched with callbacks");
MODULE_LICENSE("GPL");
