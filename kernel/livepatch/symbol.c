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
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/stringhash.h>

#include "../module/internal.h"
#include "internal.h"

/*
 * What the compiler thinks unlikely, it may move out of a function: to a symbol
 * of its own, which is jumped to, so a task that sleeps there has no address of
 * the function itself on its stack.
 */
#define KLP_COLD_SUFFIX	".cold"

static bool klp_is_cold(const char *name, size_t len)
{
	const size_t suffix = strlen(KLP_COLD_SUFFIX);

	return len > suffix && !memcmp(name + len - suffix, KLP_COLD_SUFFIX, suffix);
}

/*
 * The hash and the length of a symbol's name without that suffix, and whether it
 * had one.
 */
static u32 klp_hash_symbol(const char *name, size_t *len, bool *cold)
{
	u64 hashlen = hashlen_string(NULL, name);

	*len = hashlen_len(hashlen);
	*cold = klp_is_cold(name, *len);
	if (!*cold)
		return hashlen_hash(hashlen);
	*len -= strlen(KLP_COLD_SUFFIX);
	return full_name_hash(NULL, name, *len);
}

/**
 * struct klp_query - the search for one symbol
 * @name:	its name
 * @hash:	of the name
 * @next:	in a module's pass, the next one of the same bucket
 * @pos:	which of that name, from 1 in address order; 0: the only one
 * @func:	on whose behalf, or NULL
 * @count:	how many of that name there are (no more than needed)
 * @addr:	the address found
 * @cold:	the first and the last cold part of functions of that name; which
 *		belongs to which function is not known
 */
struct klp_query {
	const char *name;
	u32 hash;
	struct klp_query *next;
	unsigned long pos;
	struct klp_func *func;
	unsigned long count;
	unsigned long addr;
	struct klp_range cold;
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

static int klp_query_vmlinux_cold(void *data, unsigned long addr)
{
	struct klp_query *query = data;

	if (!query->cold.first)
		query->cold.first = addr;
	query->cold.last = addr;
	return 0;
}

static int klp_query_vmlinux(struct klp_query *query)
{
	char *cold;

	kallsyms_on_each_match_symbol(klp_query_vmlinux_symbol, query->name, query);

	if (!query->func)
		return 0;
	cold = kasprintf(GFP_KERNEL, "%s" KLP_COLD_SUFFIX, query->name);
	if (!cold)
		return -ENOMEM;
	kallsyms_on_each_match_symbol(klp_query_vmlinux_cold, cold, query);
	kfree(cold);
	return 0;
}

/**
 * struct klp_match - a symbol of a module that bears a wanted name
 * @query:	the first query of that name
 * @cold:	it is a cold part of a function of that name
 * @addr:	the symbol's address
 */
struct klp_match {
	struct klp_query *query;
	bool cold;
	unsigned long addr;
};

/*
 * Comparisons are where sort() lets others run: with thousands of elements it
 * takes milliseconds.
 */
static int klp_match_cmp(const void *a, const void *b)
{
	const struct klp_match *ma = a, *mb = b;

	cond_resched();
	if (ma->query != mb->query)
		return ma->query < mb->query ? -1 : 1;
	if (ma->cold != mb->cold)
		return ma->cold - mb->cold;
	if (ma->addr != mb->addr)
		return ma->addr < mb->addr ? -1 : 1;
	return 0;
}

/**
 * struct klp_pass - a pass over a module's symbols
 * @modname:	the module's name
 * @bucket:	the queries by name; those of one name in their own order
 * @mask:	number of buckets, minus one
 * @match:	what was found; NULL while matches are only counted
 * @max_matches: so many fit into @match
 * @nr_matches:	so many there are
 */
struct klp_pass {
	const char *modname;
	struct klp_query **bucket;
	u32 mask;
	struct klp_match *match;
	unsigned int max_matches;
	unsigned int nr_matches;
};

/* The first of @query and those behind it in its bucket that has a name. */
static struct klp_query *klp_query_named(struct klp_query *query, u32 hash,
					 const char *name, size_t len)
{
	while (query && (query->hash != hash || strncmp(query->name, name, len) ||
			 query->name[len]))
		query = query->next;
	return query;
}

#ifdef CONFIG_SMP
static bool klp_is_per_cpu(const struct module *mod, unsigned long addr)
{
	return addr - (unsigned long)mod->percpu < mod->percpu_size;
}
#else
static bool klp_is_per_cpu(const struct module *mod, unsigned long addr)
{
	return false;
}
#endif

static bool klp_is_core(const char *modname, unsigned long addr)
{
	const struct module *mod = __module_address(addr);

	return mod && within_module_core(addr, mod) && !strcmp(mod->name, modname);
}

/*
 * A module has its init functions only while it comes. To count them would give
 * names other positions then, and they are freed under whoever holds them. A patch
 * module lists them for ever, and what is at their addresses may be another's.
 */
static bool klp_symbol_stays(const char *modname, unsigned long addr)
{
	const struct module *mod;

	guard(preempt)();
	/* The end of what fills its last page is a symbol behind the module's memory. */
	if (klp_is_core(modname, addr) || klp_is_core(modname, addr - 1))
		return true;
	mod = find_module(modname);
	return mod && klp_is_per_cpu(mod, addr);
}

static int klp_pass_symbol(void *data, const char *name, unsigned long addr)
{
	struct klp_pass *pass = data;
	struct klp_query *query;
	bool cold;
	size_t len;
	u32 hash = klp_hash_symbol(name, &len, &cold);

	cond_resched();
	query = klp_query_named(pass->bucket[hash & pass->mask], hash, name, len);
	if (!query || !klp_symbol_stays(pass->modname, addr))
		return 0;

	if (pass->nr_matches < pass->max_matches)
		pass->match[pass->nr_matches] = (struct klp_match){ query, cold, addr };
	pass->nr_matches++;
	return 0;
}

/* Give the matches from @match on to the queries of their name. */
static unsigned int klp_take_matches(struct klp_pass *pass, unsigned int match)
{
	const struct klp_match *first = &pass->match[match];
	struct klp_query *query = first->query, *q;
	unsigned int nr = 0, nr_cold = 0;

	while (match + nr < pass->nr_matches && first[nr].query == query && !first[nr].cold)
		nr++;
	while (match + nr + nr_cold < pass->nr_matches && first[nr + nr_cold].query == query)
		nr_cold++;

	for (q = query; q; q = klp_query_named(q->next, q->hash, q->name, strlen(q->name))) {
		q->count = nr;
		if (!klp_query_result(q))
			q->addr = first[max(q->pos, 1UL) - 1].addr;
		if (nr_cold) {
			q->cold.first = first[nr].addr;
			q->cold.last = first[nr + nr_cold - 1].addr;
		}
	}

	return match + nr + nr_cold;
}

/* Put the queries into buckets, from the last one on: each goes to the front. */
static int klp_pass_init(struct klp_pass *pass, struct klp_query *query, unsigned int nr)
{
	unsigned long buckets = roundup_pow_of_two(nr + 1);

	pass->bucket = kvcalloc(buckets, sizeof(*pass->bucket), GFP_KERNEL);
	if (!pass->bucket)
		return -ENOMEM;
	pass->mask = buckets - 1;

	while (nr--) {
		struct klp_query **bucket;

		query[nr].hash = hashlen_hash(hashlen_string(NULL, query[nr].name));
		bucket = &pass->bucket[query[nr].hash & pass->mask];
		query[nr].next = *bucket;
		*bucket = &query[nr];
	}
	return 0;
}

/* A module's symbol table is in no order: collect, sort, count. */
static int klp_query_module(const char *modname, struct klp_query *query, unsigned int nr)
{
	struct klp_pass pass = { .modname = modname };
	unsigned int match = 0;
	int err;

	err = klp_pass_init(&pass, query, nr);
	if (err)
		return err;

	module_kallsyms_on_each_symbol(modname, klp_pass_symbol, &pass);
	if (!pass.nr_matches)
		goto out;

	err = -ENOMEM;
	pass.match = kvmalloc_array(pass.nr_matches, sizeof(*pass.match), GFP_KERNEL);
	if (!pass.match)
		goto out;

	err = 0;
	pass.max_matches = pass.nr_matches;
	pass.nr_matches = 0;
	module_kallsyms_on_each_symbol(modname, klp_pass_symbol, &pass);
	/*
	 * Only the module of an object stays while klp_mutex is held. If a late
	 * relocation names another one, that may just have gone, and one of the
	 * same name have come, with more: then nothing is found.
	 */
	if (pass.nr_matches > pass.max_matches)
		pass.nr_matches = 0;
	klp_sort(pass.match, pass.nr_matches, sizeof(*pass.match), klp_match_cmp);

	while (match < pass.nr_matches)
		match = klp_take_matches(&pass, match);
	kvfree(pass.match);
out:
	kvfree(pass.bucket);
	return err;
}

/* Of one name only one symbol can be exported, however many others bear it. */
static bool klp_find_exported(const char *objname, const char *name, unsigned long *addr)
{
	struct find_symbol_arg arg = { .name = name, .gplok = true };

	guard(preempt)();
	if (!find_symbol(&arg) || strcmp(arg.owner ? arg.owner->name : "vmlinux", objname))
		return false;
	*addr = kernel_symbol_value(arg.sym);
	return true;
}

/**
 * klp_symbol_find() - find one symbol
 * @objname: the module's name; NULL or "vmlinux" for the kernel itself
 * @name: the symbol's name
 * @sympos: 0 if @name is unique in the object or exported by it, otherwise which
 *	    of that name, from 1 in address order
 * @addr: set to its address on success
 *
 * Context: may sleep; takes module_mutex.
 * Return: 0, -ENOENT if there is no such symbol, -EINVAL if there are several,
 * @sympos is 0 and none is exported, or -ENOMEM.
 */
int klp_symbol_find(const char *objname, const char *name, unsigned long sympos,
		    unsigned long *addr)
{
	struct klp_query query = { .name = name, .pos = sympos };
	int err = 0;

	if (objname && strcmp(objname, "vmlinux"))
		err = klp_query_module(objname, &query, 1);
	else
		err = klp_query_vmlinux(&query);

	if (!err)
		err = klp_query_result(&query);
	if (!err)
		*addr = query.addr;
	else if (err == -EINVAL && klp_find_exported(objname ?: "vmlinux", name, addr))
		err = 0;
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

/* From the first of some symbols to the end of the last one. */
static struct klp_extent klp_symbol_extent(const struct klp_range *symbols)
{
	unsigned long size;

	if (!symbols->first || !kallsyms_lookup_size_offset(symbols->last, &size, NULL))
		return (struct klp_extent){};
	return (struct klp_extent){
		.addr = symbols->first,
		.size = symbols->last + size - symbols->first,
	};
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
		if (!obj->name && !err)
			err = klp_query_vmlinux(&query[nr]);
		nr++;
		cond_resched();
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
		func->old.addr = query[i].addr;
		func->old_cold = klp_symbol_extent(&query[i].cold);
		cond_resched();
	}
	kvfree(query);
	return err;
}

static int klp_extent_cmp(const void *a, const void *b)
{
	const struct klp_extent *ea = *(const struct klp_extent **)a;
	const struct klp_extent *eb = *(const struct klp_extent **)b;

	cond_resched();
	if (ea->addr != eb->addr)
		return ea->addr < eb->addr ? -1 : 1;
	return 0;
}

/**
 * struct klp_layout - a pass over a module's symbols for the sizes of functions
 * @modname:	the module's name
 * @extent:	the functions; their addresses are known
 * @nr:		so many
 * @cold:	the cold parts of whatever functions
 */
struct klp_layout {
	const char *modname;
	struct klp_extent **extent;
	unsigned int nr;
	struct klp_range cold;
};

/* A symbol ends the last function that starts before it. */
static int klp_layout_symbol(void *data, const char *name, unsigned long addr)
{
	struct klp_layout *layout = data;
	unsigned int low = 0, high = layout->nr;

	cond_resched();
	if (!*name || is_mapping_symbol(name))
		return 0;

	if (klp_is_cold(name, strlen(name)) && klp_symbol_stays(layout->modname, addr)) {
		if (!layout->cold.first || addr < layout->cold.first)
			layout->cold.first = addr;
		layout->cold.last = max(layout->cold.last, addr);
	}

	while (low < high) {
		unsigned int mid = low + (high - low) / 2;

		if (layout->extent[mid]->addr < addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (low) {
		struct klp_extent *extent = layout->extent[low - 1];

		extent->size = min(extent->size, addr - extent->addr);
	}
	return 0;
}

static void klp_layout_sort(struct klp_layout *layout)
{
	klp_sort(layout->extent, layout->nr, sizeof(*layout->extent), klp_extent_cmp);
}

/* How far it is from a module's address to the end of what was allocated there. */
static unsigned long klp_room_behind(unsigned long addr)
{
	const struct module_memory *mem;
	struct module *mod;

	guard(preempt)();
	mod = __module_address(addr);
	if (!mod)
		return 0;
	for_each_mod_mem_type(type) {
		mem = &mod->mem[type];
		if (within_module_mem_type(addr, mod, type))
			return (unsigned long)mem->base + mem->size - addr;
	}
	return 0;
}

/*
 * Find the sizes of functions of a module in one pass over its symbols, where
 * kallsyms would make one for each. Behind the last one there is no symbol, or
 * one in other memory, with other modules in between.
 */
static bool klp_layout_run(struct klp_layout *layout)
{
	unsigned int i;

	for (i = 0; i < layout->nr; i++)
		layout->extent[i]->size = klp_room_behind(layout->extent[i]->addr);

	module_kallsyms_on_each_symbol(layout->modname, klp_layout_symbol, layout);

	/* Backwards: of several with one address, only the last has its size. */
	for (i = layout->nr; i-- > 0;) {
		struct klp_extent *extent = layout->extent[i];

		if (i + 1 < layout->nr && layout->extent[i + 1]->addr == extent->addr)
			extent->size = layout->extent[i + 1]->size;
		else if (!extent->size)
			return false;
	}
	return true;
}

/*
 * Two names may stand for one function. A patch cannot replace it twice; but
 * a no-op made for an earlier patch's name of it is not needed: it is nowhere.
 */
static int klp_check_aliases(struct klp_patch *patch, struct klp_object *obj,
			     const struct klp_layout *layout)
{
	struct klp_func *func, *kept = NULL;
	unsigned int i;

	for (i = 0; i < layout->nr; i++) {
		func = container_of(layout->extent[i], struct klp_func, old);
		if (!kept || func->old.addr != kept->old.addr) {
			kept = func;
			continue;
		}
		if (!func->nop && !kept->nop) {
			pr_err("patch '%s': object '%s': '%s' and '%s' are one function\n",
			       patch->mod->name, klp_object_label(obj),
			       kept->old_name, func->old_name);
			return -EINVAL;
		}
		if (!func->nop)
			swap(func, kept);
		func->old = (struct klp_extent){};
	}
	return 0;
}

static int klp_size_old(struct klp_patch *patch, struct klp_object *obj)
{
	struct klp_layout layout = { .modname = obj->name };
	struct klp_func *func;
	bool found = true;
	int err = 0;

	layout.extent = kvcalloc(klp_count_funcs(obj), sizeof(*layout.extent), GFP_KERNEL);
	if (!layout.extent)
		return -ENOMEM;

	klp_for_each_func(obj, func) {
		if (!func->old.addr)
			continue;
		layout.extent[layout.nr++] = &func->old;
		cond_resched();
		if (!obj->name)
			found &= kallsyms_lookup_size_offset(func->old.addr, &func->old.size, NULL);
	}
	klp_layout_sort(&layout);
	if (obj->name)
		found = klp_layout_run(&layout);
	if (!found) {
		pr_err("patch '%s': object '%s': a function has no known size\n",
		       patch->mod->name, klp_object_label(obj));
		err = -ENOENT;
	}
	if (!err)
		err = klp_check_aliases(patch, obj, &layout);
	kvfree(layout.extent);
	return err;
}

static int klp_bind_new(struct klp_patch *patch, struct klp_object *obj)
{
	struct klp_layout layout = { .modname = patch->mod->name };
	struct klp_extent cold;
	struct klp_func *func;
	int err = 0;

	layout.extent = kvcalloc(klp_count_funcs(obj), sizeof(*layout.extent), GFP_KERNEL);
	if (!layout.extent)
		return -ENOMEM;

	klp_for_each_func(obj, func) {
		if (func->nop)
			continue;
		func->new.addr = (unsigned long)func->new_func;
		layout.extent[layout.nr++] = &func->new;
		if (within_module_mem_type(func->new.addr, patch->mod, MOD_TEXT))
			continue;
		pr_err("patch '%s': object '%s': the new '%s' is not in the patch module's text\n",
		       patch->mod->name, klp_object_label(obj), func->old_name);
		err = -EINVAL;
		break;
	}
	klp_layout_sort(&layout);
	if (!err && !klp_layout_run(&layout)) {
		pr_err("patch '%s': object '%s': a new function has no known size\n",
		       patch->mod->name, klp_object_label(obj));
		err = -ENOENT;
	}
	kvfree(layout.extent);
	if (err)
		return err;

	/* Which of them belongs to which function, no name of ours tells. */
	cold = klp_symbol_extent(&layout.cold);
	klp_for_each_func(obj, func) {
		if (!func->nop)
			func->new_cold = cold;
	}
	return 0;
}

/**
 * klp_symbols_bind() - find the addresses and sizes of an object's functions
 * @patch: the patch
 * @obj: one of its objects, which is loaded
 *
 * Context: klp_mutex held; may sleep.
 * Return: 0, -ENOENT if a function does not exist or its size is not known,
 * -EINVAL if a name is ambiguous, two are one function, or a new function is
 * not in the patch module, or -ENOMEM. The reason is in the log.
 */
int klp_symbols_bind(struct klp_patch *patch, struct klp_object *obj)
{
	int err;

	lockdep_assert_held(&klp_mutex);

	err = klp_bind_old(patch, obj);
	if (!err)
		err = klp_size_old(patch, obj);
	if (!err)
		err = klp_bind_new(patch, obj);
	return err;
}
