/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of shadow.c
 */

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/kthread.h>

/* Ids that no patch is likely to use. */
#define KLP_TEST_ID	0x6b6c7000UL

static atomic_t klp_test_ctors;
static atomic_t klp_test_dtors;

/* The data is the object's address plus what is passed. */
static int klp_test_ctor(void *obj, void *shadow_data, void *ctor_data)
{
	unsigned long *data = shadow_data;

	if (*data)
		return -EEXIST;
	*data = (unsigned long)obj + (unsigned long)ctor_data;
	atomic_inc(&klp_test_ctors);
	return 0;
}

/* And tells where it was, if somebody wants to know. */
static int klp_test_ctor_fails(void *obj, void *shadow_data, void *ctor_data)
{
	*(unsigned long *)shadow_data = 1;
	if (ctor_data)
		*(void **)ctor_data = shadow_data;
	return -EPERM;
}

/* A variable under construction cannot be found. */
static int klp_test_ctor_looks(void *obj, void *shadow_data, void *ctor_data)
{
	*(void **)ctor_data = klp_shadow_get(obj, KLP_TEST_ID);
	return 0;
}

static void klp_test_dtor(void *obj, void *shadow_data)
{
	unsigned long *data = shadow_data;

	/* Twice for one variable would not count. */
	if (*data == (unsigned long)obj)
		atomic_inc(&klp_test_dtors);
	*data = 0;
}

static int klp_test_shadow_init(struct kunit *test)
{
	atomic_set(&klp_test_ctors, 0);
	atomic_set(&klp_test_dtors, 0);
	return 0;
}

static void klp_test_shadow_exit(struct kunit *test)
{
	unsigned long id;

	for (id = KLP_TEST_ID; id < KLP_TEST_ID + 4; id++)
		klp_shadow_free_all(id, NULL);
}

static void klp_test_shadow_basic(struct kunit *test)
{
	unsigned long a, b, *data;
	void *seen = &seen;

	KUNIT_EXPECT_NULL(test, klp_shadow_get(&a, KLP_TEST_ID));

	data = klp_shadow_alloc(&a, KLP_TEST_ID, sizeof(*data), GFP_KERNEL, klp_test_ctor,
				(void *)3);
	KUNIT_ASSERT_NOT_NULL(test, data);
	KUNIT_EXPECT_EQ(test, *data, (unsigned long)&a + 3);
	KUNIT_EXPECT_TRUE(test, IS_ALIGNED((unsigned long)data, __alignof__(u64)));
	KUNIT_EXPECT_PTR_EQ(test, klp_shadow_get(&a, KLP_TEST_ID), (void *)data);

	/* Neither the object nor the id alone finds it. */
	KUNIT_EXPECT_NULL(test, klp_shadow_get(&b, KLP_TEST_ID));
	KUNIT_EXPECT_NULL(test, klp_shadow_get(&a, KLP_TEST_ID + 1));

	KUNIT_EXPECT_PTR_EQ(test, klp_shadow_get_or_alloc(&a, KLP_TEST_ID, sizeof(*data),
							  GFP_KERNEL, klp_test_ctor, NULL),
			    (void *)data);
	KUNIT_EXPECT_EQ(test, atomic_read(&klp_test_ctors), 1);

	klp_shadow_free(&a, KLP_TEST_ID, NULL);
	KUNIT_EXPECT_NULL(test, klp_shadow_get(&a, KLP_TEST_ID));
	/* Freeing what is not there is nothing. */
	klp_shadow_free(&a, KLP_TEST_ID, klp_test_dtor);
	KUNIT_EXPECT_EQ(test, atomic_read(&klp_test_dtors), 0);

	/* Without a constructor the data is zero; NULL and 0 are keys as good as any. */
	data = klp_shadow_alloc(NULL, KLP_TEST_ID, 64, GFP_KERNEL, NULL, NULL);
	KUNIT_ASSERT_NOT_NULL(test, data);
	KUNIT_EXPECT_NULL(test, memchr_inv(data, 0, 64));

	KUNIT_EXPECT_NOT_NULL(test, klp_shadow_alloc(&a, KLP_TEST_ID, 0, GFP_KERNEL,
						     klp_test_ctor_looks, &seen));
	KUNIT_EXPECT_NULL(test, seen);
}

static void klp_test_shadow_exists(struct kunit *test)
{
	void *data, *again;
	bool existed;
	int obj;

	data = klp_shadow_add(&obj, KLP_TEST_ID, 8, GFP_KERNEL, klp_test_ctor, NULL, &existed);
	KUNIT_ASSERT_NOT_NULL(test, data);
	KUNIT_EXPECT_FALSE(test, existed);

	/* klp_shadow_alloc() warns about this, which a test run must not. */
	again = klp_shadow_add(&obj, KLP_TEST_ID, 8, GFP_KERNEL, klp_test_ctor, NULL, &existed);
	KUNIT_EXPECT_TRUE(test, existed);
	KUNIT_EXPECT_PTR_EQ(test, again, data);
	KUNIT_EXPECT_EQ(test, atomic_read(&klp_test_ctors), 1);
}

static void klp_test_shadow_ctor_fails(struct kunit *test)
{
	int obj, nr = atomic_read(&klp_shadow_table.nelems);

	KUNIT_EXPECT_NULL(test, klp_shadow_alloc(&obj, KLP_TEST_ID, 8, GFP_KERNEL,
						 klp_test_ctor_fails, NULL));
	KUNIT_EXPECT_NULL(test, klp_shadow_get_or_alloc(&obj, KLP_TEST_ID, 8, GFP_KERNEL,
							klp_test_ctor_fails, NULL));
	KUNIT_EXPECT_NULL(test, klp_shadow_get(&obj, KLP_TEST_ID));
	KUNIT_EXPECT_EQ(test, atomic_read(&klp_shadow_table.nelems), nr);

	/* Nothing is left that would be in the way. */
	KUNIT_EXPECT_NOT_NULL(test, klp_shadow_alloc(&obj, KLP_TEST_ID, 8, GFP_KERNEL,
						     klp_test_ctor, NULL));
	klp_shadow_free(&obj, KLP_TEST_ID, klp_test_dtor);
	KUNIT_EXPECT_EQ(test, atomic_read(&klp_test_dtors), 1);
}

/* Who has come to a variable may look at it although it goes meanwhile. */
static void klp_test_shadow_reader(struct kunit *test)
{
	unsigned long *data, seen;
	int obj;

	data = klp_shadow_alloc(&obj, KLP_TEST_ID, 8, GFP_KERNEL, klp_test_ctor, NULL);
	KUNIT_ASSERT_NOT_NULL(test, data);
	rcu_read_lock();
	klp_shadow_free(&obj, KLP_TEST_ID, NULL);
	seen = READ_ONCE(*data);
	rcu_read_unlock();
	KUNIT_EXPECT_EQ(test, seen, (unsigned long)&obj);
}

/* The same for one that could not be made. */
static void klp_test_shadow_failed_reader(struct kunit *test)
{
	unsigned long *data = NULL, seen = 0;
	int obj;

	rcu_read_lock();
	klp_shadow_alloc(&obj, KLP_TEST_ID, 8, GFP_ATOMIC, klp_test_ctor_fails, &data);
	if (data)
		seen = READ_ONCE(*data);
	rcu_read_unlock();
	KUNIT_EXPECT_EQ(test, seen, 1);
}

static void klp_test_shadow_too_large(struct kunit *test)
{
	int obj;

	KUNIT_EXPECT_NULL(test, klp_shadow_alloc(&obj, KLP_TEST_ID, SIZE_MAX,
						 GFP_KERNEL | __GFP_NOWARN, NULL, NULL));
	KUNIT_EXPECT_NULL(test, klp_shadow_get(&obj, KLP_TEST_ID));
}

#define KLP_TEST_MANY	20000

/* The table grows from its smallest size with no chance for its work to run. */
static void klp_test_shadow_atomic(struct kunit *test)
{
	unsigned long i, flags, missing = 0, left = 0;

	local_irq_save(flags);
	for (i = 1; i <= 2000; i++) {
		if (!klp_shadow_alloc((void *)(i * 64), KLP_TEST_ID, 8, GFP_ATOMIC,
				      klp_test_ctor, NULL))
			missing++;
	}
	for (i = 1; i <= 2000; i++) {
		unsigned long *data = klp_shadow_get((void *)(i * 64), KLP_TEST_ID);

		if (!data || *data != i * 64)
			missing++;
	}
	for (i = 1; i <= 2000; i += 2)
		klp_shadow_free((void *)(i * 64), KLP_TEST_ID, klp_test_dtor);
	klp_shadow_free_all(KLP_TEST_ID, klp_test_dtor);
	for (i = 1; i <= 2000; i++)
		left += !!klp_shadow_get((void *)(i * 64), KLP_TEST_ID);
	local_irq_restore(flags);

	KUNIT_EXPECT_EQ(test, missing, 0);
	KUNIT_EXPECT_EQ(test, left, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&klp_test_dtors), 2000);
}

/* Chains stay short although addresses and ids are as regular as they come. */
static void klp_test_shadow_spread(struct kunit *test)
{
	static const unsigned int strides[] = { 1, 8, 64, 192, 4096, 1 << 20 };
	unsigned int s, i, longest = 0;
	u8 *count;

	count = kunit_kzalloc(test, 4096, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, count);

	for (s = 0; s < ARRAY_SIZE(strides); s++) {
		memset(count, 0, 4096);
		for (i = 0; i < 3072; i++) {
			struct klp_shadow_key key = {
				.obj = (void *)(PAGE_OFFSET + (unsigned long)i / 2 * strides[s]),
				.id = i % 2,
			};

			count[klp_shadow_hash(&key, sizeof(key), 12345 * s) % 4096]++;
		}
		for (i = 0; i < 4096; i++)
			longest = max_t(unsigned int, longest, count[i]);
	}
	/* Random numbers give 6 or 7; the table takes action at 16. */
	KUNIT_EXPECT_LE(test, longest, 10);
}

struct klp_test_racer {
	struct completion *start;
	struct completion done;
	void **found;
	int nr;
};

static int klp_test_race(void *arg)
{
	struct klp_test_racer *racer = arg;
	unsigned long i;

	wait_for_completion(racer->start);
	for (i = 0; i < racer->nr; i++) {
		racer->found[i] = klp_shadow_get_or_alloc((void *)(i * 64), KLP_TEST_ID, 8,
							  GFP_KERNEL, klp_test_ctor, NULL);
		/* What is found is constructed. */
		if (racer->found[i] && *(unsigned long *)racer->found[i] != i * 64)
			racer->found[i] = NULL;
	}
	complete(&racer->done);
	return 0;
}

static void klp_test_shadow_race(struct kunit *test)
{
	DECLARE_COMPLETION_ONSTACK(start);
	struct klp_test_racer racer[3];
	unsigned int i, r, differ = 0;

	for (r = 0; r < ARRAY_SIZE(racer); r++) {
		racer[r].start = &start;
		init_completion(&racer[r].done);
		racer[r].nr = KLP_TEST_MANY;
		racer[r].found = kunit_kcalloc(test, KLP_TEST_MANY, sizeof(void *), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, racer[r].found);
	}
	for (r = 0; r < ARRAY_SIZE(racer); r++) {
		if (IS_ERR(kthread_run(klp_test_race, &racer[r], "klp_test/%u", r))) {
			KUNIT_FAIL(test, "no kthread");
			complete(&racer[r].done);
		}
	}
	complete_all(&start);
	for (r = 0; r < ARRAY_SIZE(racer); r++)
		wait_for_completion(&racer[r].done);

	for (i = 0; i < KLP_TEST_MANY; i++) {
		for (r = 0; r < ARRAY_SIZE(racer); r++)
			differ += !racer[r].found[i] || racer[r].found[i] != racer[0].found[i];
	}
	KUNIT_EXPECT_EQ(test, differ, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&klp_test_ctors), KLP_TEST_MANY);
}

static int klp_test_free_all(void *arg)
{
	struct klp_test_racer *racer = arg;

	wait_for_completion(racer->start);
	klp_shadow_free_all(KLP_TEST_ID + 1, klp_test_dtor);
	complete(&racer->done);
	return 0;
}

/*
 * Two walks remove every other variable while a third task adds more, so that
 * the table is resized under them in both directions.
 */
static void klp_test_shadow_free_all(struct kunit *test)
{
	DECLARE_COMPLETION_ONSTACK(start);
	struct klp_test_racer racer[3];
	unsigned long i, lost = 0, left = 0;
	unsigned int r;

	for (i = 1; i <= KLP_TEST_MANY; i++) {
		unsigned long id = KLP_TEST_ID + 1 + i % 2;

		if (!klp_shadow_alloc((void *)(i * 64), id, 8, GFP_KERNEL, klp_test_ctor, NULL))
			lost++;
	}
	KUNIT_ASSERT_EQ(test, lost, 0);

	for (r = 0; r < ARRAY_SIZE(racer); r++) {
		racer[r].start = &start;
		init_completion(&racer[r].done);
		racer[r].nr = KLP_TEST_MANY;
		racer[r].found = kunit_kcalloc(test, KLP_TEST_MANY, sizeof(void *), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, racer[r].found);
	}
	for (r = 0; r < ARRAY_SIZE(racer); r++) {
		if (IS_ERR(kthread_run(r ? klp_test_free_all : klp_test_race, &racer[r],
				       "klp_test/%u", r))) {
			KUNIT_FAIL(test, "no kthread");
			complete(&racer[r].done);
		}
	}
	complete_all(&start);
	for (r = 0; r < ARRAY_SIZE(racer); r++)
		wait_for_completion(&racer[r].done);

	for (i = 1; i <= KLP_TEST_MANY; i++) {
		unsigned long *data = klp_shadow_get((void *)(i * 64), KLP_TEST_ID + 1 + i % 2);

		if (i % 2)
			lost += !data || *data != i * 64;
		else
			left += !!data;
	}
	KUNIT_EXPECT_EQ(test, left, 0);
	KUNIT_EXPECT_EQ(test, lost, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&klp_test_dtors), KLP_TEST_MANY / 2);
	for (i = 0; i < KLP_TEST_MANY; i++)
		lost += racer[0].found[i] != klp_shadow_get((void *)(i * 64), KLP_TEST_ID);
	KUNIT_EXPECT_EQ(test, lost, 0);
}

static struct kunit_case klp_shadow_tests[] = {
	KUNIT_CASE(klp_test_shadow_basic),
	KUNIT_CASE(klp_test_shadow_exists),
	KUNIT_CASE(klp_test_shadow_ctor_fails),
	KUNIT_CASE(klp_test_shadow_reader),
	KUNIT_CASE(klp_test_shadow_failed_reader),
	KUNIT_CASE(klp_test_shadow_too_large),
	KUNIT_CASE(klp_test_shadow_atomic),
	KUNIT_CASE(klp_test_shadow_spread),
	KUNIT_CASE(klp_test_shadow_race),
	KUNIT_CASE(klp_test_shadow_free_all),
	{}
};

static struct kunit_suite klp_shadow_suite = {
	.name = "livepatch-shadow",
	.init = klp_test_shadow_init,
	.exit = klp_test_shadow_exit,
	.test_cases = klp_shadow_tests,
};

kunit_test_suite(klp_shadow_suite);
