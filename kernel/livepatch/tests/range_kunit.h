/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of range.c
 */
#ifdef CONFIG_KLP_KUNIT_TEST

#ifndef _KLP_RANGE_KUNIT_H
#define _KLP_RANGE_KUNIT_H

#include <kunit/test.h>
#include <linux/moduleparam.h>
#include <linux/prandom.h>
#include <linux/random.h>

static unsigned long klp_range_seed;
module_param_named(range_seed, klp_range_seed, ulong, 0444);
MODULE_PARM_DESC(range_seed, "Repeat the random test of address ranges with this seed (default: 0, a new one)");

static struct klp_ranges *klp_test_ranges(struct kunit *test, unsigned int max)
{
	struct klp_ranges *ranges = klp_ranges_alloc(max, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ranges);
	return ranges;
}

static void klp_test_ranges_empty(struct kunit *test)
{
	struct klp_ranges *ranges = klp_test_ranges(test, 0);

	klp_ranges_seal(ranges);
	KUNIT_EXPECT_EQ(test, ranges->nr, 0);
	KUNIT_EXPECT_NULL(test, klp_ranges_find(ranges, 0));
	KUNIT_EXPECT_NULL(test, klp_ranges_find(ranges, ULONG_MAX));
	kvfree(ranges);
}

/* Both ends belong to a range, their neighbours do not. */
static void klp_test_ranges_single(struct kunit *test)
{
	struct klp_ranges *ranges = klp_test_ranges(test, 1);

	klp_ranges_add(ranges, 100, 200);
	klp_ranges_seal(ranges);
	KUNIT_EXPECT_NULL(test, klp_ranges_find(ranges, 0));
	KUNIT_EXPECT_NULL(test, klp_ranges_find(ranges, 99));
	KUNIT_EXPECT_NOT_NULL(test, klp_ranges_find(ranges, 100));
	KUNIT_EXPECT_NOT_NULL(test, klp_ranges_find(ranges, 150));
	KUNIT_EXPECT_NOT_NULL(test, klp_ranges_find(ranges, 200));
	KUNIT_EXPECT_NULL(test, klp_ranges_find(ranges, 201));
	KUNIT_EXPECT_NULL(test, klp_ranges_find(ranges, ULONG_MAX));
	kvfree(ranges);
}

/* An index that is not filled up must not find addresses in the room left. */
static void klp_test_ranges_room(struct kunit *test)
{
	struct klp_ranges *ranges = klp_test_ranges(test, 8);

	klp_ranges_add(ranges, 7, 7);
	klp_ranges_seal(ranges);
	KUNIT_EXPECT_NULL(test, klp_ranges_find(ranges, 0));
	KUNIT_EXPECT_NULL(test, klp_ranges_find(ranges, 6));
	KUNIT_EXPECT_NOT_NULL(test, klp_ranges_find(ranges, 7));
	KUNIT_EXPECT_NULL(test, klp_ranges_find(ranges, 8));
	kvfree(ranges);
}

/* The ends of the address space, where a sum or a difference would overflow. */
static void klp_test_ranges_ends(struct kunit *test)
{
	struct klp_ranges *ranges = klp_test_ranges(test, 2);

	klp_ranges_add(ranges, ULONG_MAX - 1, ULONG_MAX);
	klp_ranges_add(ranges, 0, 1);
	klp_ranges_seal(ranges);
	KUNIT_EXPECT_EQ(test, ranges->nr, 2);
	KUNIT_EXPECT_NOT_NULL(test, klp_ranges_find(ranges, 0));
	KUNIT_EXPECT_NOT_NULL(test, klp_ranges_find(ranges, 1));
	KUNIT_EXPECT_NULL(test, klp_ranges_find(ranges, 2));
	KUNIT_EXPECT_NULL(test, klp_ranges_find(ranges, LONG_MAX));
	KUNIT_EXPECT_NULL(test, klp_ranges_find(ranges, ULONG_MAX - 2));
	KUNIT_EXPECT_NOT_NULL(test, klp_ranges_find(ranges, ULONG_MAX - 1));
	KUNIT_EXPECT_NOT_NULL(test, klp_ranges_find(ranges, ULONG_MAX));
	kvfree(ranges);

	ranges = klp_test_ranges(test, 1);
	klp_ranges_add(ranges, 0, ULONG_MAX);
	klp_ranges_seal(ranges);
	KUNIT_EXPECT_NOT_NULL(test, klp_ranges_find(ranges, 0));
	KUNIT_EXPECT_NOT_NULL(test, klp_ranges_find(ranges, LONG_MAX));
	KUNIT_EXPECT_NOT_NULL(test, klp_ranges_find(ranges, ULONG_MAX));
	kvfree(ranges);
}

static void klp_test_ranges_merge(struct kunit *test)
{
	struct klp_ranges *ranges = klp_test_ranges(test, 7);

	/* One with another inside, which ends the list of those that begin there. */
	klp_ranges_add(ranges, 120, 130);
	klp_ranges_add(ranges, 100, 200);
	/* Overlaps its end; and one that shares its last address. */
	klp_ranges_add(ranges, 190, 250);
	klp_ranges_add(ranges, 250, 260);
	/* The same twice. */
	klp_ranges_add(ranges, 50, 60);
	klp_ranges_add(ranges, 50, 60);
	/* Apart. */
	klp_ranges_add(ranges, 300, 310);
	klp_ranges_seal(ranges);

	KUNIT_ASSERT_EQ(test, ranges->nr, 3);
	KUNIT_EXPECT_EQ(test, ranges->range[0].first, 50);
	KUNIT_EXPECT_EQ(test, ranges->range[0].last, 60);
	KUNIT_EXPECT_EQ(test, ranges->range[1].first, 100);
	KUNIT_EXPECT_EQ(test, ranges->range[1].last, 260);
	KUNIT_EXPECT_EQ(test, ranges->range[2].first, 300);
	KUNIT_EXPECT_EQ(test, ranges->range[2].last, 310);
	KUNIT_EXPECT_NULL(test, klp_ranges_find(ranges, 99));
	KUNIT_EXPECT_NOT_NULL(test, klp_ranges_find(ranges, 160));
	KUNIT_EXPECT_NULL(test, klp_ranges_find(ranges, 261));
	kvfree(ranges);
}

#define KLP_TEST_SPACE	512
#define KLP_TEST_RANGES	48
#define KLP_TEST_ROUNDS	400

/* Sets of ranges within a small part of the address space, against a bitmap. */
static void klp_test_ranges_random(struct kunit *test)
{
	static const unsigned long bases[] = {
		0, LONG_MAX - KLP_TEST_SPACE / 2, ULONG_MAX - KLP_TEST_SPACE + 1,
	};
	unsigned long seed = klp_range_seed ?: get_random_long();
	unsigned int round, wrong = 0, unordered = 0;
	struct rnd_state rnd;
	unsigned long *in;

	kunit_info(test, "livepatch.range_seed=%lu\n", seed);
	prandom_seed_state(&rnd, seed);
	in = kunit_kcalloc(test, BITS_TO_LONGS(KLP_TEST_SPACE), sizeof(*in), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, in);

	for (round = 0; round < KLP_TEST_ROUNDS; round++) {
		unsigned long base = bases[round % ARRAY_SIZE(bases)];
		/* From few long ranges to many short ones. */
		unsigned int nr = prandom_u32_state(&rnd) % (KLP_TEST_RANGES + 1);
		unsigned int longest = 1 + prandom_u32_state(&rnd) % 40;
		struct klp_ranges *ranges = klp_test_ranges(test, nr);
		unsigned int i;

		bitmap_zero(in, KLP_TEST_SPACE);
		for (i = 0; i < nr; i++) {
			unsigned int first = prandom_u32_state(&rnd) % KLP_TEST_SPACE;
			unsigned int len = prandom_u32_state(&rnd) % longest + 1;

			len = min(len, KLP_TEST_SPACE - first);
			bitmap_set(in, first, len);
			klp_ranges_add(ranges, base + first, base + first + len - 1);
		}
		klp_ranges_seal(ranges);

		for (i = 1; i < ranges->nr; i++)
			unordered += ranges->range[i - 1].last >= ranges->range[i].first;
		for (i = 0; i < KLP_TEST_SPACE; i++)
			wrong += !!klp_ranges_find(ranges, base + i) != test_bit(i, in);
		kvfree(ranges);
	}
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, unordered, 0);
}

/* Who looks into an index when it is freed goes on with it. */
static void klp_test_ranges_reader(struct kunit *test)
{
	struct klp_ranges *ranges = klp_test_ranges(test, 1);
	bool in, in_modules;

	ranges->modules = klp_ranges_alloc(1, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ranges->modules);
	klp_ranges_add(ranges, 10, 19);
	klp_ranges_add(ranges->modules, 20, 29);

	rcu_read_lock();
	klp_ranges_free(ranges);
	in = klp_ranges_find(ranges, 15);
	in_modules = klp_ranges_find(ranges->modules, 25);
	rcu_read_unlock();

	KUNIT_EXPECT_TRUE(test, in);
	KUNIT_EXPECT_TRUE(test, in_modules);
}

static struct kunit_case klp_range_tests[] = {
	KUNIT_CASE(klp_test_ranges_empty),
	KUNIT_CASE(klp_test_ranges_single),
	KUNIT_CASE(klp_test_ranges_room),
	KUNIT_CASE(klp_test_ranges_ends),
	KUNIT_CASE(klp_test_ranges_merge),
	KUNIT_CASE(klp_test_ranges_random),
	KUNIT_CASE(klp_test_ranges_reader),
	{}
};

static struct kunit_suite klp_range_suite = {
	.name = "livepatch-range",
	.test_cases = klp_range_tests,
};

kunit_test_suite(klp_range_suite);

#endif /* _KLP_RANGE_KUNIT_H */

#endif /* CONFIG_KLP_KUNIT_TEST */
