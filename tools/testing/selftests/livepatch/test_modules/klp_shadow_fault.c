// SPDX-License-Identifier: GPL-2.0
/*
 * klp_shadow_fault: shadow variables when memory is short. A write of N to the
 * parameter "run" attaches N variables by both calls. It gets ENOMEM if one of
 * them could not be attached; it gets EILSEQ, and the log tells why, if anything
 * is not as it has to be then. "run_atomic" does the same with preemption off:
 * the table cannot grow behind our back, so it has to when a variable is added.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/livepatch.h>
#include <linux/module.h>

#define ID	0x5eed

static char objs[2000];
static int made, unmade;

static int ctor(void *obj, void *shadow, void *data)
{
	made++;
	*(long *)shadow = (char *)obj - objs;
	return 0;
}

static void dtor(void *obj, void *shadow)
{
	unmade++;
}

static void *attach(int i, gfp_t gfp)
{
	void *obj = &objs[i];

	if (i % 2)
		return klp_shadow_alloc(obj, ID, sizeof(long), gfp, ctor, NULL);
	return klp_shadow_get_or_alloc(obj, ID, sizeof(long), GFP_ATOMIC, ctor, NULL);
}

static int run(int nr, gfp_t gfp)
{
	int i, missing = 0, wrong = 0;
	long *shadow, *found;

	made = 0;
	unmade = 0;
	if (gfp == GFP_ATOMIC)
		preempt_disable();
	for (i = 0; i < nr; i++) {
		shadow = attach(i, gfp);
		found = klp_shadow_get(&objs[i], ID);
		missing += !shadow;
		wrong += shadow != found || (shadow && *shadow != i);
	}
	if (gfp == GFP_ATOMIC)
		preempt_enable();
	/* Constructed once for each that is there, and for no other. */
	wrong += made != nr - missing;
	klp_shadow_free_all(ID, dtor);
	wrong += unmade != made;
	for (i = 0; i < nr; i++)
		wrong += !!klp_shadow_get(&objs[i], ID);

	if (wrong) {
		pr_err("%d of %d missing, %d constructed, %d destructed, %d wrong\n",
		       missing, nr, made, unmade, wrong);
		return -EILSEQ;
	}
	return missing ? -ENOMEM : 0;
}

static int run_set(const char *val, const struct kernel_param *kp)
{
	int nr, err;

	err = kstrtoint(val, 0, &nr);
	if (err)
		return err;
	if (nr < 0 || nr > ARRAY_SIZE(objs))
		return -EINVAL;
	return run(nr, kp->arg ? GFP_ATOMIC : GFP_KERNEL);
}

static const struct kernel_param_ops run_ops = {
	.set = run_set,
};
module_param_cb(run, &run_ops, NULL, 0200);
MODULE_PARM_DESC(run, "How many variables to attach and free");
module_param_cb(run_atomic, &run_ops, objs, 0200);
MODULE_PARM_DESC(run_atomic, "The same with preemption off");

static int __init shadow_fault_init(void)
{
	return 0;
}

static void __exit shadow_fault_exit(void)
{
	klp_shadow_free_all(ID, NULL);
}

module_init(shadow_fault_init);
module_exit(shadow_fault_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch test: shadow variables when memory is short");
