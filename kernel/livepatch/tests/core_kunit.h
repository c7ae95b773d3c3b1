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

/* A patch without objects, of a module that could enable one: -EINVAL is its due. */
static struct klp_patch *klp_test_patch(struct kunit *test)
{
	struct klp_patch *patch = kunit_kzalloc(test, sizeof(*patch), GFP_KERNEL);
	struct module *mod = kunit_kzalloc(test, sizeof(*mod), GFP_KERNEL);
	struct klp_object *objs = kunit_kzalloc(test, sizeof(*objs), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, patch);
	KUNIT_ASSERT_NOT_NULL(test, mod);
	KUNIT_ASSERT_NOT_NULL(test, objs);
	strscpy(mod->name, "klp_test", sizeof(mod->name));
	mod->klp = true;
	mod->klp_alive = true;
	atomic_set(&mod->refcnt, 1);
	patch->mod = mod;
	patch->objs = objs;
	return patch;
}

/* If there was no memory at boot, the rest of the kernel goes on without us. */
static void klp_test_not_ready(struct kunit *test)
{
	struct klp_patch *patch = klp_test_patch(test);

	klp_ready = false;
	KUNIT_EXPECT_EQ(test, klp_enable_patch(patch), -ENODEV);
	klp_ready = true;
	KUNIT_EXPECT_EQ(test, klp_enable_patch(patch), -EINVAL);
}

/* Its state may not say so any more, and references may be held. */
static void klp_test_going(struct kunit *test)
{
	struct klp_patch *patch = klp_test_patch(test);

	patch->mod->klp_alive = false;
	patch->mod->state = MODULE_STATE_UNFORMED;
	KUNIT_EXPECT_EQ(test, klp_enable_patch(patch), -ENODEV);
	KUNIT_EXPECT_EQ(test, atomic_read(&patch->mod->refcnt), 1);
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
