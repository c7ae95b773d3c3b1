/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of core.c: what no module can bring about at will.
 */
#ifdef CONFIG_KLP_KUNIT_TEST

#ifndef _KLP_CORE_KUNIT_H
#define _KLP_CORE_KUNIT_H

#include <kunit/test.h>

/* The lock is taken if all patches that are over are released, and not otherwise. */
static void klp_test_lock_released(struct kunit *test)
{
	struct klp_patch patch = {};

	scoped_guard(mutex, &klp_mutex)
		klp_releasing = true;
	KUNIT_EXPECT_FALSE(test, klp_lock_released(NULL));

	mutex_lock(&klp_mutex);
	klp_releasing = false;
	list_add(&patch.list, &klp_done);
	mutex_unlock(&klp_mutex);
	KUNIT_EXPECT_FALSE(test, klp_lock_released(NULL));

	scoped_guard(mutex, &klp_mutex)
		list_del(&patch.list);
	if (klp_lock_released(NULL))
		mutex_unlock(&klp_mutex);
	else
		KUNIT_FAIL(test, "nothing is to be released");
}

/* If there was no memory at boot, the rest of the kernel goes on without us. */
static void klp_test_not_ready(struct kunit *test)
{
	struct module *mod = kunit_kzalloc(test, sizeof(*mod), GFP_KERNEL);
	struct klp_object objs[] = { {}, {} };
	struct klp_patch patch = { .mod = mod, .objs = objs };

	KUNIT_ASSERT_NOT_NULL(test, mod);
	strscpy(mod->name, "klp_test", sizeof(mod->name));
	mod->klp = true;

	klp_ready = false;
	KUNIT_EXPECT_EQ(test, klp_enable_patch(&patch), -ENODEV);
	klp_ready = true;
}

/* Its state may not say so any more, and references may be held. */
static void klp_test_going(struct kunit *test)
{
	struct module *mod = kunit_kzalloc(test, sizeof(*mod), GFP_KERNEL);
	struct klp_object objs[] = { {}, {} };
	struct klp_patch patch = { .mod = mod, .objs = objs };

	KUNIT_ASSERT_NOT_NULL(test, mod);
	strscpy(mod->name, "klp_test", sizeof(mod->name));
	mod->klp = true;
	mod->state = MODULE_STATE_UNFORMED;
	atomic_set(&mod->refcnt, 1);

	KUNIT_EXPECT_EQ(test, klp_enable_patch(&patch), -ENODEV);
	KUNIT_EXPECT_EQ(test, atomic_read(&mod->refcnt), 1);
}

static struct kunit_case klp_core_tests[] = {
	KUNIT_CASE(klp_test_lock_released),
	KUNIT_CASE(klp_test_not_ready),
	KUNIT_CASE(klp_test_going),
	{}
};

static struct kunit_suite klp_core_suite = {
	.name = "livepatch-core",
	.test_cases = klp_core_tests,
};

kunit_test_suite(klp_core_suite);

#endif /* _KLP_CORE_KUNIT_H */

#endif /* CONFIG_KLP_KUNIT_TEST */
