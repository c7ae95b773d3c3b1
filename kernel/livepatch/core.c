// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where the livepatch core is called: by patch modules, and by the module
 * loader for modules that come and go.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/wait.h>
#include <linux/workqueue.h>

#include "internal.h"

/* M in the lock legend of internal.h. */
DEFINE_MUTEX(klp_mutex);

/*
 * Patches that are over or were refused, and are still to be released: the first
 * comes first. Lock: M.
 */
static LIST_HEAD(klp_done);

/* Whether a patch that was taken off klp_done is being released just now. Lock: M. */
static bool klp_releasing;

/* Woken when a transition has ended or a patch has been released. */
static DECLARE_WAIT_QUEUE_HEAD(klp_settled);

static struct workqueue_struct *klp_wq;

/* Constant once patch modules can be loaded. */
static bool klp_ready;

static void klp_complete_fn(struct work_struct *work);
static DECLARE_WORK(klp_complete_work, klp_complete_fn);

/* Of a transition; and it releases what is in klp_done. */
static void klp_queue_completion(void)
{
	queue_work(klp_wq, &klp_complete_work);
}

/* klp_mutex is not held: see klp_sysfs_remove(). */
static void klp_release_patches(void)
{
	struct klp_patch *patch;
	struct module *mod;
	bool pinned;

	for (;;) {
		scoped_guard(mutex, &klp_mutex) {
			patch = list_first_entry_or_null(&klp_done, struct klp_patch, list);
			klp_releasing = patch;
			if (patch) {
				list_del(&patch->list);
				mod = patch->mod;
				pinned = klp_is_pinned(mod);
			}
		}
		wake_up_all(&klp_settled);
		if (!patch)
			return;

		klp_sysfs_remove(patch);
		klp_patch_drop_noops(patch);

		/* The patch may go with its module's last reference. */
		if (!pinned)
			module_put(mod);
	}
}

static void klp_complete_fn(struct work_struct *work)
{
	scoped_guard(mutex, &klp_mutex)
		klp_transition_complete(&klp_done);
	klp_release_patches();
}

/* Whether no patch that is over is still to be released, whosever it was. */
static bool klp_all_released(void)
{
	lockdep_assert_held(&klp_mutex);

	return list_empty(&klp_done) && !klp_releasing;
}

/* Wait for a condition that ends of transitions and releases of patches change. */
static void klp_wait_settled(bool (*condition)(struct module *mod), struct module *mod)
{
	DEFINE_WAIT_FUNC(wait, woken_wake_function);

	add_wait_queue(&klp_settled, &wait);
	/* A step towards it may fail for want of memory: look again every second. */
	while (!condition(mod)) {
		wait_woken(&wait, TASK_UNINTERRUPTIBLE, HZ);
		/*
		 * A kthread that is to stop does not sleep in there. And a patch of
		 * those functions finds current out of them only here.
		 */
		cond_resched();
	}
	remove_wait_queue(&klp_settled, &wait);
}

/*
 * Take klp_mutex, but not while an earlier patch is being released: that one is in
 * no list any more, and a new patch may consist of its structures.
 */
static bool klp_lock_released(struct module *unused)
{
	bool released;

	mutex_lock(&klp_mutex);
	released = klp_all_released();
	if (!released)
		mutex_unlock(&klp_mutex);
	return released;
}

static int klp_bind_patch(struct klp_patch *patch)
{
	struct klp_object *obj;
	struct module *mod;
	int err;

	err = klp_relocs_check(patch);
	if (err)
		return err;

	/* The module may have enabled a patch before. */
	klp_relocs_forget(patch->mod);

	klp_for_each_object(patch, obj) {
		mod = NULL;
		if (obj->name) {
			mod = klp_object_find_module(obj);
			if (!mod)
				continue;
		}
		err = klp_object_bind(patch, obj, mod);
		if (err)
			return err;
	}
	return 0;
}

/* Late relocations of a patch that is given up are taken back. */
static void klp_unbind_patch(struct klp_patch *patch)
{
	struct klp_object *obj;

	klp_for_each_object(patch, obj) {
		if (obj->mod)
			klp_object_unbind(patch, obj);
	}
}

static int klp_check_call(const struct klp_patch *patch)
{
	if (!patch || !patch->mod) {
		pr_err("a patch without a module cannot be enabled\n");
		return -EINVAL;
	}
	if (!patch->objs) {
		pr_err("patch '%s' has no objects\n", patch->mod->name);
		return -EINVAL;
	}
	if (!is_livepatch_module(patch->mod)) {
		pr_err("module '%s' is not marked as a livepatch module\n", patch->mod->name);
		return -EINVAL;
	}
	if (!klp_ready) {
		pr_err("patch '%s': live patching could not be initialized\n",
		       patch->mod->name);
		return -ENODEV;
	}
	return 0;
}

/* Everything that can be said without touching the patch or a reference. */
static int klp_check_patch(struct klp_patch *patch)
{
	int err;

	if (klp_transition_patch()) {
		pr_err("patch '%s' has to wait for the transition of '%s'\n",
		       patch->mod->name, klp_transition_patch()->mod->name);
		return -EBUSY;
	}
	/* Another patch of the module would take away what its functions refer to. */
	if (klp_is_pinned(patch->mod)) {
		pr_err("patch '%s' was forced out and cannot be enabled again\n",
		       patch->mod->name);
		return -EINVAL;
	}
	err = klp_patch_check(patch);
	if (err)
		return err;
	if (!klp_states_compatible(patch)) {
		pr_err("Livepatch patch (%s) is not compatible with the already installed livepatches.\n",
		       patch->mod->name);
		return -EINVAL;
	}
	return 0;
}

/**
 * klp_enable_patch() - enable a live patch
 * @patch: the patch, to be kept until the module exits
 *
 * To be called from the patch module's init. When it returns 0, calls go to
 * the new functions as tasks switch to them one by one, and a reference to the
 * module is held until the patch is disabled or replaced.
 *
 * When it returns an error, nothing refers to @patch any more.
 *
 * Context: process context, may sleep. Takes klp_mutex.
 * Return:
 * * 0: the transition to @patch has begun
 * * -EINVAL: a structure is incomplete, has something twice, is in use or was
 *   forced out; a module to be patched carries a patch itself; the
 *   module is not marked with MODULE_INFO(livepatch, "Y"); the patch's states
 *   do not fit those of earlier patches; a function's name is ambiguous, or it
 *   is there by two names, or cannot be traced; a replacement is not in the module's text
 * * -ENAMETOOLONG: a name is longer than any module's or symbol's
 * * -EEXIST: the module has enabled a patch before
 * * -ENOENT: a function does not exist or its size is not known
 * * -EBUSY: another patch is in transition; ftrace is switched off; somebody
 *   else redirects one of the functions
 * * -ENODEV: live patching is not initialized, ftrace has given up, or the module
 *   is on its way out
 * * -ENOMEM: no memory
 * * what a pre_patch callback has returned
 * * an error of klp_apply_section_relocs(); for an object that is not there, of
 *   what its section alone can be found to have
 * * -EIO: ftrace has failed
 */
int klp_enable_patch(struct klp_patch *patch)
{
	int err;

	err = klp_check_call(patch);
	if (err)
		return err;

	if (!klp_have_reliable_stack())
		pr_warn_once("stacks cannot be checked here: tasks switch only when they leave the kernel\n");

	klp_wait_settled(klp_lock_released, NULL);
	/* First: its structures may have gone with its exit. */
	if (!patch->mod->klp_alive || !try_module_get(patch->mod)) {
		mutex_unlock(&klp_mutex);
		pr_err("module '%s' is on its way out\n", patch->mod->name);
		return -ENODEV;
	}
	err = klp_check_patch(patch);
	if (err) {
		module_put(patch->mod);
		mutex_unlock(&klp_mutex);
		return err;
	}

	err = klp_patch_build(patch);
	if (err) {
		klp_patch_drop_noops(patch);
		module_put(patch->mod);
		mutex_unlock(&klp_mutex);
		return err;
	}
	err = klp_sysfs_add(patch);
	if (!err)
		err = klp_bind_patch(patch);
	if (err)
		klp_transition_discard(patch);
	else
		err = klp_transition_enable(patch);
	if (err) {
		klp_unbind_patch(patch);
		/* Another call has to wait until it is released. */
		list_add_tail(&patch->list, &klp_done);
	}
	mutex_unlock(&klp_mutex);
	if (!err)
		return 0;

	klp_queue_completion();
	klp_wait_settled(klp_lock_released, NULL);
	mutex_unlock(&klp_mutex);
	return err;
}
EXPORT_SYMBOL_GPL(klp_enable_patch);

/*
 * ---- modules ----
 *
 * join, leave: of a module that is patched. evict: of one that carries a patch.
 */

static void klp_leave_module(struct module *mod)
{
	struct klp_object *obj;

	lockdep_assert_held(&klp_mutex);

	list_for_each_entry(obj, klp_objects_by_name(mod->name), name_node) {
		if (obj->mod != mod)
			continue;
		klp_transition_remove_object(obj->patch, obj);
		klp_object_unbind(obj->patch, obj);
	}
}

static int klp_join_object(struct klp_patch *patch, struct klp_object *obj, struct module *mod)
{
	int err;

	err = klp_object_bind(patch, obj, mod);
	if (!err) {
		pr_notice("applying patch '%s' to loading module '%s'\n",
			  patch->mod->name, mod->name);
		err = klp_transition_add_object(patch, obj);
		if (err)
			klp_object_unbind(patch, obj);
	}
	if (err)
		pr_warn("patch '%s' failed for module '%s', refusing to load module '%s'\n",
			patch->mod->name, mod->name, mod->name);
	return err;
}

/**
 * klp_module_coming() - patch a module before its init runs
 * @mod: the module, in MODULE_STATE_COMING
 *
 * Context: process context, may sleep. Takes klp_mutex.
 * Return: 0, or why a patch could not be applied: then the module must not be
 * loaded, and all patches are as they were.
 */
int klp_module_coming(struct module *mod)
{
	struct klp_object *obj;
	bool joined = false;
	int err;

	if (!strcmp(mod->name, "vmlinux")) {
		pr_err("a module cannot be named 'vmlinux': that is the kernel itself\n");
		return -EINVAL;
	}

	guard(mutex)(&klp_mutex);

	/* From here on klp_enable_patch() finds the module. */
	mod->klp_alive = true;

	list_for_each_entry(obj, klp_objects_by_name(mod->name), name_node) {
		if (strcmp(obj->name, mod->name))
			continue;
		err = klp_join_object(obj->patch, obj, mod);
		if (err) {
			mod->klp_alive = false;
			klp_leave_module(mod);
			return err;
		}
		joined = true;
	}
	/* Not before all patches over its functions are there. */
	if (joined)
		klp_sites_enter_jumps();
	return 0;
}

static struct klp_patch *klp_patch_of_module(struct module *mod)
{
	struct klp_patch *patch;

	lockdep_assert_held(&klp_mutex);

	list_for_each_entry(patch, &klp_patches, list) {
		if (patch->mod == mod)
			return patch;
	}
	return NULL;
}

/* One step towards a module that carries no patch any more; true at the end. */
static bool klp_evict_step(struct module *mod)
{
	struct klp_patch *patch;
	int err = 0;

	guard(mutex)(&klp_mutex);

	patch = klp_patch_of_module(mod);
	if (patch) {
		if (patch->phase == KLP_PATCHED)
			err = klp_transition_disable(patch);
		else if (patch->phase == KLP_PATCHING)
			err = klp_transition_reverse(patch);
		/* No memory, or another transition: that passes. */
		if (err == -ENODEV || err == -EIO)
			pr_err_once("module '%s' stays, its patch cannot be disabled (%d)\n",
				    mod->name, err);
		return false;
	}

	return klp_all_released();
}

static bool klp_threads_ended(struct module *mod)
{
	return !klp_tasks_find_own(mod);
}

/**
 * klp_module_evict() - disable the patch of a module that goes with it enabled
 * @mod: the module, in MODULE_STATE_GOING: its init or a parameter has failed after
 *	 it has enabled a patch, or it is removed by force
 * @exits: whether the module's exit is to run after that
 *
 * The loader frees it, whatever references are held, and what it needs to run
 * comes first: its parameters, the probes and jump labels in it. So this stands
 * before all that, and waits, without a limit, until its functions are out of use.
 * After that it cannot enable another patch.
 *
 * Context: process context, may sleep. Takes klp_mutex.
 */
void klp_module_evict(struct module *mod, bool exits)
{
	struct klp_patch *patch;
	pid_t own;

	if (!is_livepatch_module(mod))
		return;

	scoped_guard(mutex, &klp_mutex) {
		mod->klp_alive = false;
		patch = klp_patch_of_module(mod);
		if (patch)
			pr_err("module '%s' goes with its patch enabled: disabling it\n",
			       mod->name);
		if (patch && klp_transition_patch() && klp_transition_patch() != patch)
			pr_err("module '%s' has to wait for the transition of '%s'\n",
			       mod->name, klp_transition_patch()->mod->name);
	}

	klp_wait_settled(klp_evict_step, mod);

	/*
	 * Transitions have not waited for the module's own threads, because its exit
	 * ends them. New functions may have started one that init knows nothing of.
	 */
	own = exits ? 0 : klp_tasks_find_own(mod);
	if (!own)
		return;
	pr_err("module '%s' stays until its own threads have ended, such as %d\n",
	       mod->name, own);
	klp_wait_settled(klp_threads_ended, mod);
}

/**
 * klp_module_going() - forget a module
 * @mod: the module; its exit has run, or its init has failed
 *
 * Context: process context, may sleep. Takes klp_mutex.
 */
void klp_module_going(struct module *mod)
{
	guard(mutex)(&klp_mutex);

	mod->klp_alive = false;
	klp_leave_module(mod);
	/* By force, too. */
	klp_unpin(mod);
}

static int __init klp_init(void)
{
	int err;

	err = klp_sysfs_init();
	if (err)
		return err;

	klp_wq = alloc_workqueue("livepatch", WQ_UNBOUND | WQ_HIGHPRI, 1);
	if (!klp_wq)
		return -ENOMEM;
	err = klp_tasks_init(klp_queue_completion);
	if (err)
		return err;

	klp_debugfs_init();
	klp_ready = true;
	return 0;
}
module_init(klp_init);

#ifdef CONFIG_KLP_KUNIT_TEST
#include "tests/core_kunit.h"
#endif
