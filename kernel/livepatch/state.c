// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * System states: what patches change beside code, told by numbers.
 *
 * The core keeps no state of its own. A patch lists what it changes, its
 * callbacks look up what earlier patches have left, and a patch that would
 * take over without knowing what is there is refused.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bug.h>
#include <linux/export.h>

#include "internal.h"

/**
 * klp_get_state() - find a system state that a patch changes
 * @patch: the patch
 * @id: which state
 *
 * For callbacks and for the code that they share with the rest of a patch.
 *
 * Return: the patch's own &struct klp_state, or NULL if it does not list @id.
 */
struct klp_state *klp_get_state(struct klp_patch *patch, unsigned long id)
{
	struct klp_state *state;

	for (state = patch->states; state && state->id; state++) {
		if (state->id == id)
			return state;
	}
	return NULL;
}
EXPORT_SYMBOL_GPL(klp_get_state);

/* The newest word on @id among the patches that are older than @patch. */
static struct klp_state *klp_state_before(struct klp_patch *patch, unsigned long id)
{
	struct klp_state *state, *latest = NULL;
	struct klp_patch *older;

	lockdep_assert_held(&klp_mutex);

	list_for_each_entry(older, &klp_patches, list) {
		if (older == patch)
			break;
		state = klp_get_state(older, id);
		if (state)
			latest = state;
	}
	return latest;
}

/**
 * klp_get_prev_state() - find what the patches before the current one have left
 * @id: which state
 *
 * Only for callbacks: it looks at the patches that were enabled before the one
 * in transition. A callback that finds a state takes over its &klp_state.data.
 *
 * Return: the &struct klp_state of the latest of them that lists @id, or NULL
 * if none does.
 */
struct klp_state *klp_get_prev_state(unsigned long id)
{
	struct klp_patch *patch = klp_transition_patch();

	if (WARN_ON_ONCE(!patch))
		return NULL;

	return klp_state_before(patch, id);
}
EXPORT_SYMBOL_GPL(klp_get_prev_state);

static bool klp_state_compatible(struct klp_patch *patch, const struct klp_state *old)
{
	struct klp_state *state = klp_get_state(patch, old->id);

	/* Only who replaces the owner of a state has to deal with it. */
	if (!state)
		return !patch->replace;

	return state->version >= old->version;
}

/**
 * klp_states_compatible() - whether a patch can deal with all that is there
 * @patch: the patch to be enabled
 *
 * A state that another patch has may be taken over only by the same version of
 * its change or by a newer one, and a patch that replaces must know all of them.
 *
 * Context: klp_mutex held.
 * Return: false if the patch must not be enabled.
 */
bool klp_states_compatible(struct klp_patch *patch)
{
	const struct klp_state *old;
	struct klp_patch *older;

	lockdep_assert_held(&klp_mutex);

	list_for_each_entry(older, &klp_patches, list) {
		if (older == patch)
			continue;
		for (old = older->states; old && old->id; old++) {
			if (!klp_state_compatible(patch, old))
				return false;
		}
	}
	return true;
}

#ifdef CONFIG_KLP_KUNIT_TEST
#include "tests/state_kunit.h"
#endif
