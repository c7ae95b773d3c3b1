// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Objects: a patch's part for vmlinux or for one module.
 *
 * An object is bound when what it patches is there: at once, or when the
 * module is loaded. Both go through klp_object_bind().
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "internal.h"

/**
 * klp_object_find_module() - the module that an object patches, if it is there
 * @obj: the object, not vmlinux's
 *
 * A module that carries no patch counts from klp_module_coming() to
 * klp_module_going(); a patch module to klp_module_evict(). They run
 * under klp_mutex too: it cannot go while the lock is held.
 *
 * Context: klp_mutex held.
 * Return: the module or NULL.
 */
struct module *klp_object_find_module(struct klp_object *obj)
{
	struct module *mod;

	lockdep_assert_held(&klp_mutex);

	/* What find_module() asks for: module_mutex, or this. */
	guard(preempt)();
	mod = find_module(obj->name);
	return mod && mod->klp_alive ? mod : NULL;
}

/**
 * klp_object_unbind() - forget what an object patches
 * @patch: the patch
 * @obj: one of its objects, with no function attached to a site
 *
 * Context: klp_mutex held; may sleep.
 */
void klp_object_unbind(struct klp_patch *patch, struct klp_object *obj)
{
	struct klp_func *func;

	lockdep_assert_held(&klp_mutex);

	klp_relocs_clear(patch, obj);
	klp_for_each_func(obj, func)
		func->old = (struct klp_extent){};
	obj->mod = NULL;
}

/**
 * klp_object_bind() - find what an object patches
 * @patch: the patch
 * @obj: one of its objects
 * @mod: the module, NULL for vmlinux
 *
 * Context: klp_mutex held; may sleep.
 * Return: 0, an error of klp_symbols_bind() or klp_relocs_apply(), or -EINVAL
 * if a function cannot be traced or @mod carries a patch. On error the object is
 * not bound.
 */
int klp_object_bind(struct klp_patch *patch, struct klp_object *obj, struct module *mod)
{
	struct klp_func *func;
	int err;

	lockdep_assert_held(&klp_mutex);

	/*
	 * When its patch goes, it is waited for tasks with its functions on their
	 * stacks. One that a redirection has led from there to our function has
	 * none, but may call them.
	 */
	if (mod && is_livepatch_module(mod)) {
		pr_err("patch '%s': object '%s': a patch module cannot be patched\n",
		       patch->mod->name, obj->name);
		return -EINVAL;
	}

	if (mod) {
		err = klp_relocs_apply(patch, obj);
		if (err)
			return err;
	}

	err = klp_symbols_bind(patch, obj);
	if (err)
		goto err_unbind;

	klp_for_each_func(obj, func) {
		if (!func->old.addr || klp_site_location(func))
			continue;
		pr_err("patch '%s': object '%s': function '%s' cannot be traced\n",
		       patch->mod->name, klp_object_label(obj), func->old_name);
		err = -EINVAL;
		goto err_unbind;
	}

	obj->mod = mod;
	return 0;

err_unbind:
	klp_object_unbind(patch, obj);
	return err;
}

/**
 * klp_object_attach() - put an object's functions on top of their sites
 * @obj: the object; nothing happens if what it patches is not there
 *
 * Context: klp_mutex held; may sleep.
 * Return: 0 or an error of klp_site_attach(); then nothing is attached.
 */
int klp_object_attach(struct klp_object *obj)
{
	struct klp_func *func;
	int err;

	lockdep_assert_held(&klp_mutex);

	if (!klp_object_loaded(obj))
		return 0;

	klp_for_each_func(obj, func) {
		if (!func->old.addr)
			continue;
		err = klp_site_attach(func);
		if (err) {
			klp_object_detach(obj);
			return err;
		}
		cond_resched();
	}
	WRITE_ONCE(obj->patched, true);
	return 0;
}

/**
 * klp_object_detach() - take an object's functions off their sites
 * @obj: the object
 *
 * Context: klp_mutex held.
 */
void klp_object_detach(struct klp_object *obj)
{
	struct klp_func *func;

	lockdep_assert_held(&klp_mutex);

	klp_for_each_func(obj, func)
		klp_site_detach(func);
	WRITE_ONCE(obj->patched, false);
}

/*
 * Callbacks are called for objects that are there. Only what pre_patch has set
 * up is to be taken down by post_unpatch.
 */

/**
 * klp_callback_pre_patch() - call a patch's pre_patch for an object
 * @obj: the object
 *
 * Context: klp_mutex held; may sleep.
 * Return: 0, what the callback returned, or -EINVAL if that is positive. That it
 * has failed is in the log then.
 */
int klp_callback_pre_patch(struct klp_object *obj)
{
	int err = 0;

	lockdep_assert_held(&klp_mutex);

	if (!klp_object_loaded(obj))
		return 0;

	if (obj->callbacks.pre_patch)
		err = obj->callbacks.pre_patch(obj);
	/* The module loader takes a positive number for success. */
	if (err > 0)
		err = -EINVAL;
	if (err)
		pr_warn("pre-patch callback failed for object '%s'\n",
			klp_object_label(obj));
	else
		obj->undo_due = true;
	return err;
}

void klp_callback_post_patch(struct klp_object *obj)
{
	lockdep_assert_held(&klp_mutex);

	if (klp_object_loaded(obj) && obj->callbacks.post_patch)
		obj->callbacks.post_patch(obj);
}

void klp_callback_pre_unpatch(struct klp_object *obj)
{
	lockdep_assert_held(&klp_mutex);

	if (klp_object_loaded(obj) && obj->callbacks.pre_unpatch)
		obj->callbacks.pre_unpatch(obj);
}

void klp_callback_post_unpatch(struct klp_object *obj)
{
	lockdep_assert_held(&klp_mutex);

	if (klp_object_loaded(obj) && obj->undo_due && obj->callbacks.post_unpatch)
		obj->callbacks.post_unpatch(obj);
	obj->undo_due = false;
}
