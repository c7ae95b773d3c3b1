// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Patches: the list of them, and the tree of each.
 *
 * A patch module gives arrays; the tree is lists over them, so that the no-ops
 * of atomic replace, which are ours, stand beside the module's own entries.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bsearch.h>
#include <linux/hash.h>
#include <linux/kallsyms.h>
#include <linux/ktime.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/stringhash.h>

#include "internal.h"

LIST_HEAD(klp_patches);

#define KLP_NAME_BITS	8

/*
 * The objects of listed patches by name, vmlinux's left out; those of one name
 * in the order of their patches. Loading a module costs one look into it,
 * however many objects wait for modules of other names. Lock: M.
 */
static struct list_head klp_name_table[1 << KLP_NAME_BITS];

static bool klp_func_is_end(const struct klp_func *func)
{
	return !func->old_name && !func->new_func && !func->old_sympos;
}

static bool klp_object_is_end(const struct klp_object *obj)
{
	return !obj->funcs && !obj->name;
}

/* An object is a folder in sysfs, where "vmlinux" is the kernel. */
static bool klp_names_no_module(const char *name)
{
	return !strcmp(name, "vmlinux") || !strcmp(name, ".") || !strcmp(name, "..") ||
	       strchr(name, '/');
}

/* Refuse what is not a patch, before anything is written into it. */
static int klp_check_object(const struct klp_patch *patch, const struct klp_object *obj)
{
	const char *name = patch->mod->name;
	const struct klp_func *func;

	if (!obj->funcs) {
		pr_err("patch '%s': object '%s' has no functions\n", name, obj->name);
		return -EINVAL;
	}
	if (obj->name && !*obj->name) {
		pr_err("patch '%s': an object has an empty name\n", name);
		return -EINVAL;
	}
	if (obj->name && klp_names_no_module(obj->name)) {
		pr_err("patch '%s': object '%s': no module has such a name\n", name, obj->name);
		return -EINVAL;
	}
	if (obj->name && strlen(obj->name) >= MODULE_NAME_LEN) {
		pr_err("patch '%s': object '%.*s...': the name is too long\n",
		       name, 20, obj->name);
		return -ENAMETOOLONG;
	}

	for (func = obj->funcs; !klp_func_is_end(func); func++) {
		if (!func->old_name || !*func->old_name) {
			pr_err("patch '%s': object '%s': a function has no name\n",
			       name, klp_object_label(obj));
			return -EINVAL;
		}
		if (strchr(func->old_name, '/')) {
			pr_err("patch '%s': object '%s': function '%s': no function has such a name\n",
			       name, klp_object_label(obj), func->old_name);
			return -EINVAL;
		}
		if (strlen(func->old_name) >= KSYM_NAME_LEN) {
			pr_err("patch '%s': object '%s': function '%.*s...': the name is too long\n",
			       name, klp_object_label(obj), 20, func->old_name);
			return -ENAMETOOLONG;
		}
		if (!func->new_func) {
			pr_err("patch '%s': object '%s': function '%s' has no replacement\n",
			       name, klp_object_label(obj), func->old_name);
			return -EINVAL;
		}
	}
	return 0;
}

/* Behind the last function of an object. */
static const struct klp_func *klp_funcs_end(const struct klp_object *obj)
{
	const struct klp_func *func = obj->funcs;

	while (!klp_func_is_end(func))
		func++;
	return func;
}

/* Our fields live in the module's structures: none may be there twice. */
static int klp_check_shared(const struct klp_patch *patch)
{
	const struct klp_object *obj, *other;
	const struct klp_func *end;

	for (obj = patch->objs; !klp_object_is_end(obj); obj++) {
		end = klp_funcs_end(obj);
		for (other = patch->objs; other < obj; other++) {
			if (other->funcs >= end || klp_funcs_end(other) <= obj->funcs)
				continue;
			pr_err("patch '%s': object '%s': it shares structures of functions with object '%s'\n",
			       patch->mod->name, klp_object_label(obj), klp_object_label(other));
			return -EINVAL;
		}
	}
	return 0;
}

/* Nor may another patch be using them. */
static int klp_check_in_use(const struct klp_patch *patch, struct klp_patch *other)
{
	const struct klp_object *obj, *end_obj = patch->objs;
	struct klp_object *other_obj;
	struct klp_func *other_func;
	const struct klp_func *end;

	if (other == patch) {
		pr_err("patch '%s' is already enabled\n", patch->mod->name);
		return -EINVAL;
	}

	while (!klp_object_is_end(end_obj))
		end_obj++;
	klp_for_each_object(other, other_obj) {
		if (other_obj < patch->objs || other_obj >= end_obj)
			continue;
		pr_err("patch '%s': object '%s': its structure is in use by patch '%s'\n",
		       patch->mod->name, klp_object_label(other_obj), other->mod->name);
		return -EINVAL;
	}

	for (obj = patch->objs; obj < end_obj; obj++) {
		end = klp_funcs_end(obj);
		klp_for_each_object(other, other_obj) {
			klp_for_each_func(other_obj, other_func) {
				if (other_func < obj->funcs || other_func >= end)
					continue;
				pr_err("patch '%s': object '%s': function '%s': its structure is in use by patch '%s'\n",
				       patch->mod->name, klp_object_label(obj),
				       other_func->old_name, other->mod->name);
				return -EINVAL;
			}
		}
	}
	return 0;
}

/**
 * klp_patch_check() - whether a structure can be a patch
 * @patch: what a module handed in; @patch->mod is good
 *
 * Context: klp_mutex held.
 * Return: 0, -EINVAL if something is missing, empty, or already in use,
 * -ENAMETOOLONG if a name cannot be any symbol's or module's, or -EEXIST if a
 * patch of the same name is there. The reason is in the log.
 */
int klp_patch_check(struct klp_patch *patch)
{
	const struct klp_object *obj;
	struct klp_patch *other;
	int err;

	lockdep_assert_held(&klp_mutex);

	if (klp_object_is_end(patch->objs)) {
		pr_err("patch '%s' has no objects\n", patch->mod->name);
		return -EINVAL;
	}
	for (obj = patch->objs; !klp_object_is_end(obj); obj++) {
		err = klp_check_object(patch, obj);
		if (err)
			return err;
	}
	err = klp_check_shared(patch);
	if (err)
		return err;
	list_for_each_entry(other, &klp_patches, list) {
		err = klp_check_in_use(patch, other);
		if (err)
			return err;
		if (other->mod == patch->mod) {
			pr_err("module '%s' has already enabled a patch\n", patch->mod->name);
			return -EEXIST;
		}
	}
	return 0;
}

/**
 * struct klp_key - a function by name, as it is compared between patches
 * @hash:	of both names, the object's above the function's: what differs
 *		mostly differs here, and functions of one object stand together
 * @obj:	its object
 * @func:	the function; NULL stands for the object itself
 */
struct klp_key {
	u64 hash;
	const struct klp_object *obj;
	const struct klp_func *func;
};

static u32 klp_name_hash(const char *name)
{
	return hashlen_hash(hashlen_string(NULL, name));
}

static int klp_name_cmp(const char *a, const char *b)
{
	if (!a || !b)
		return !!a - !!b;
	return strcmp(a, b);
}

/* A name that is unique may be given without a position or with the first. */
static unsigned long klp_key_pos(const struct klp_key *key)
{
	return max(key->func->old_sympos, 1UL);
}

static int klp_key_cmp(const void *a, const void *b)
{
	const struct klp_key *ka = a, *kb = b;
	int cmp;

	/* Thousands of keys take sort() milliseconds. */
	cond_resched();
	if (ka->hash != kb->hash)
		return ka->hash < kb->hash ? -1 : 1;
	cmp = klp_name_cmp(ka->obj->name, kb->obj->name);
	if (cmp)
		return cmp;
	if (!ka->func || !kb->func)
		return !!ka->func - !!kb->func;
	cmp = strcmp(ka->func->old_name, kb->func->old_name);
	if (cmp || klp_key_pos(ka) == klp_key_pos(kb))
		return cmp;
	return klp_key_pos(ka) < klp_key_pos(kb) ? -1 : 1;
}

/**
 * struct klp_keys - the functions and objects of one or more patches
 * @key:	sorted by klp_key_cmp() once klp_keys_sort() is done; NULL while
 *		they are only counted
 * @nr:		so many
 */
struct klp_keys {
	struct klp_key *key;
	unsigned int nr;
};

static void klp_keys_add(struct klp_keys *keys, struct klp_object *obj, struct klp_func *func,
			 u32 obj_hash)
{
	if (keys->key)
		keys->key[keys->nr] = (struct klp_key){
			.hash = (u64)obj_hash << 32 | (func ? klp_name_hash(func->old_name) : 0),
			.obj = obj,
			.func = func,
		};
	keys->nr++;
}

static void klp_keys_add_patch(struct klp_keys *keys, struct klp_patch *patch)
{
	struct klp_object *obj;
	struct klp_func *func;

	klp_for_each_object(patch, obj) {
		u32 hash = obj->name ? klp_name_hash(obj->name) : 0;

		klp_keys_add(keys, obj, NULL, hash);
		klp_for_each_func(obj, func)
			klp_keys_add(keys, obj, func, hash);
	}
}

/* The keys of one patch, or, for NULL, of all listed ones. */
static int klp_keys_collect(struct klp_keys *keys, struct klp_patch *patch)
{
	struct klp_patch *listed;
	int round;

	keys->key = NULL;
	for (round = 0; round < 2; round++) {
		keys->nr = 0;
		if (patch) {
			klp_keys_add_patch(keys, patch);
		} else {
			list_for_each_entry(listed, &klp_patches, list)
				klp_keys_add_patch(keys, listed);
		}
		if (!round) {
			keys->key = kvmalloc_array(keys->nr ?: 1, sizeof(*keys->key),
						   GFP_KERNEL);
			if (!keys->key)
				return -ENOMEM;
		}
	}
	sort(keys->key, keys->nr, sizeof(*keys->key), klp_key_cmp, NULL);
	return 0;
}

static int klp_check_duplicates(struct klp_patch *patch, const struct klp_keys *keys)
{
	unsigned int i;

	for (i = 1; i < keys->nr; i++) {
		const struct klp_key *key = &keys->key[i];

		if (klp_key_cmp(key, key - 1))
			continue;
		if (key->func)
			pr_err("patch '%s': object '%s': function '%s,%lu' is there twice\n",
			       patch->mod->name, klp_object_label(key->obj),
			       key->func->old_name, key->func->old_sympos);
		else
			pr_err("patch '%s': object '%s' is there twice\n",
			       patch->mod->name, klp_object_label(key->obj));
		return -EINVAL;
	}
	return 0;
}

static void klp_object_init(struct klp_patch *patch, struct klp_object *obj)
{
	obj->patch = patch;
	obj->mod = NULL;
	INIT_LIST_HEAD(&obj->name_node);
	obj->dynamic = false;
	obj->patched = false;
	obj->undo_due = false;
	INIT_LIST_HEAD(&obj->func_list);
	list_add_tail(&obj->node, &patch->obj_list);
}

static void klp_func_init(struct klp_object *obj, struct klp_func *func)
{
	INIT_LIST_HEAD(&func->site_node);
	func->site = NULL;
	func->old = (struct klp_extent){};
	func->old_cold = (struct klp_extent){};
	func->new = (struct klp_extent){};
	func->new_cold = (struct klp_extent){};
	func->nop = false;
	list_add_tail(&func->node, &obj->func_list);
}

static struct klp_object *klp_noop_object(struct klp_patch *patch,
					  const struct klp_object *like)
{
	struct klp_object *obj;

	klp_for_each_object(patch, obj) {
		if (!klp_name_cmp(obj->name, like->name))
			return obj;
	}

	obj = kzalloc(sizeof(*obj), GFP_KERNEL);
	if (!obj)
		return NULL;
	/* The patch that @like belongs to goes before the no-op does. */
	obj->name = kstrdup(like->name, GFP_KERNEL);
	if (like->name && !obj->name) {
		kfree(obj);
		return NULL;
	}
	klp_object_init(patch, obj);
	obj->dynamic = true;
	return obj;
}

static int klp_noop_func(struct klp_object *obj, const struct klp_func *like)
{
	struct klp_func *func;

	func = kzalloc(sizeof(*func), GFP_KERNEL);
	if (!func)
		return -ENOMEM;
	func->old_name = kstrdup(like->old_name, GFP_KERNEL);
	if (!func->old_name) {
		kfree(func);
		return -ENOMEM;
	}
	func->old_sympos = like->old_sympos;
	klp_func_init(obj, func);
	func->nop = true;
	return 0;
}

/*
 * What earlier patches change and this one does not goes back to the original
 * under the same consistency model: through a function of this patch that
 * leads there.
 */
static int klp_add_noops(struct klp_patch *patch, const struct klp_keys *own)
{
	struct klp_object *obj = NULL;
	struct klp_keys old;
	unsigned int i;
	int err;

	err = klp_keys_collect(&old, NULL);
	if (err)
		return err;

	for (i = 0; i < old.nr && !err; i++) {
		const struct klp_key *key = &old.key[i];

		/* Stacked patches have a function each; one no-op will do. */
		if (!key->func || (i && !klp_key_cmp(key, key - 1)))
			continue;
		if (bsearch(key, own->key, own->nr, sizeof(*key), klp_key_cmp))
			continue;

		/* Sorted by object: look each one up once. */
		if (!obj || klp_name_cmp(obj->name, key->obj->name))
			obj = klp_noop_object(patch, key->obj);
		err = obj ? klp_noop_func(obj, key->func) : -ENOMEM;
	}
	kvfree(old.key);
	return err;
}

/**
 * klp_patch_build() - make a patch's tree
 * @patch: a structure that klp_patch_check() has passed; not listed yet
 *
 * Context: klp_mutex held; may sleep.
 * Return: 0, -EINVAL if an object or a function is there twice, or -ENOMEM. In
 * each case klp_patch_drop_noops() is due in the end.
 */
int klp_patch_build(struct klp_patch *patch)
{
	struct klp_object *obj;
	struct klp_func *func;
	struct klp_keys keys;
	int err;

	lockdep_assert_held(&klp_mutex);

	/* The structures may have been a patch before, or come from kmalloc(). */
	INIT_LIST_HEAD(&patch->list);
	INIT_LIST_HEAD(&patch->obj_list);
	patch->phase = KLP_NEW;
	patch->phase_since = ktime_get();

	for (obj = patch->objs; !klp_object_is_end(obj); obj++) {
		klp_object_init(patch, obj);
		for (func = obj->funcs; !klp_func_is_end(func); func++)
			klp_func_init(obj, func);
	}

	err = klp_keys_collect(&keys, patch);
	if (err)
		return err;
	err = klp_check_duplicates(patch, &keys);
	if (!err && patch->replace)
		err = klp_add_noops(patch, &keys);
	kvfree(keys.key);
	return err;
}

/**
 * klp_patch_drop_noops() - free what klp_patch_build() added for atomic replace
 * @patch: the patch; its no-ops are attached to no site
 *
 * Context: klp_mutex held, or nobody else knows @patch any more.
 */
void klp_patch_drop_noops(struct klp_patch *patch)
{
	struct klp_object *obj, *next_obj;
	struct klp_func *func, *next_func;

	list_for_each_entry_safe(obj, next_obj, &patch->obj_list, node) {
		list_for_each_entry_safe(func, next_func, &obj->func_list, node) {
			if (!func->nop)
				continue;
			list_del(&func->node);
			kfree(func->old_name);
			kfree(func);
		}
		if (!obj->dynamic)
			continue;
		list_del(&obj->node);
		list_del(&obj->name_node);
		kfree(obj->name);
		kfree(obj);
	}
}

/**
 * klp_objects_by_name() - the objects that a module of some name may belong to
 * @name: the module's name
 *
 * Context: klp_mutex held.
 * Return: a list of klp_object::name_node, oldest patch first. There may be
 * objects of other names in it.
 */
struct list_head *klp_objects_by_name(const char *name)
{
	lockdep_assert_held(&klp_mutex);
	return &klp_name_table[hash_32(klp_name_hash(name), KLP_NAME_BITS)];
}

/**
 * klp_patch_enlist() - make a patch one that counts, the newest
 * @patch: the patch, built
 *
 * Context: klp_mutex held.
 */
void klp_patch_enlist(struct klp_patch *patch)
{
	struct klp_object *obj;

	lockdep_assert_held(&klp_mutex);

	list_add_tail(&patch->list, &klp_patches);
	klp_for_each_object(patch, obj) {
		if (obj->name)
			list_add_tail(&obj->name_node, klp_objects_by_name(obj->name));
	}
}

/**
 * klp_patch_delist() - make a patch one that does not count any more
 * @patch: a patch that is listed
 *
 * Context: klp_mutex held.
 */
void klp_patch_delist(struct klp_patch *patch)
{
	struct klp_object *obj;

	lockdep_assert_held(&klp_mutex);

	klp_for_each_object(patch, obj)
		list_del_init(&obj->name_node);
	list_del_init(&patch->list);
}

static int __init klp_name_table_init(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(klp_name_table); i++)
		INIT_LIST_HEAD(&klp_name_table[i]);
	return 0;
}
early_initcall(klp_name_table_init);
