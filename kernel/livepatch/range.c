// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The range index: which addresses may not be on a task's stack.
 *
 * Built once for each start of a transition, sealed, then published and only
 * read. A look-up is one binary search, whatever the number of functions.
 */

#include <linux/sched.h>
#include <linux/slab.h>

#include "internal.h"

/**
 * klp_ranges_alloc() - make an empty index
 * @max: number of ranges it must have room for
 * @gfp: GFP_KERNEL, and __GFP_NOFAIL if nobody could go on without it
 *
 * Context: may sleep.
 * Return: the index, to be freed with klp_ranges_free(), or NULL without memory.
 */
struct klp_ranges *klp_ranges_alloc(unsigned int max, gfp_t gfp)
{
	struct klp_ranges *ranges;

	ranges = kvzalloc(struct_size(ranges, range, max), gfp);
	if (ranges)
		ranges->max = max;
	return ranges;
}

static void klp_ranges_free_rcu(struct rcu_head *rcu)
{
	struct klp_ranges *ranges = container_of(rcu, struct klp_ranges, rcu);

	kvfree(ranges->modules);
	kvfree(ranges);
}

/**
 * klp_ranges_free() - free an index when nobody looks into it any more
 * @ranges: the index, or NULL
 *
 * Context: any.
 */
void klp_ranges_free(struct klp_ranges *ranges)
{
	if (ranges)
		call_rcu(&ranges->rcu, klp_ranges_free_rcu);
}

/**
 * klp_ranges_add() - add a range to an index that is not sealed yet
 * @ranges: the index
 * @first: the first address that counts
 * @last: the last address that counts
 */
void klp_ranges_add(struct klp_ranges *ranges, unsigned long first, unsigned long last)
{
	if (WARN_ON_ONCE(ranges->nr == ranges->max))
		return;
	ranges->range[ranges->nr++] = (struct klp_range){ first, last };
}

static int klp_range_cmp(const void *a, const void *b)
{
	const struct klp_range *ra = a, *rb = b;

	/* Thousands of ranges take sort() milliseconds. */
	cond_resched();
	if (ra->first != rb->first)
		return ra->first < rb->first ? -1 : 1;
	return 0;
}

/**
 * klp_ranges_seal() - make an index ready for look-ups
 * @ranges: the index
 *
 * Ranges that touch or overlap are merged: a binary search needs them disjoint.
 *
 * Context: may sleep.
 */
void klp_ranges_seal(struct klp_ranges *ranges)
{
	struct klp_range *out = ranges->range;
	unsigned int i;

	if (!ranges->nr)
		return;

	klp_sort(ranges->range, ranges->nr, sizeof(*ranges->range), klp_range_cmp);

	for (i = 1; i < ranges->nr; i++) {
		struct klp_range *in = &ranges->range[i];

		if (in->first <= out->last)
			out->last = max(out->last, in->last);
		else
			*++out = *in;
	}
	ranges->nr = out - ranges->range + 1;
}

/**
 * klp_ranges_find() - look an address up in a sealed index
 * @ranges: the index
 * @addr: the address
 *
 * Context: any.
 * Return: the range that @addr is in, for as long as the index, or NULL.
 */
const struct klp_range *klp_ranges_find(const struct klp_ranges *ranges, unsigned long addr)
{
	unsigned int low = 0, high = ranges->nr;

	while (low < high) {
		unsigned int mid = low + (high - low) / 2;
		const struct klp_range *range = &ranges->range[mid];

		if (addr < range->first)
			high = mid;
		else if (addr > range->last)
			low = mid + 1;
		else
			return range;
	}
	return NULL;
}

#ifdef CONFIG_KLP_KUNIT_TEST
#include "tests/range_kunit.h"
#endif
