// SPDX-License-Identifier: GPL-2.0
/*
 * klp_shadow_test: the shadow variable API, called as patches call it. Loading
 * fails with EILSEQ if anything is not as it has to be; the log says what.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#define ID	0x1234
#define OTHER	0x4321
#define MANY	20000

static int failures;

#define EXPECT(cond)							\
do {									\
	if (!(cond)) {							\
		pr_err("line %d: not so: %s\n", __LINE__, #cond);	\
		failures++;						\
	}								\
} while (0)

static int ctor_calls, dtor_calls;
static void *dtor_obj;
static long dtor_value;

static int ctor(void *obj, void *shadow, void *data)
{
	ctor_calls++;
	*(long *)shadow = *(long *)data;
	return 0;
}

static int failing_ctor(void *obj, void *shadow, void *data)
{
	ctor_calls++;
	return -EINVAL;
}

static void dtor(void *obj, void *shadow)
{
	dtor_calls++;
	dtor_obj = obj;
	dtor_value = *(long *)shadow;
}

static char objs[MANY];

static long *get(int i, unsigned long id)
{
	return klp_shadow_get(&objs[i], id);
}

static long *alloc(int i, unsigned long id, long value)
{
	return klp_shadow_alloc(&objs[i], id, sizeof(long), GFP_KERNEL, ctor, &value);
}

static void test_one(void)
{
	long value = 2;
	long *shadow;

	EXPECT(!get(0, ID));
	shadow = alloc(0, ID, 1);
	EXPECT(shadow && *shadow == 1);
	EXPECT(get(0, ID) == shadow);
	EXPECT(!get(0, OTHER));
	EXPECT(!get(1, ID));

	/* It is there already. */
	ctor_calls = 0;
	EXPECT(klp_shadow_get_or_alloc(&objs[0], ID, sizeof(long), GFP_KERNEL,
				       ctor, &value) == shadow);
	EXPECT(*shadow == 1 && !ctor_calls);

	dtor_calls = 0;
	klp_shadow_free(&objs[0], ID, dtor);
	EXPECT(dtor_calls == 1 && dtor_obj == &objs[0] && dtor_value == 1);
	EXPECT(!get(0, ID));
	klp_shadow_free(&objs[0], ID, dtor);
	EXPECT(dtor_calls == 1);
}

static void test_constructor(void)
{
	long *shadow;

	ctor_calls = 0;
	EXPECT(!klp_shadow_alloc(&objs[0], ID, sizeof(long), GFP_KERNEL, failing_ctor, NULL));
	EXPECT(!klp_shadow_get_or_alloc(&objs[0], ID, sizeof(long), GFP_KERNEL,
					failing_ctor, NULL));
	EXPECT(ctor_calls == 2 && !get(0, ID));

	/* Without one, it is zero. */
	shadow = klp_shadow_alloc(&objs[0], ID, 4 * sizeof(long), GFP_KERNEL, NULL, NULL);
	EXPECT(shadow && !shadow[0] && !shadow[3]);
	klp_shadow_free(&objs[0], ID, NULL);
	EXPECT(!get(0, ID));
}

static void test_free_all(void)
{
	EXPECT(alloc(0, ID, 1) && alloc(1, ID, 2) && alloc(0, OTHER, 3));
	dtor_calls = 0;
	klp_shadow_free_all(ID, dtor);
	EXPECT(dtor_calls == 2);
	EXPECT(!get(0, ID) && !get(1, ID));
	EXPECT(get(0, OTHER) && *get(0, OTHER) == 3);
	klp_shadow_free_all(OTHER, NULL);
	EXPECT(!get(0, OTHER));
}

static void test_atomic(void)
{
	static DEFINE_SPINLOCK(lock);
	unsigned long flags;
	long value = 5;
	long *shadow;

	spin_lock_irqsave(&lock, flags);
	shadow = klp_shadow_get_or_alloc(&objs[0], ID, sizeof(long), GFP_ATOMIC, ctor, &value);
	EXPECT(shadow && *shadow == 5 && get(0, ID) == shadow);
	klp_shadow_free(&objs[0], ID, dtor);
	EXPECT(!get(0, ID));
	spin_unlock_irqrestore(&lock, flags);
}

static void test_many(void)
{
	int i, wrong = 0;

	for (i = 0; i < MANY; i++)
		wrong += !alloc(i, ID + i % 3, i);
	EXPECT(!wrong);
	for (i = 0; i < MANY; i++)
		wrong += !get(i, ID + i % 3) || *get(i, ID + i % 3) != i || get(i, ID + 3);
	EXPECT(!wrong);
	dtor_calls = 0;
	for (i = 0; i < 3; i++)
		klp_shadow_free_all(ID + i, dtor);
	EXPECT(dtor_calls == MANY);
	for (i = 0; i < MANY; i++)
		wrong += !!get(i, ID + i % 3);
	EXPECT(!wrong);
}

static int __init shadow_test_init(void)
{
	test_one();
	test_constructor();
	test_free_all();
	test_atomic();
	test_many();
	return failures ? -EILSEQ : 0;
}

static void __exit shadow_test_exit(void)
{
}

module_init(shadow_test_init);
module_exit(shadow_test_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch test: shadow variables");
