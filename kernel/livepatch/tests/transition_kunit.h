/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of transition.c: what the documentation says of phases and events,
 * written down a second time.
 */
#ifdef CONFIG_KLP_KUNIT_TEST

#ifndef _KLP_TRANSITION_KUNIT_H
#define _KLP_TRANSITION_KUNIT_H

#include <kunit/test.h>

struct klp_phase_case {
	const char *name;
	enum klp_phase phase;
	enum klp_event event;
	int next;
};

#define KLP_PHASE_CASE(phase, event, next) \
	{ #phase " " #event, KLP_##phase, KLP_##event, next }

static const struct klp_phase_case klp_phase_cases[] = {
	/* A new patch is prepared or given up; nobody can ask it for more. */
	KLP_PHASE_CASE(NEW, PREPARE, KLP_PREPARING),
	KLP_PHASE_CASE(NEW, ABORT, KLP_DISABLED),
	KLP_PHASE_CASE(NEW, START, -EINVAL),
	KLP_PHASE_CASE(NEW, COMPLETE, -EINVAL),
	KLP_PHASE_CASE(NEW, REVERSE, -EINVAL),
	KLP_PHASE_CASE(NEW, FORCE, -EINVAL),
	KLP_PHASE_CASE(NEW, DISABLE, -EINVAL),
	KLP_PHASE_CASE(NEW, REPLACE, -EINVAL),

	/* No task switches yet: nothing to complete or to force. */
	KLP_PHASE_CASE(PREPARING, PREPARE, -EBUSY),
	KLP_PHASE_CASE(PREPARING, ABORT, KLP_DISABLED),
	KLP_PHASE_CASE(PREPARING, START, KLP_PATCHING),
	KLP_PHASE_CASE(PREPARING, COMPLETE, -EINVAL),
	KLP_PHASE_CASE(PREPARING, REVERSE, -EBUSY),
	KLP_PHASE_CASE(PREPARING, FORCE, -EINVAL),
	KLP_PHASE_CASE(PREPARING, DISABLE, -EBUSY),
	KLP_PHASE_CASE(PREPARING, REPLACE, -EBUSY),

	/* Tasks switch: it can only be completed, hurried or turned round. */
	KLP_PHASE_CASE(PATCHING, PREPARE, -EBUSY),
	KLP_PHASE_CASE(PATCHING, ABORT, -EINVAL),
	KLP_PHASE_CASE(PATCHING, START, -EINVAL),
	KLP_PHASE_CASE(PATCHING, COMPLETE, KLP_PATCHED),
	KLP_PHASE_CASE(PATCHING, REVERSE, KLP_UNPATCHING),
	KLP_PHASE_CASE(PATCHING, FORCE, KLP_PATCHING),
	KLP_PHASE_CASE(PATCHING, DISABLE, -EBUSY),
	KLP_PHASE_CASE(PATCHING, REPLACE, -EBUSY),

	/* At rest: it can be disabled or replaced. */
	KLP_PHASE_CASE(PATCHED, PREPARE, -EINVAL),
	KLP_PHASE_CASE(PATCHED, ABORT, -EINVAL),
	KLP_PHASE_CASE(PATCHED, START, -EINVAL),
	KLP_PHASE_CASE(PATCHED, COMPLETE, -EINVAL),
	KLP_PHASE_CASE(PATCHED, REVERSE, -EINVAL),
	KLP_PHASE_CASE(PATCHED, FORCE, -EINVAL),
	KLP_PHASE_CASE(PATCHED, DISABLE, KLP_UNPATCHING),
	KLP_PHASE_CASE(PATCHED, REPLACE, KLP_DISABLED),

	/* As patching, the other way. */
	KLP_PHASE_CASE(UNPATCHING, PREPARE, -EBUSY),
	KLP_PHASE_CASE(UNPATCHING, ABORT, -EINVAL),
	KLP_PHASE_CASE(UNPATCHING, START, -EINVAL),
	KLP_PHASE_CASE(UNPATCHING, COMPLETE, KLP_DISABLED),
	KLP_PHASE_CASE(UNPATCHING, REVERSE, KLP_PATCHING),
	KLP_PHASE_CASE(UNPATCHING, FORCE, KLP_UNPATCHING),
	KLP_PHASE_CASE(UNPATCHING, DISABLE, -EBUSY),
	KLP_PHASE_CASE(UNPATCHING, REPLACE, -EBUSY),

	/* Over: the module has to be loaded again. */
	KLP_PHASE_CASE(DISABLED, PREPARE, -ENOENT),
	KLP_PHASE_CASE(DISABLED, ABORT, -ENOENT),
	KLP_PHASE_CASE(DISABLED, START, -ENOENT),
	KLP_PHASE_CASE(DISABLED, COMPLETE, -ENOENT),
	KLP_PHASE_CASE(DISABLED, REVERSE, -ENOENT),
	KLP_PHASE_CASE(DISABLED, FORCE, -ENOENT),
	KLP_PHASE_CASE(DISABLED, DISABLE, -ENOENT),
	KLP_PHASE_CASE(DISABLED, REPLACE, -ENOENT),
};

KUNIT_ARRAY_PARAM_DESC(klp_phase, klp_phase_cases, name);

static void klp_test_phase_next(struct kunit *test)
{
	const struct klp_phase_case *param = test->param_value;

	KUNIT_EXPECT_EQ(test, klp_phase_next(param->phase, param->event), param->next);
}

/* A phase or an event that is added has to be added above, too. */
static void klp_test_phase_every_cell(struct kunit *test)
{
	unsigned int seen[KLP_NR_PHASES][KLP_NR_EVENTS] = {};
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(klp_phase_cases); i++)
		seen[klp_phase_cases[i].phase][klp_phase_cases[i].event]++;
	for (i = 0; i < KLP_NR_PHASES; i++) {
		for (j = 0; j < KLP_NR_EVENTS; j++)
			KUNIT_EXPECT_EQ_MSG(test, seen[i][j], 1, "%s, event %u",
					    klp_phase_name(i), j);
	}
}

/* A disabled patch stays disabled, and nothing leads back to a new one. */
static void klp_test_phase_end(struct kunit *test)
{
	unsigned int phase, event;

	for (phase = 0; phase < KLP_NR_PHASES; phase++) {
		for (event = 0; event < KLP_NR_EVENTS; event++) {
			int next = klp_phase_next(phase, event);

			/* 0 is KLP_NEW: a cell that was left out would lead there. */
			KUNIT_EXPECT_NE(test, next, KLP_NEW);
			KUNIT_EXPECT_LT(test, next, KLP_NR_PHASES);
			if (phase == KLP_DISABLED)
				KUNIT_EXPECT_LT(test, next, 0);
		}
	}
}

static void klp_test_phase_enabled(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, klp_phase_enabled(KLP_NEW));
	KUNIT_EXPECT_FALSE(test, klp_phase_enabled(KLP_PREPARING));
	KUNIT_EXPECT_TRUE(test, klp_phase_enabled(KLP_PATCHING));
	KUNIT_EXPECT_TRUE(test, klp_phase_enabled(KLP_PATCHED));
	KUNIT_EXPECT_FALSE(test, klp_phase_enabled(KLP_UNPATCHING));
	KUNIT_EXPECT_FALSE(test, klp_phase_enabled(KLP_DISABLED));
}

static void klp_test_phase_in_transition(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, klp_phase_in_transition(KLP_NEW));
	KUNIT_EXPECT_TRUE(test, klp_phase_in_transition(KLP_PREPARING));
	KUNIT_EXPECT_TRUE(test, klp_phase_in_transition(KLP_PATCHING));
	KUNIT_EXPECT_FALSE(test, klp_phase_in_transition(KLP_PATCHED));
	KUNIT_EXPECT_TRUE(test, klp_phase_in_transition(KLP_UNPATCHING));
	KUNIT_EXPECT_FALSE(test, klp_phase_in_transition(KLP_DISABLED));
}

static void klp_test_phase_name(struct kunit *test)
{
	KUNIT_EXPECT_STREQ(test, klp_phase_name(KLP_NEW), "new");
	KUNIT_EXPECT_STREQ(test, klp_phase_name(KLP_PREPARING), "preparing");
	KUNIT_EXPECT_STREQ(test, klp_phase_name(KLP_PATCHING), "patching");
	KUNIT_EXPECT_STREQ(test, klp_phase_name(KLP_PATCHED), "patched");
	KUNIT_EXPECT_STREQ(test, klp_phase_name(KLP_UNPATCHING), "unpatching");
	KUNIT_EXPECT_STREQ(test, klp_phase_name(KLP_DISABLED), "disabled");
}

/* Where tasks go in each phase in which they go anywhere. */
static void klp_test_phase_goal(struct kunit *test)
{
	struct klp_patch patch = { .phase = KLP_PREPARING };

	KUNIT_EXPECT_EQ(test, klp_goal(&patch), KLP_TRANSITION_PATCHED);
	patch.phase = KLP_PATCHING;
	KUNIT_EXPECT_EQ(test, klp_goal(&patch), KLP_TRANSITION_PATCHED);
	KUNIT_EXPECT_STREQ(test, klp_direction(&patch), "patching");
	patch.phase = KLP_UNPATCHING;
	KUNIT_EXPECT_EQ(test, klp_goal(&patch), KLP_TRANSITION_UNPATCHED);
	KUNIT_EXPECT_STREQ(test, klp_direction(&patch), "unpatching");
}

static struct module *klp_test_pinned(struct kunit *test)
{
	struct module *mod = kunit_kzalloc(test, sizeof(*mod), GFP_KERNEL);
	struct klp_pin *pin = kmalloc(sizeof(*pin), GFP_KERNEL);

	if (!mod || !pin) {
		kfree(pin);
		return NULL;
	}
	pin->mod = mod;
	list_add(&pin->node, &klp_pins);
	return mod;
}

/* A module that comes to the place of one that went by force was not forced out. */
static void klp_test_unpin(struct kunit *test)
{
	struct module *mod[2];
	bool before[2], after[2];
	LIST_HEAD(real);
	bool none;
	int i;

	mutex_lock(&klp_mutex);
	/* Run anew, by debugfs, it may find that some were forced out. */
	list_splice_init(&klp_pins, &real);
	for (i = 0; i < 2; i++) {
		mod[i] = klp_test_pinned(test);
		before[i] = mod[i] && klp_is_pinned(mod[i]);
	}
	klp_unpin(mod[1]);
	for (i = 0; i < 2; i++)
		after[i] = klp_is_pinned(mod[i]);
	klp_unpin(mod[0]);
	none = list_empty(&klp_pins);
	/* What a failure has left is of modules that are no more. */
	klp_drop_pins(&klp_pins);
	INIT_LIST_HEAD(&klp_pins);
	list_splice(&real, &klp_pins);
	mutex_unlock(&klp_mutex);

	KUNIT_EXPECT_TRUE(test, before[0] && before[1]);
	KUNIT_EXPECT_TRUE(test, after[0]);
	KUNIT_EXPECT_FALSE(test, after[1]);
	KUNIT_EXPECT_TRUE(test, none);
}

static struct kunit_case klp_transition_tests[] = {
	KUNIT_CASE_PARAM(klp_test_phase_next, klp_phase_gen_params),
	KUNIT_CASE(klp_test_phase_every_cell),
	KUNIT_CASE(klp_test_phase_end),
	KUNIT_CASE(klp_test_phase_enabled),
	KUNIT_CASE(klp_test_phase_in_transition),
	KUNIT_CASE(klp_test_phase_name),
	KUNIT_CASE(klp_test_phase_goal),
	KUNIT_CASE(klp_test_unpin),
	{}
};

static struct kunit_suite klp_transition_suite = {
	.name = "livepatch-transition",
	.test_cases = klp_transition_tests,
};

kunit_test_suite(klp_transition_suite);

#endif /* _KLP_TRANSITION_KUNIT_H */

#endif /* CONFIG_KLP_KUNIT_TEST */
