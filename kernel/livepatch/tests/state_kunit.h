/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of state.c
 */

#include <kunit/test.h>

static void klp_test_state_get(struct kunit *test)
{
	struct klp_state states[] = {
		{ .id = 7, .version = 1 },
		{ .id = ULONG_MAX, .version = 2 },
		{ }
	};
	struct klp_patch patch = { .states = states };
	struct klp_patch stateless = {};

	KUNIT_EXPECT_PTR_EQ(test, klp_get_state(&patch, 7), &states[0]);
	KUNIT_EXPECT_PTR_EQ(test, klp_get_state(&patch, ULONG_MAX), &states[1]);
	KUNIT_EXPECT_NULL(test, klp_get_state(&patch, 8));
	/* The end of the array is no state. */
	KUNIT_EXPECT_NULL(test, klp_get_state(&patch, 0));
	KUNIT_EXPECT_NULL(test, klp_get_state(&stateless, 7));
}

static void klp_test_state_before(struct kunit *test)
{
	/* Too large for the stack, with the space that KASAN leaves between them. */
	static struct klp_state oldest_states[] = { { .id = 1 }, { .id = 2 }, { } };
	static struct klp_state older_states[] = { { .id = 2 }, { } };
	static struct klp_state new_states[] = { { .id = 1 }, { .id = 3 }, { } };
	static struct klp_patch oldest = { .states = oldest_states };
	static struct klp_patch older = { .states = older_states };
	static struct klp_patch stateless;
	static struct klp_patch new = { .states = new_states };

	mutex_lock(&klp_mutex);
	list_add_tail(&oldest.list, &klp_patches);
	list_add_tail(&older.list, &klp_patches);
	list_add_tail(&stateless.list, &klp_patches);
	list_add_tail(&new.list, &klp_patches);

	KUNIT_EXPECT_PTR_EQ(test, klp_state_before(&new, 1), &oldest_states[0]);
	KUNIT_EXPECT_PTR_EQ(test, klp_state_before(&new, 2), &older_states[0]);
	KUNIT_EXPECT_NULL(test, klp_state_before(&new, 3));
	/* What is newer than the patch in transition does not count. */
	KUNIT_EXPECT_PTR_EQ(test, klp_state_before(&older, 2), &oldest_states[1]);
	KUNIT_EXPECT_NULL(test, klp_state_before(&oldest, 1));

	list_del(&oldest.list);
	list_del(&older.list);
	list_del(&stateless.list);
	list_del(&new.list);
	mutex_unlock(&klp_mutex);
}

struct klp_state_case {
	const char *name;
	bool replace;
	struct klp_state states[3];
	bool compatible;
};

/* Against patches with state 1 in version 2 and state 5 in version 1. */
static const struct klp_state_case klp_state_cases[] = {
	{ "stacked, no states",		false, { },			true },
	{ "stacked, same version",	false, { { 1, 2 } },		true },
	{ "stacked, newer",		false, { { 1, 3 } },		true },
	{ "stacked, older",		false, { { 1, 1 } },		false },
	{ "stacked, older than one",	false, { { 1, 2 }, { 5, 0 } },	false },
	{ "replace, no states",		true,  { },			false },
	{ "replace, forgets one",	true,  { { 1, 2 } },		false },
	{ "replace, same versions",	true,  { { 5, 1 }, { 1, 2 } },	true },
	{ "replace, newer",		true,  { { 1, 9 }, { 5, 9 } },	true },
	{ "replace, older",		true,  { { 1, 1 }, { 5, 1 } },	false },
};

KUNIT_ARRAY_PARAM_DESC(klp_state, klp_state_cases, name);

static void klp_test_state_compatible(struct kunit *test)
{
	const struct klp_state_case *param = test->param_value;
	struct klp_state first_states[] = { { .id = 1, .version = 2 }, { } };
	struct klp_state second_states[] = { { .id = 5, .version = 1 }, { } };
	struct klp_state states[3];
	struct klp_patch first = { .states = first_states };
	struct klp_patch second = { .states = second_states };
	struct klp_patch new = { .states = states, .replace = param->replace };

	memcpy(states, param->states, sizeof(states));

	mutex_lock(&klp_mutex);
	list_add_tail(&first.list, &klp_patches);
	list_add_tail(&second.list, &klp_patches);

	KUNIT_EXPECT_EQ(test, klp_states_compatible(&new), param->compatible);

	/* A patch that is listed already is not compared with itself. */
	list_add_tail(&new.list, &klp_patches);
	KUNIT_EXPECT_EQ(test, klp_states_compatible(&new), param->compatible);

	list_del(&first.list);
	list_del(&second.list);
	KUNIT_EXPECT_TRUE(test, klp_states_compatible(&new));
	list_del(&new.list);
	mutex_unlock(&klp_mutex);
}

static struct kunit_case klp_state_tests[] = {
	KUNIT_CASE(klp_test_state_get),
	KUNIT_CASE(klp_test_state_before),
	KUNIT_CASE_PARAM(klp_test_state_compatible, klp_state_gen_params),
	{}
};

static struct kunit_suite klp_state_suite = {
	.name = "livepatch-state",
	.test_cases = klp_state_tests,
};

kunit_test_suite(klp_state_suite);
