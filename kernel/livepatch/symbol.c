// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From names to addresses and sizes.
 *
 * The kernel's own symbols are sorted by name: a binary search for each. A
 * module's are not: one pass over its table answers for all functions of an
 * object, and one over the patch module's tells where its functions end.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kallsyms.h>
#include <linux/module_symbol.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "internal.h"

/**
 * struct klp_query - the search for one symbol
 * @name:	its name
 * @pos:	which of that name, from 1 in address order; 0: the only one
 * @func:	on whose behalf, or NULL
 * @count:	how many of that name there are (no more than needed)
 * @addr:	the address found
 */
struct klp_query {
	const char *name;
	unsigned long pos;
	struct klp_func *func;
	unsigned long count;
	unsigned long addr;
};

static int klp_query_result(const struct klp_query *query)
{
	if (!query->count || query->pos > query->count)
		return -ENOENT;
	if (!query->pos && query->count > 1)
		return -EINVAL;
	return 0;
}

/* The kernel's symbols of one name come in address order. */
static int klp_query_vmlinux_symbol(void *data, unsigned long addr)
{
	struct klp_query *query = data;

	query->count++;
	if (query->count == max(query->pos, 1UL))
		query->addr = addr;

	/* One more than the first is enough to tell that a name is ambiguous. */
	return query->count == (query->pos ?: 2);
}

static void klp_query_vmlinux(struct klp_query *query)
{
	kallsyms_on_each_match_symbol(klp_query_vmlinux_symbol, query->name, query);
}

static int klp_query_cmp(const void *a, const void *b)
{
	const struct klp_query *qa = a, *qb = b;

	return strcmp(qa->name, qb->name);
}

/**
 * struct klp_match - a symbol of a module that bears a wanted name
 * @query:	index of the first query of that name
 * @addr:	the symbol's address
 */
struct klp_match {
	unsigned int query;
	unsigned long addr;
};

static int klp_match_cmp(const void *a, const void *b)
{
	const struct klp_match *ma = a, *mb = b;

	if (ma->query != mb->query)
		return ma->query < mb->query ? -1 : 1;
	if (ma->addr != mb->addr)
		return ma->addr < mb->addr ? -1 : 1;
	return 0;
}

/**
 * struct klp_pass - a pass over a module's symbols
 * @query:	sorted by name
 * @nr_queries:	so many
 * @match:	what was found; NULL while matches are only counted
 * @nr_matches:	so many
 */
struct klp_pass {
	struct klp_query *query;
	unsigned int nr_queries;
	struct klp_match *match;
	unsigned int nr_matches;
};

static int klp_pass_symbol(void *data, const char *name, unsigned long addr)
{
	struct klp_pass *pass = data;
	unsigned int low = 0, high = pass->nr_queries;

	while (low < high) {
		unsigned int mid = low + (high - low) / 2;

		if (strcmp(pass->query[mid].name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == pass->nr_queries || strcmp(pass->query[low].name, name))
		return 0;

	if (pass->match)
		pass->match[pass->nr_matches] = (struct klp_match){ low, addr };
	pass->nr_matches++;
	return 0;
}

/* A module's symbol table is in no order: collect, sort, count. */
static int klp_query_module(const char *modname, struct klp_query *query, unsigned int nr)
{
	struct klp_pass pass = { .query = query, .nr_queries = nr };
	unsigned int i, m = 0;

	sort(query, nr, sizeof(*query), klp_query_cmp, NULL);

	module_kallsyms_on_each_symbol(modname, klp_pass_symbol, &pass);
	if (!pass.nr_matches)
		return 0;

	pass.match = kvmalloc_array(pass.nr_matches, sizeof(*pass.match), GFP_KERNEL);
	if (!pass.match)
		return -ENOMEM;

	pass.nr_matches = 0;
	module_kallsyms_on_each_symbol(modname, klp_pass_symbol, &pass);
	sort(pass.match, pass.nr_matches, sizeof(*pass.match), klp_match_cmp, NULL);

	for (i = 0; i < nr; i++) {
		unsigned int first;

		/* Queries of one name share the matches of the first of them. */
		if (i && strcmp(query[i].name, query[i - 1].name))
			while (m < pass.nr_matches && pass.match[m].query < i)
				m++;
		first = m;
		while (first + query[i].count < pass.nr_matches &&
		       !strcmp(query[pass.match[first + query[i].count].query].name,
			       query[i].name))
			query[i].count++;
		if (!klp_query_result(&query[i]))
			query[i].addr = pass.match[first + max(query[i].pos, 1UL) - 1].addr;
	}
	kvfree(pass.match);
	return 0;
}

/**
 * klp_symbol_find() - find one symbol
 * @objname: the module's name; NULL or "vmlinux" for the kernel itself
 * @name: the symbol's name
 * @sympos: 0 if @name is unique in the object, otherwise which of that name,
 *	    from 1 in address order
 * @addr: set to its address on success
 *
 * Context: may sleep; takes module_mutex.
 * Return: 0, -ENOENT if there is no such symbol, -EINVAL if there are several
 * and @sympos is 0, or -ENOMEM.
 */
int klp_symbol_find(const char *objname, const char *name, unsigned long sympos,
		    unsigned long *addr)
{
	struct klp_query query = { .name = name, .pos = sympos };
	int err = 0;

	if (objname && strcmp(objname, "vmlinux"))
		err = klp_query_module(objname, &query, 1);
	else
		klp_query_vmlinux(&query);

	if (!err)
		err = klp_query_result(&query);
	if (!err)
		*addr = query.addr;
	return err;
}

static unsigned int klp_count_funcs(struct klp_object *obj)
{
	struct klp_func *func;
	unsigned int nr = 0;

	klp_for_each_func(obj, func)
		nr++;
	return nr;
}

static int klp_bind_old(struct klp_patch *patch, struct klp_object *obj)
{
	struct klp_query *query;
	struct klp_func *func;
	unsigned int i, nr = 0;
	int err = 0;

	query = kvcalloc(klp_count_funcs(obj), sizeof(*query), GFP_KERNEL);
	if (!query)
		return -ENOMEM;

	klp_for_each_func(obj, func) {
		query[nr].name = func->old_name;
		query[nr].pos = func->old_sympos;
		query[nr].func = func;
		if (!obj->name)
			klp_query_vmlinux(&query[nr]);
		nr++;
	}
	if (obj->name)
		err = klp_query_module(obj->name, query, nr);

	for (i = 0; i < nr && !err; i++) {
		func = query[i].func;
		err = klp_query_result(&query[i]);
		if (err) {
			pr_err("patch '%s': object '%s': function '%s,%lu' %s\n",
			       patch->mod->name, klp_object_label(obj),
			       func->old_name, func->old_sympos,
			       err == -ENOENT ? "not found" :
			       "is ambiguous: give its position");
			break;
		}
		func->old_addr = query[i].addr;
		if (!kallsyms_lookup_size_offset(func->old_addr, &func->old_size, NULL)) {
			pr_err("patch '%s': object '%s': function '%s,%lu' has no known size\n",
			       patch->mod->name, klp_object_label(obj),
			       func->old_name, func->old_sympos);
			err = -ENOENT;
		}
	}
	kvfree(query);
	return err;
}

/**
 * struct klp_extent - where a function of the patch module begins and ends
 * @start:	its address
 * @end:	the address of the next symbol, as far as known
 * @func:	which takes its size from here
 */
struct klp_extent {
	unsigned long start;
	unsigned long end;
	struct klp_func *func;
};

struct klp_extents {
	struct klp_extent *extent;
	unsigned int nr;
};

static int klp_extent_cmp(const void *a, const void *b)
{
	const struct klp_extent *ea = a, *eb = b;

	if (ea->start != eb->start)
		return ea->start < eb->start ? -1 : 1;
	return 0;
}

/* A symbol ends the last function that starts before it. */
static int klp_extent_symbol(void *data, const char *name, unsigned long addr)
{
	struct klp_extents *extents = data;
	unsigned int low = 0, high = extents->nr;

	if (!*name || is_mapping_symbol(name))
		return 0;

	while (low < high) {
		unsigned int mid = low + (high - low) / 2;

		if (extents->extent[mid].start < addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (low)
		extents->extent[low - 1].end = min(extents->extent[low - 1].end, addr);
	return 0;
}

static int klp_bind_new(struct klp_patch *patch, struct klp_object *obj)
{
	const struct module_memory *text = &patch->mod->mem[MOD_TEXT];
	struct klp_extents extents = {};
	struct klp_func *func;
	unsigned int i;

	extents.extent = kvcalloc(klp_count_funcs(obj), sizeof(*extents.extent), GFP_KERNEL);
	if (!extents.extent)
		return -ENOMEM;

	klp_for_each_func(obj, func) {
		unsigned long addr = (unsigned long)func->new_func;

		if (func->nop)
			continue;
		if (!within_module_mem_type(addr, patch->mod, MOD_TEXT)) {
			pr_err("patch '%s': object '%s': the new '%s' is not in the patch module's text\n",
			       patch->mod->name, klp_object_label(obj), func->old_name);
			kvfree(extents.extent);
			return -EINVAL;
		}
		extents.extent[extents.nr].start = addr;
		extents.extent[extents.nr].end = (unsigned long)text->base + text->size;
		extents.extent[extents.nr].func = func;
		extents.nr++;
	}
	sort(extents.extent, extents.nr, sizeof(*extents.extent), klp_extent_cmp, NULL);
	module_kallsyms_on_each_symbol(patch->mod->name, klp_extent_symbol, &extents);

	/* Backwards: only the last of several with one start has the end. */
	for (i = extents.nr; i-- > 0;) {
		struct klp_extent *extent = &extents.extent[i];

		if (i + 1 < extents.nr && extent[1].start == extent->start)
			extent->end = extent[1].end;
		extent->func->new_size = extent->end - extent->start;
	}
	kvfree(extents.extent);
	return 0;
}

/**
 * klp_symbols_bind() - find the addresses and sizes of an object's functions
 * @patch: the patch
 * @obj: one of its objects, which is loaded
 *
 * Context: klp_mutex held; may sleep.
 * Return: 0, -ENOENT if a function does not exist or its size is not known,
 * -EINVAL if a name is ambiguous or a new function is not in the patch module,
 * or -ENOMEM. The reason is in the log.
 */
int klp_symbols_bind(struct klp_patch *patch, struct klp_object *obj)
{
	int err;

	lockdep_assert_held(&klp_mutex);

	err = klp_bind_old(patch, obj);
	if (!err)
		err = klp_bind_new(patch, obj);
	return err;
}
