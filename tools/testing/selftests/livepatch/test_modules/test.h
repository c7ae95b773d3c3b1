/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the functions of klp_target and their replacements share. They get it
 * as an argument, so that patch modules do not depend on klp_target: it may be
 * loaded before or after them, and unloaded.
 */
#ifndef _KLP_TEST_H
#define _KLP_TEST_H

#include <linux/atomic.h>
#include <linux/types.h>

/**
 * struct klp_test - the state of klp_target
 * @a:		entry of klp_target_a(), whoever is behind it now
 * @b:		entry of klp_target_b()
 * @nap:	sleep until released; not patched
 * @descend:	nap below so many frames; not patched
 * @pause:	give others a chance, each time in another way; not patched
 * @rounds_old:	rounds that the original has made
 * @rounds_new:	rounds that a replacement has made
 * @mixed:	rounds in which another version was met
 */
struct klp_test {
	int (*a)(struct klp_test *test, int caller);
	int (*b)(struct klp_test *test, int caller);
	int (*nap)(struct klp_test *test);
	int (*descend)(struct klp_test *test, int frames);
	void (*pause)(struct klp_test *test);
	atomic_t rounds_old;
	atomic_t rounds_new;
	atomic_t mixed;
};

#define KLP_TEST_FRAMES		200

/* The body of each version of klp_target_a() and klp_target_b(). */
static __always_inline int klp_test_part(struct klp_test *test, int caller, int version)
{
	if (caller != version)
		atomic_inc(&test->mixed);
	test->pause(test);
	return version;
}

/*
 * The body of each version of klp_target_pair(). It is patched together with
 * a() and b(): as long as it runs, all of them must be of its own version.
 */
static __always_inline int klp_test_round(struct klp_test *test, int version)
{
	bool same;

	same = test->a(test, version) == version;
	test->pause(test);
	same &= test->b(test, version) == version;
	test->pause(test);
	same &= test->a(test, version) == version;

	if (!same)
		atomic_inc(&test->mixed);
	atomic_inc(version ? &test->rounds_new : &test->rounds_old);
	return version;
}

#endif
