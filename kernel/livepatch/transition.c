// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Transitions: the phases of a patch and the order of steps between them.
 *
 * One patch at a time is in transition. What happens to it is an event; the
 * table says which events its phase takes, and everything else is refused
 * before anything is touched.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include <linux/workqueue.h>

#include <trace/events/livepatch.h>

#include "internal.h"

/*
 * The next phase, or why there is none:
 *   -EINVAL	the event makes no sense for such a patch
 *   -EBUSY	the event has to wait: the patch is in transition
 *   -ENOENT	the patch is over
 */
static const int klp_phase_table[KLP_NR_PHASES][KLP_NR_EVENTS] = {
	[KLP_NEW] = {
		[KLP_PREPARE]	= KLP_PREPARING,
		[KLP_ABORT]	= KLP_DISABLED,
		[KLP_START]	= -EINVAL,
		[KLP_COMPLETE]	= -EINVAL,
		[KLP_REVERSE]	= -EINVAL,
		[KLP_FORCE]	= -EINVAL,
		[KLP_DISABLE]	= -EINVAL,
		[KLP_REPLACE]	= -EINVAL,
	},
	[KLP_PREPARING] = {
		[KLP_PREPARE]	= -EBUSY,
		[KLP_ABORT]	= KLP_DISABLED,
		[KLP_START]	= KLP_PATCHING,
		[KLP_COMPLETE]	= -EINVAL,
		[KLP_REVERSE]	= -EBUSY,
		[KLP_FORCE]	= -EINVAL,
		[KLP_DISABLE]	= -EBUSY,
		[KLP_REPLACE]	= -EBUSY,
	},
	[KLP_PATCHING] = {
		[KLP_PREPARE]	= -EBUSY,
		[KLP_ABORT]	= -EINVAL,
		[KLP_START]	= -EINVAL,
		[KLP_COMPLETE]	= KLP_PATCHED,
		[KLP_REVERSE]	= KLP_UNPATCHING,
		[KLP_FORCE]	= KLP_PATCHING,
		[KLP_DISABLE]	= -EBUSY,
		[KLP_REPLACE]	= -EBUSY,
	},
	[KLP_PATCHED] = {
		[KLP_PREPARE]	= -EINVAL,
		[KLP_ABORT]	= -EINVAL,
		[KLP_START]	= -EINVAL,
		[KLP_COMPLETE]	= -EINVAL,
		[KLP_REVERSE]	= -EINVAL,
		[KLP_FORCE]	= -EINVAL,
		[KLP_DISABLE]	= KLP_UNPATCHING,
		[KLP_REPLACE]	= KLP_DISABLED,
	},
	[KLP_UNPATCHING] = {
		[KLP_PREPARE]	= -EBUSY,
		[KLP_ABORT]	= -EINVAL,
		[KLP_START]	= -EINVAL,
		[KLP_COMPLETE]	= KLP_DISABLED,
		[KLP_REVERSE]	= KLP_PATCHING,
		[KLP_FORCE]	= KLP_UNPATCHING,
		[KLP_DISABLE]	= -EBUSY,
		[KLP_REPLACE]	= -EBUSY,
	},
	[KLP_DISABLED] = {
		[KLP_PREPARE]	= -ENOENT,
		[KLP_ABORT]	= -ENOENT,
		[KLP_START]	= -ENOENT,
		[KLP_COMPLETE]	= -ENOENT,
		[KLP_REVERSE]	= -ENOENT,
		[KLP_FORCE]	= -ENOENT,
		[KLP_DISABLE]	= -ENOENT,
		[KLP_REPLACE]	= -ENOENT,
	},
};

static const struct {
	const char *name;
	bool enabled;	/* what sysfs says */
	bool in_transition;	/* so does it */
} klp_phases[KLP_NR_PHASES] = {
	[KLP_NEW]		= { "new",		false,	false },
	[KLP_PREPARING]		= { "preparing",	false,	true },
	[KLP_PATCHING]		= { "patching",		true,	true },
	[KLP_PATCHED]		= { "patched",		true,	false },
	[KLP_UNPATCHING]	= { "unpatching",	false,	true },
	[KLP_DISABLED]		= { "disabled",		false,	false },
};

/* The patch in transition, or NULL. Lock: M. */
static struct klp_patch *klp_running;

static void klp_stuck_fn(struct work_struct *work);
static DECLARE_DELAYED_WORK(klp_stuck_work, klp_stuck_fn);

/* 0: never. Written under M; sysfs shows whatever it finds. */
static unsigned int stuck_secs = 15;

static void klp_arm_stuck(void)
{
	lockdep_assert_held(&klp_mutex);

	if (stuck_secs)
		mod_delayed_work(system_wq, &klp_stuck_work, (unsigned long)stuck_secs * HZ);
	else
		cancel_delayed_work(&klp_stuck_work);
}

/* Whoever sees a transition hang may want it to be pushed from now on. */
static int stuck_secs_set(const char *value, const struct kernel_param *param)
{
	int err;

	guard(mutex)(&klp_mutex);

	err = param_set_uint(value, param);
	if (!err && klp_running)
		klp_arm_stuck();
	return err;
}

static const struct kernel_param_ops stuck_secs_ops = {
	.set = stuck_secs_set,
	.get = param_get_uint,
};
module_param_cb(stuck_secs, &stuck_secs_ops, &stuck_secs, 0644);
MODULE_PARM_DESC(stuck_secs,
		 "Seconds until tasks that have not switched are woken, and between later attempts; 0: never (default: 15)");

/**
 * klp_phase_next() - look an event up in the phase table
 * @phase: where a patch is
 * @event: what is to happen to it
 *
 * Return: the next phase; -EINVAL, -EBUSY or -ENOENT if the event is refused.
 */
int klp_phase_next(enum klp_phase phase, enum klp_event event)
{
	return klp_phase_table[phase][event];
}

const char *klp_phase_name(enum klp_phase phase)
{
	return klp_phases[phase].name;
}

/**
 * klp_phase_enabled() - what a patch's "enabled" file says
 * @phase: where the patch is
 *
 * Return: true for 1.
 */
bool klp_phase_enabled(enum klp_phase phase)
{
	return klp_phases[phase].enabled;
}

/**
 * klp_phase_in_transition() - what a patch's "transition" file says
 * @phase: where the patch is
 *
 * Return: true for 1.
 */
bool klp_phase_in_transition(enum klp_phase phase)
{
	return klp_phases[phase].in_transition;
}

/**
 * klp_transition_patch() - the patch in transition
 *
 * Context: klp_mutex held.
 * Return: the patch or NULL.
 */
struct klp_patch *klp_transition_patch(void)
{
	lockdep_assert_held(&klp_mutex);
	return klp_running;
}

/* The only setter of a phase. */
static void klp_step(struct klp_patch *patch, enum klp_event event)
{
	int next = klp_phase_next(patch->phase, event);
	ktime_t now = ktime_get();

	lockdep_assert_held(&klp_mutex);

	if (WARN_ON_ONCE(next < 0))
		return;

	trace_klp_phase(patch->mod->name, klp_phase_name(patch->phase),
			klp_phase_name(next),
			ktime_to_ns(ktime_sub(now, patch->phase_since)));

	WRITE_ONCE(patch->phase, next);
	patch->phase_since = now;
	sysfs_notify(&patch->kobj, NULL, "enabled");
	sysfs_notify(&patch->kobj, NULL, "transition");
}

/* Which state tasks come to, and the word for it in the log. */
static int klp_goal(const struct klp_patch *patch)
{
	return patch->phase == KLP_UNPATCHING ? KLP_TRANSITION_UNPATCHED
					      : KLP_TRANSITION_PATCHED;
}

static const char *klp_direction(const struct klp_patch *patch)
{
	return patch->phase == KLP_UNPATCHING ? "unpatching" : "patching";
}

/* ---- what may not be on a stack ---- */

/*
 * A return address may be the first byte behind a function, if it ends with a
 * call: ranges include it. And it is a function's first byte while a task is
 * between the handler and the function.
 */
static void klp_add_extent(struct klp_ranges *ranges, const struct klp_extent *extent)
{
	if (extent->addr)
		klp_ranges_add(ranges, extent->addr, extent->addr + extent->size);
}

static void klp_add_original(struct klp_ranges *ranges, const struct klp_func *func)
{
	klp_add_extent(ranges, &func->old);
	klp_add_extent(ranges, &func->old_cold);
}

static void klp_add_version(struct klp_ranges *ranges, const struct klp_func *func)
{
	if (func->nop) {
		klp_add_original(ranges, func);
	} else {
		klp_add_extent(ranges, &func->new);
		klp_add_extent(ranges, &func->new_cold);
	}
}

static unsigned int klp_count_patches(void)
{
	return list_count_nodes(&klp_patches);
}

static unsigned int klp_count_attached(void)
{
	struct klp_patch *patch;
	struct klp_object *obj;
	struct klp_func *func;
	unsigned int nr = 0;

	list_for_each_entry(patch, &klp_patches, list) {
		klp_for_each_object(patch, obj) {
			klp_for_each_func(obj, func)
				nr += !!func->site;
		}
	}
	return nr;
}

/*
 * A patch replaces those that are older. When its disabling is turned round there
 * are none any more, but there may be patches above it, which stay.
 */
static bool klp_replaces(const struct klp_patch *patch, struct klp_patch *old)
{
	lockdep_assert_held(&klp_mutex);

	if (!patch->replace || old == patch)
		return false;
	list_for_each_entry_continue(old, &klp_patches, list) {
		if (old == patch)
			return true;
	}
	return false;
}

/* Whether no task uses @old any more when all have come to @goal of @patch. */
static bool klp_leaves_patch(struct klp_patch *patch, int goal, struct klp_patch *old)
{
	if (goal == KLP_TRANSITION_UNPATCHED)
		return old == patch;
	return klp_replaces(patch, old);
}

/*
 * A new function may end with a jump to another one of its module, which then
 * sleeps: nothing tells that a task came there through a patch. So a patch that
 * goes is left as a whole.
 */
static void klp_add_modules(struct klp_ranges *modules, struct klp_patch *patch, int goal)
{
	struct klp_patch *old;

	list_for_each_entry(old, &klp_patches, list) {
		const struct module_memory *text = &old->mod->mem[MOD_TEXT];

		if (klp_leaves_patch(patch, goal, old))
			klp_ranges_add(modules, (unsigned long)text->base,
				       (unsigned long)text->base + text->size);
	}
	klp_ranges_seal(modules);
}

/* What the tasks leave when they come to @goal of @patch, which is attached. */
static struct klp_ranges *klp_ranges_to_leave(struct klp_patch *patch, int goal, gfp_t gfp)
{
	struct klp_ranges *ranges;
	struct klp_patch *old;
	struct klp_object *obj;
	struct klp_func *func, *below;

	lockdep_assert_held(&klp_mutex);

	/* At most a window, an original or a version, and its cold part for each. */
	ranges = klp_ranges_alloc(3 * klp_count_attached(), gfp);
	if (!ranges)
		return NULL;
	ranges->modules = klp_ranges_alloc(klp_count_patches(), gfp);
	if (!ranges->modules) {
		klp_ranges_free(ranges);
		return NULL;
	}
	klp_add_modules(ranges->modules, patch, goal);

	klp_for_each_object(patch, obj) {
		klp_for_each_func(obj, func) {
			unsigned long first, last;

			if (!func->site)
				continue;
			below = klp_site_below(func);
			if (goal == KLP_TRANSITION_UNPATCHED)
				klp_add_version(ranges, func);
			else if (!below)
				klp_add_original(ranges, func);
			else if (!patch->replace)
				klp_add_version(ranges, below);
			/* In the original: in this order there is little to sort. */
			klp_site_window(func->site, &first, &last);
			klp_ranges_add(ranges, first, last);
		}
	}

	/* Replaced patches go altogether, also with what is below others. */
	list_for_each_entry(old, &klp_patches, list) {
		if (!klp_leaves_patch(patch, goal, old) || old == patch)
			continue;
		klp_for_each_object(old, obj) {
			klp_for_each_func(obj, func) {
				if (func->site)
					klp_add_version(ranges, func);
			}
		}
	}
	klp_ranges_seal(ranges);
	return ranges;
}

/* ---- steps ---- */

/* For all functions of a patch that are attached: let the two states differ. */
static void klp_split(struct klp_patch *patch)
{
	struct klp_object *obj;
	struct klp_func *func;

	klp_for_each_object(patch, obj) {
		klp_for_each_func(obj, func) {
			if (func->site)
				klp_site_split(func);
		}
	}
}

/* No site of a patch may jump while the two states differ there. */
static int klp_leave_jumps(struct klp_patch *patch)
{
	struct klp_object *obj;
	struct klp_func *func;

	klp_for_each_object(patch, obj) {
		klp_for_each_func(obj, func) {
			if (func->site)
				klp_site_hold(func->site);
		}
	}
	return klp_sites_leave_jumps();
}

static void klp_detach(struct klp_patch *patch)
{
	struct klp_object *obj;

	klp_for_each_object(patch, obj)
		klp_object_detach(obj);
}

static void klp_detach_noops(struct klp_patch *patch)
{
	struct klp_object *obj;
	struct klp_func *func;

	klp_for_each_object(patch, obj) {
		klp_for_each_func(obj, func) {
			if (func->nop)
				klp_site_detach(func);
		}
	}
}

static void klp_settle(struct klp_patch *patch)
{
	struct klp_object *obj;
	struct klp_func *func;

	klp_for_each_object(patch, obj) {
		klp_for_each_func(obj, func) {
			if (func->site)
				klp_site_settle(func->site);
		}
	}
}

/* Put an object's functions under ftrace; in the log if it fails. */
static int klp_hook(struct klp_patch *patch)
{
	struct klp_func *refused, *func;
	struct klp_object *obj;
	int err;

	err = klp_sites_hook(&refused);
	if (!err)
		return 0;

	klp_for_each_object(patch, obj) {
		klp_for_each_func(obj, func) {
			if (func != refused)
				continue;
			pr_err("failed to register ftrace handler for function '%s' (%d)\n",
			       func->old_name, err);
			pr_warn("failed to patch object '%s'\n", klp_object_label(obj));
		}
	}
	return err;
}

static void klp_start_switching(struct klp_patch *patch, struct klp_ranges *ranges)
{
	pr_notice("'%s': starting %s transition\n", patch->mod->name, klp_direction(patch));
	klp_tasks_open(klp_goal(patch), ranges);
	klp_arm_stuck();
}

static void klp_abort(struct klp_patch *patch)
{
	struct klp_object *obj;

	pr_warn("failed to enable patch '%s'\n", patch->mod->name);
	pr_debug("'%s': canceling patching transition, going to unpatch\n", patch->mod->name);
	pr_debug("'%s': completing unpatching transition\n", patch->mod->name);

	klp_detach(patch);
	klp_sites_sweep();

	klp_for_each_object(patch, obj)
		klp_callback_post_unpatch(obj);

	klp_running = NULL;
	klp_patch_delist(patch);
	klp_step(patch, KLP_ABORT);
	pr_notice("'%s': unpatching complete\n", patch->mod->name);
}

/**
 * klp_transition_enable() - start the transition to a new patch
 * @patch: built, bound, in sysfs, in phase KLP_NEW; no other one is in transition
 *
 * Context: klp_mutex held; may sleep.
 * Return: 0; then the transition runs. An error of a callback or of ftrace, or
 * -ENOMEM: then the patch is in KLP_DISABLED, and as far as anything was done it
 * is undone.
 */
int klp_transition_enable(struct klp_patch *patch)
{
	struct klp_ranges *ranges;
	struct klp_object *obj;
	int err;

	lockdep_assert_held(&klp_mutex);

	pr_notice("enabling patch '%s'\n", patch->mod->name);
	klp_running = patch;
	klp_patch_enlist(patch);
	klp_step(patch, KLP_PREPARE);
	pr_debug("'%s': initializing %s transition\n", patch->mod->name, klp_direction(patch));

	klp_for_each_object(patch, obj) {
		err = klp_callback_pre_patch(obj);
		if (err)
			goto err_abort;
	}
	klp_for_each_object(patch, obj) {
		err = klp_object_attach(obj);
		if (err) {
			pr_warn("failed to patch object '%s'\n", klp_object_label(obj));
			goto err_abort;
		}
	}
	err = klp_hook(patch);
	if (err)
		goto err_abort;

	err = -ENOMEM;
	ranges = klp_ranges_to_leave(patch, KLP_TRANSITION_PATCHED, GFP_KERNEL);
	if (!ranges)
		goto err_abort;
	err = klp_leave_jumps(patch);
	if (err) {
		klp_ranges_free(ranges);
		goto err_abort;
	}

	klp_tasks_enter(KLP_TRANSITION_UNPATCHED);
	klp_split(patch);
	klp_step(patch, KLP_START);
	klp_start_switching(patch, ranges);
	return 0;

err_abort:
	klp_abort(patch);
	return err;
}

/**
 * klp_transition_discard() - give up a patch before its transition
 * @patch: a patch in KLP_NEW
 *
 * Context: klp_mutex held.
 */
void klp_transition_discard(struct klp_patch *patch)
{
	klp_step(patch, KLP_ABORT);
}

/**
 * klp_transition_disable() - start the transition away from a patch
 * @patch: an enabled patch
 *
 * Context: klp_mutex held; may sleep.
 * Return: 0; then the transition runs. -EBUSY if another one does, an error of
 * klp_phase_next() if the patch is in no phase for it, -ENOMEM, or -ENODEV or
 * -EIO if ftrace is dead.
 */
int klp_transition_disable(struct klp_patch *patch)
{
	struct klp_ranges *ranges;
	struct klp_object *obj;
	int next, err;

	lockdep_assert_held(&klp_mutex);

	next = klp_phase_next(patch->phase, KLP_DISABLE);
	if (next < 0)
		return next;
	if (klp_running)
		return -EBUSY;

	ranges = klp_ranges_to_leave(patch, KLP_TRANSITION_UNPATCHED, GFP_KERNEL);
	if (!ranges)
		return -ENOMEM;
	err = klp_leave_jumps(patch);
	if (err) {
		/* Nothing was split yet: this only lets go of the sites. */
		klp_settle(patch);
		klp_ranges_free(ranges);
		return err;
	}

	klp_running = patch;
	klp_step(patch, KLP_DISABLE);
	pr_debug("'%s': initializing %s transition\n", patch->mod->name, klp_direction(patch));

	klp_for_each_object(patch, obj)
		klp_callback_pre_unpatch(obj);

	klp_tasks_enter(KLP_TRANSITION_PATCHED);
	klp_split(patch);
	klp_start_switching(patch, ranges);
	return 0;
}

/**
 * klp_transition_reverse() - turn a running transition round
 * @patch: the patch in transition
 *
 * The sites stay as they are; tasks that have switched switch back.
 *
 * Context: klp_mutex held; may sleep.
 * Return: 0, an error of klp_phase_next(), or -ENOMEM.
 */
int klp_transition_reverse(struct klp_patch *patch)
{
	struct klp_ranges *ranges;
	int next;

	lockdep_assert_held(&klp_mutex);

	next = klp_phase_next(patch->phase, KLP_REVERSE);
	if (next < 0)
		return next;

	ranges = klp_ranges_to_leave(patch, !klp_goal(patch), GFP_KERNEL);
	if (!ranges)
		return -ENOMEM;

	pr_debug("'%s': reversing transition from %s\n", patch->mod->name,
		 klp_goal(patch) == KLP_TRANSITION_PATCHED ?
		 "patching to unpatching" : "unpatching to patching");

	cancel_delayed_work(&klp_stuck_work);
	klp_tasks_close();
	klp_tasks_wait_switching();
	klp_step(patch, KLP_REVERSE);
	klp_start_switching(patch, ranges);
	return 0;
}

/**
 * struct klp_pin - a module that stays loaded because its patch was forced out
 * @node:	in klp_pins
 * @mod:	the module
 */
struct klp_pin {
	struct list_head node;
	struct module *mod;
};

/* Protected by klp_mutex. */
static LIST_HEAD(klp_pins);

static void klp_drop_pins(struct list_head *pins)
{
	struct klp_pin *pin, *next;

	list_for_each_entry_safe(pin, next, pins, node)
		kfree(pin);
}

/*
 * Make a pin for the module of each patch that is left: code that some task may
 * still be in must stay loaded for ever. That cannot be had of a module whose init
 * has not succeeded yet, or that goes: the loader would free it.
 */
static int klp_make_pins(struct klp_patch *patch, struct list_head *pins)
{
	struct klp_patch *old;
	struct klp_pin *pin;

	lockdep_assert_held(&klp_mutex);

	list_for_each_entry(old, &klp_patches, list) {
		if (!klp_leaves_patch(patch, klp_goal(patch), old))
			continue;
		if (old->mod->state != MODULE_STATE_LIVE) {
			pr_err("patch '%s' cannot be forced: the loader may free module '%s'\n",
			       patch->mod->name, old->mod->name);
			return -EBUSY;
		}
		if (klp_is_pinned(old->mod))
			continue;
		pin = kmalloc(sizeof(*pin), GFP_KERNEL);
		if (!pin)
			return -ENOMEM;
		pin->mod = old->mod;
		list_add(&pin->node, pins);
	}
	return 0;
}

/**
 * klp_is_pinned() - whether a patch of a module was forced out
 * @mod: the module
 *
 * Context: klp_mutex held.
 * Return: whether tasks may be in functions of such a patch for ever.
 */
bool klp_is_pinned(const struct module *mod)
{
	struct klp_pin *pin;

	lockdep_assert_held(&klp_mutex);

	list_for_each_entry(pin, &klp_pins, node) {
		if (pin->mod == mod)
			return true;
	}
	return false;
}

/**
 * klp_unpin() - forget that a patch of a module was forced out
 * @mod: the module, which goes: only CONFIG_MODULE_FORCE_UNLOAD lets it
 *
 * Context: klp_mutex held.
 */
void klp_unpin(const struct module *mod)
{
	struct klp_pin *pin, *next;

	lockdep_assert_held(&klp_mutex);

	list_for_each_entry_safe(pin, next, &klp_pins, node) {
		if (pin->mod != mod)
			continue;
		list_del(&pin->node);
		kfree(pin);
	}
}

/**
 * klp_transition_force() - end a transition whatever tasks are doing
 * @patch: the patch in transition
 *
 * Context: klp_mutex held; may sleep.
 * Return: 0, also if all have switched by themselves; an error of
 * klp_phase_next() if @patch is not in transition; -EBUSY
 * if a module would have to stay loaded that may not; or -ENOMEM.
 */
int klp_transition_force(struct klp_patch *patch)
{
	LIST_HEAD(pins);
	int next, err;

	lockdep_assert_held(&klp_mutex);

	next = klp_phase_next(patch->phase, KLP_FORCE);
	if (next < 0)
		return next;
	/* Only the completion is to come: there is nobody to be forced. */
	if (!klp_tasks_pending()) {
		/* If it does not come, that was kept from us. */
		klp_tasks_rescan();
		return 0;
	}

	err = klp_make_pins(patch, &pins);
	if (!err) {
		/* The wording is interface; it may be the unpatched state. */
		pr_warn("forcing remaining tasks to the patched state\n");
		/* The last ones may just have switched by themselves. */
		if (klp_tasks_force())
			list_splice_init(&pins, &klp_pins);
		klp_step(patch, KLP_FORCE);
	}
	klp_drop_pins(&pins);
	return err;
}

static void klp_complete_patching(struct klp_patch *patch, struct list_head *done)
{
	struct klp_patch *old, *next;
	struct klp_object *obj;

	list_for_each_entry(old, &klp_patches, list) {
		if (klp_replaces(patch, old))
			klp_detach(old);
	}
	if (patch->replace)
		klp_detach_noops(patch);
	klp_settle(patch);
	klp_sites_sweep();
	klp_tasks_leave();

	if (patch->replace)
		klp_patch_drop_noops(patch);

	/* The callbacks may still ask for the states of replaced patches. */
	klp_for_each_object(patch, obj)
		klp_callback_post_patch(obj);

	list_for_each_entry_safe(old, next, &klp_patches, list) {
		if (!klp_replaces(patch, old))
			continue;
		klp_step(old, KLP_REPLACE);
		klp_patch_delist(old);
		list_add_tail(&old->list, done);
	}
}

static void klp_complete_unpatching(struct klp_patch *patch, struct list_head *done)
{
	struct klp_object *obj;

	klp_detach(patch);
	klp_sites_sweep();
	klp_tasks_leave();

	klp_for_each_object(patch, obj)
		klp_callback_post_unpatch(obj);
	klp_patch_delist(patch);
	list_add_tail(&patch->list, done);
}

/**
 * klp_transition_complete() - finish the transition if all tasks have switched
 * @done: takes the patches that are over; the caller releases them
 *
 * Context: klp_mutex held; may sleep.
 */
void klp_transition_complete(struct list_head *done)
{
	struct klp_patch *patch = klp_running;
	const char *direction;

	lockdep_assert_held(&klp_mutex);

	/* A reversal may have come first: then there is another completion. */
	if (!patch || klp_tasks_pending())
		return;

	direction = klp_direction(patch);
	pr_debug("'%s': completing %s transition\n", patch->mod->name, direction);
	cancel_delayed_work(&klp_stuck_work);
	/*
	 * Who has read the goal and is slow comes to where it is already. Those who
	 * died in the state that was left still use its versions.
	 */
	klp_tasks_close();
	klp_tasks_wait_dead();

	if (klp_goal(patch) == KLP_TRANSITION_PATCHED)
		klp_complete_patching(patch, done);
	else
		klp_complete_unpatching(patch, done);
	klp_sites_enter_jumps();

	klp_running = NULL;
	pr_notice("'%s': %s complete\n", patch->mod->name, direction);
	klp_step(patch, KLP_COMPLETE);
}

/* Tasks do not come by themselves: ask them, and look once more. */
static void klp_stuck_fn(struct work_struct *work)
{
	guard(mutex)(&klp_mutex);

	if (!klp_running)
		return;

	if (klp_tasks_pending()) {
		pr_notice("signaling remaining tasks\n");
		klp_tasks_wake();
	}
	klp_tasks_rescan();
	klp_arm_stuck();
}

/* ---- modules that come and go ---- */

static int klp_refresh_ranges(gfp_t gfp)
{
	struct klp_ranges *ranges;

	lockdep_assert_held(&klp_mutex);

	if (!klp_running)
		return 0;
	ranges = klp_ranges_to_leave(klp_running, klp_goal(klp_running), gfp);
	if (!ranges)
		return -ENOMEM;
	klp_tasks_set_ranges(ranges);
	return 0;
}

/**
 * klp_transition_add_object() - patch a module that is being loaded
 * @patch: an enabled or enabling patch
 * @obj: its object for the module, bound
 *
 * Nothing of the module has run yet: its functions take on whatever phase the
 * patch is in.
 *
 * Context: klp_mutex held; may sleep.
 * Return: 0, an error of the pre_patch callback or of ftrace, or -ENOMEM; then
 * nothing is left attached.
 */
int klp_transition_add_object(struct klp_patch *patch, struct klp_object *obj)
{
	struct klp_func *func;
	int err;

	lockdep_assert_held(&klp_mutex);

	err = klp_callback_pre_patch(obj);
	if (err)
		return err;

	err = klp_object_attach(obj);
	if (err) {
		pr_warn("failed to patch object '%s'\n", klp_object_label(obj));
		goto err_detach;
	}
	klp_for_each_func(obj, func) {
		/* A no-op for an alias is attached nowhere. */
		if (!func->site)
			continue;
		if (patch == klp_running)
			klp_site_split(func);
		else
			klp_site_settle(func->site);
	}

	err = klp_refresh_ranges(GFP_KERNEL);
	if (err)
		goto err_detach;
	err = klp_hook(patch);
	if (err)
		goto err_detach;

	if (patch != klp_running)
		klp_callback_post_patch(obj);
	return 0;

err_detach:
	klp_object_detach(obj);
	klp_sites_sweep();
	/* Ranges that stayed could be hit by another module at that place, for ever. */
	klp_refresh_ranges(GFP_KERNEL | __GFP_NOFAIL);
	klp_callback_post_unpatch(obj);
	return err;
}

/**
 * klp_transition_remove_object() - unpatch a module that goes
 * @patch: an enabled or enabling patch
 * @obj: its object for the module
 *
 * Nothing of the module runs any more.
 *
 * Context: klp_mutex held; may sleep.
 */
void klp_transition_remove_object(struct klp_patch *patch, struct klp_object *obj)
{
	lockdep_assert_held(&klp_mutex);

	if (patch != klp_running)
		klp_callback_pre_unpatch(obj);

	pr_notice("reverting patch '%s' on unloading module '%s'\n",
		  patch->mod->name, obj->name);
	klp_object_detach(obj);
	klp_sites_sweep();
	/* What comes to that place next is not to be taken for this module. */
	klp_refresh_ranges(GFP_KERNEL | __GFP_NOFAIL);

	klp_callback_post_unpatch(obj);
}

#ifdef CONFIG_KLP_KUNIT_TEST
#include "tests/transition_kunit.h"
#endif
