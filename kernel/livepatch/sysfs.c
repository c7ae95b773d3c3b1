// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * /sys/kernel/livepatch: what an administrator sees of patches, and asks.
 *
 * A patch is one kobject; its objects and functions are directories in it.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kallsyms.h>
#include <linux/kernfs.h>
#include <linux/kobject.h>
#include <linux/kstrtox.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "internal.h"

static struct kobject *klp_root;

static struct klp_patch *klp_patch_of(struct kobject *kobj)
{
	return container_of(kobj, struct klp_patch, kobj);
}

/*
 * A patch is shown under M. If memory runs out half-way, sysfs takes its files
 * back and waits for who is in them: nobody there may wait for M yet.
 */
static bool klp_being_shown(struct klp_patch *patch)
{
	return READ_ONCE(patch->phase) == KLP_NEW;
}

static ssize_t klp_enabled_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n",
			  klp_phase_enabled(READ_ONCE(klp_patch_of(kobj)->phase)));
}

static ssize_t klp_enabled_store(struct kobject *kobj, struct kobj_attribute *attr,
				 const char *buf, size_t count)
{
	struct klp_patch *patch = klp_patch_of(kobj);
	bool enable;
	int err;

	err = kstrtobool(buf, &enable);
	if (err)
		return err;
	if (klp_being_shown(patch))
		return -EBUSY;

	guard(mutex)(&klp_mutex);

	if (enable == klp_phase_enabled(patch->phase))
		return -EINVAL;
	/* Its module goes: klp_module_evict() waits for the end. */
	if (enable && !patch->mod->klp_alive)
		return -EBUSY;
	if (klp_phase_next(patch->phase, KLP_REVERSE) >= 0)
		err = klp_transition_reverse(patch);
	else if (enable)
		err = klp_phase_next(patch->phase, KLP_PREPARE);
	else
		err = klp_transition_disable(patch);
	return min(err, 0) ?: count;
}

static ssize_t klp_transition_show(struct kobject *kobj, struct kobj_attribute *attr,
				   char *buf)
{
	return sysfs_emit(buf, "%d\n",
			  klp_phase_in_transition(READ_ONCE(klp_patch_of(kobj)->phase)));
}

static ssize_t klp_force_store(struct kobject *kobj, struct kobj_attribute *attr,
			       const char *buf, size_t count)
{
	struct klp_patch *patch = klp_patch_of(kobj);
	bool force;
	int err;

	err = kstrtobool(buf, &force);
	if (err)
		return err;
	if (!force)
		return -EINVAL;
	if (klp_being_shown(patch))
		return -EBUSY;

	guard(mutex)(&klp_mutex);
	return klp_transition_force(patch) ?: count;
}

static ssize_t klp_replace_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", klp_patch_of(kobj)->replace);
}

static ssize_t klp_stack_order_show(struct kobject *kobj, struct kobj_attribute *attr,
				    char *buf)
{
	struct klp_patch *patch;
	int order = 0;

	if (klp_being_shown(klp_patch_of(kobj)))
		return -ENOENT;

	guard(mutex)(&klp_mutex);

	list_for_each_entry(patch, &klp_patches, list) {
		order++;
		if (patch == klp_patch_of(kobj))
			return sysfs_emit(buf, "%d\n", order);
	}
	/* On its way out. */
	return -ENOENT;
}

static struct kobj_attribute klp_enabled_attr =
	__ATTR(enabled, 0644, klp_enabled_show, klp_enabled_store);
static struct kobj_attribute klp_transition_attr =
	__ATTR(transition, 0444, klp_transition_show, NULL);
static struct kobj_attribute klp_force_attr =
	__ATTR(force, 0200, NULL, klp_force_store);
static struct kobj_attribute klp_replace_attr =
	__ATTR(replace, 0444, klp_replace_show, NULL);
static struct kobj_attribute klp_stack_order_attr =
	__ATTR(stack_order, 0444, klp_stack_order_show, NULL);

static struct attribute *klp_patch_attrs[] = {
	&klp_enabled_attr.attr,
	&klp_transition_attr.attr,
	&klp_force_attr.attr,
	&klp_replace_attr.attr,
	&klp_stack_order_attr.attr,
	NULL
};
ATTRIBUTE_GROUPS(klp_patch);

/* The module may free the patch once this has been called. */
static void klp_kobj_release(struct kobject *kobj)
{
	complete(&klp_patch_of(kobj)->kobj_gone);
}

static const struct kobj_type klp_patch_ktype = {
	.release	= klp_kobj_release,
	.sysfs_ops	= &kobj_sysfs_ops,
	.default_groups	= klp_patch_groups,
};

static ssize_t klp_patched_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	struct klp_object *obj = container_of(attr, struct klp_object, patched_attr);

	return sysfs_emit(buf, "%d\n", READ_ONCE(obj->patched));
}

/* A patch's folder has its own files beside its objects. */
static bool klp_is_file_name(const char *name)
{
	struct attribute **attr;

	for (attr = klp_patch_attrs; *attr; attr++) {
		if (!strcmp(name, (*attr)->name))
			return true;
	}
	return false;
}

/* A function's name, a comma, and its position. */
#define KLP_FUNC_DIR_LEN	(KSYM_NAME_LEN + 21)

static int klp_sysfs_add_funcs(struct klp_object *obj, struct kernfs_node *dir)
{
	struct kernfs_node *func_dir;
	struct klp_func *func;
	char *name;
	int err = 0;

	name = kmalloc(KLP_FUNC_DIR_LEN, GFP_KERNEL);
	if (!name)
		return -ENOMEM;

	klp_for_each_func(obj, func) {
		if (func->nop)
			continue;
		scnprintf(name, KLP_FUNC_DIR_LEN, "%s,%lu", func->old_name,
			  max(func->old_sympos, 1UL));
		func_dir = kernfs_create_dir(dir, name, 0755, NULL);
		err = PTR_ERR_OR_ZERO(func_dir);
		if (err)
			break;
		cond_resched();
	}
	kfree(name);
	return err;
}

static int klp_sysfs_add_object(struct klp_patch *patch, struct klp_object *obj)
{
	struct attribute *attrs[] = { &obj->patched_attr.attr, NULL };
	struct attribute_group group = {
		.name = klp_object_label(obj),
		.attrs = attrs,
	};
	struct kernfs_node *dir;
	int err;

	if (klp_is_file_name(group.name)) {
		pr_err("patch '%s': object '%s': sysfs has a file of that name\n",
		       patch->mod->name, group.name);
		return -EINVAL;
	}

	obj->patched_attr = (struct kobj_attribute)
		__ATTR(patched, 0444, klp_patched_show, NULL);
	sysfs_attr_init(&obj->patched_attr.attr);

	err = sysfs_create_group(&patch->kobj, &group);
	if (err)
		return err;

	dir = kernfs_find_and_get(patch->kobj.sd, group.name);
	if (WARN_ON_ONCE(!dir))
		return -ENOENT;
	err = klp_sysfs_add_funcs(obj, dir);
	kernfs_put(dir);
	return err;
}

/**
 * klp_sysfs_add() - show a patch
 * @patch: the patch, built
 *
 * No-ops are not shown: they are of no patch's making.
 *
 * Context: klp_mutex held; may sleep.
 * Return: 0, -EINVAL if an object bears the name of a file, or an error of
 * sysfs. In each case klp_sysfs_remove() is due.
 */
int klp_sysfs_add(struct klp_patch *patch)
{
	struct klp_object *obj;
	int err;

	memset(&patch->kobj, 0, sizeof(patch->kobj));
	init_completion(&patch->kobj_gone);

	err = kobject_init_and_add(&patch->kobj, &klp_patch_ktype, klp_root, "%s",
				   patch->mod->name);
	if (err)
		return err;

	klp_for_each_object(patch, obj) {
		if (obj->dynamic)
			continue;
		err = klp_sysfs_add_object(patch, obj);
		if (err)
			return err;
	}
	return 0;
}

/**
 * klp_sysfs_remove() - hide a patch, and wait until nobody looks at it
 * @patch: the patch
 *
 * Context: klp_mutex not held: who is in a store may wait for it. May sleep.
 */
void klp_sysfs_remove(struct klp_patch *patch)
{
	if (patch->kobj.state_in_sysfs)
		kobject_del(&patch->kobj);
	kobject_put(&patch->kobj);
	wait_for_completion(&patch->kobj_gone);
}

/**
 * klp_sysfs_init() - make /sys/kernel/livepatch
 *
 * Return: 0 or -ENOMEM.
 */
int __init klp_sysfs_init(void)
{
	klp_root = kobject_create_and_add("livepatch", kernel_kobj);
	return klp_root ? 0 : -ENOMEM;
}

#ifdef CONFIG_KLP_KUNIT_TEST
#include "tests/sysfs_kunit.h"
#endif
