/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of sysfs.c: only what no selftest can bring about.
 */

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/mm.h>
#include <linux/workqueue.h>

/* Somebody who looks at the files of a patch that is being shown. */
struct klp_test_visitor {
	struct klp_patch patch;
	struct work_struct work;
	struct completion done;
	ssize_t enabled;
	ssize_t force;
	ssize_t order;
	char buf[PAGE_SIZE];
};

static void klp_test_visit_files(struct work_struct *work)
{
	struct klp_test_visitor *v = container_of(work, struct klp_test_visitor, work);
	struct kobject *kobj = &v->patch.kobj;

	v->enabled = klp_enabled_store(kobj, &klp_enabled_attr, "1", 1);
	v->force = klp_force_store(kobj, &klp_force_attr, "1", 1);
	v->order = klp_stack_order_show(kobj, &klp_stack_order_attr, v->buf);
	complete(&v->done);
}

/* Who shows the patch holds M, and may have to wait for the visitor. */
static void klp_test_being_shown(struct kunit *test)
{
	struct klp_test_visitor *v = kunit_kzalloc(test, sizeof(*v), GFP_KERNEL);
	unsigned long left;

	KUNIT_ASSERT_NOT_NULL(test, v);
	v->patch.phase = KLP_NEW;
	init_completion(&v->done);
	INIT_WORK(&v->work, klp_test_visit_files);

	mutex_lock(&klp_mutex);
	queue_work(system_unbound_wq, &v->work);
	left = wait_for_completion_timeout(&v->done, 30 * HZ);
	mutex_unlock(&klp_mutex);
	flush_work(&v->work);

	KUNIT_EXPECT_NE_MSG(test, left, 0, "a file waits for klp_mutex");
	KUNIT_EXPECT_EQ(test, v->enabled, -EBUSY);
	KUNIT_EXPECT_EQ(test, v->force, -EBUSY);
	KUNIT_EXPECT_EQ(test, v->order, -ENOENT);
}

static struct kunit_case klp_sysfs_tests[] = {
	KUNIT_CASE(klp_test_being_shown),
	{}
};

static struct kunit_suite klp_sysfs_suite = {
	.name = "livepatch-sysfs",
	.test_cases = klp_sysfs_tests,
};

kunit_test_suite(klp_sysfs_suite);
