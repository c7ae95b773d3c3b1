// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Shadow variables: data attached to an object whose type cannot grow.
 *
 * A variable is found by the address of its object and a number that its users
 * have agreed on. Reading takes no lock: the kernel's resizable hash table is
 * walked under RCU, and it keeps its chains short at any number of variables.
 *
 * All changes are made under one lock, as they always were for users: their
 * constructors and destructors are serialised by it. It also protects a list
 * of all variables, because the table itself cannot be walked reliably while
 * it moves its entries to a larger or smaller one.
 *
 * A variable goes into the table before it is constructed. In this order a
 * failure to insert happens while there is nothing to destruct yet. Nobody
 * finds the variable until it is said to be its object's.
 *
 * When the table should grow, it queues work; when the work has not come round
 * to it in time, a larger table is allocated on the spot, of single pages if
 * need be. So an insertion fails only when memory is short (-ENOMEM; or, with
 * an unlikely long chain in a table that is being replaced already, -EBUSY), and
 * users see what they see when the variable itself cannot be allocated.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cleanup.h>
#include <linux/export.h>
#include <linux/hash.h>
#include <linux/init.h>
#include <linux/overflow.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "internal.h"

struct klp_shadow_key {
	void *obj;
	unsigned long id;
};

/**
 * struct klp_shadow - a shadow variable
 * @hash_node:	in the table. R, written under S
 * @key:	what it is put into the table by. Constant
 * @of:		the object, when the variable is constructed. Before that it is the
 *		variable itself, for which nobody looks. R, written under S
 * @node:	in the list of all. S
 * @rcu:	for freeing, when it has left the list
 * @data:	the users'
 */
struct klp_shadow {
	struct rhash_head hash_node;
	struct klp_shadow_key key;
	void *of;
	union {
		struct list_head node;
		struct rcu_head rcu;
	};
	u8 data[] __aligned(__alignof__(unsigned long long));
};

/* How many variables klp_shadow_free_all() looks at before it lets others in. */
#define KLP_SHADOW_BATCH	64

/* S in the lock legend. */
static DEFINE_SPINLOCK(klp_shadow_lock);
static LIST_HEAD(klp_shadow_list);
static struct rhashtable klp_shadow_table;

/*
 * Cheaper than jhash, and as good for addresses: the longest chains are those of
 * random numbers, whatever the objects' distances and the table's size. One
 * multiplication alone is not enough for that.
 */
static u32 klp_shadow_hash(const void *data, u32 len, u32 seed)
{
	const struct klp_shadow_key *key = data;
	u64 hash = ((unsigned long)key->obj ^ seed) * GOLDEN_RATIO_64;

	hash = (hash ^ (hash >> 32) ^ key->id) * GOLDEN_RATIO_64;
	return hash >> 32;
}

static bool klp_shadow_is(const struct klp_shadow *shadow, void *obj, unsigned long id)
{
	/* Pairs with klp_shadow_add(): the data is as the constructor left it. */
	return smp_load_acquire(&shadow->of) == obj && shadow->key.id == id;
}

static int klp_shadow_cmp(struct rhashtable_compare_arg *arg, const void *data)
{
	const struct klp_shadow *shadow = data;
	const struct klp_shadow_key *key = arg->key;

	return !klp_shadow_is(shadow, key->obj, key->id);
}

static const struct rhashtable_params klp_shadow_params = {
	.head_offset = offsetof(struct klp_shadow, hash_node),
	.key_offset = offsetof(struct klp_shadow, key),
	.key_len = sizeof(struct klp_shadow_key),
	.hashfn = klp_shadow_hash,
	.obj_cmpfn = klp_shadow_cmp,
	.automatic_shrinking = true,
};

static struct klp_shadow *klp_shadow_find(void *obj, unsigned long id)
{
	const struct klp_shadow_key key = { .obj = obj, .id = id };

	return rhashtable_lookup(&klp_shadow_table, &key, klp_shadow_params);
}

static noinline void *klp_shadow_get_slow(void *obj, unsigned long id)
{
	struct klp_shadow *shadow = klp_shadow_find(obj, id);

	return shadow ? shadow->data : NULL;
}

/*
 * With preemption off is a read-side section of RCU, too, and takes a third of
 * what rcu_read_lock() takes where that is a function. lockdep knows only the
 * latter.
 */
static __always_inline void klp_shadow_read_lock(void)
{
	preempt_disable_notrace();
	rcu_lock_acquire(&rcu_lock_map);
}

static __always_inline void klp_shadow_read_unlock(void)
{
	rcu_lock_release(&rcu_lock_map);
	preempt_enable_notrace();
}

DEFINE_LOCK_GUARD_0(klp_shadow_read, klp_shadow_read_lock(), klp_shadow_read_unlock())

/**
 * klp_shadow_get() - find a shadow variable
 * @obj: the object that it is attached to
 * @id: which of the object's variables
 *
 * No reference is taken: whoever may free the variable, usually with its
 * object, has to be kept from doing so by the caller's own locking.
 *
 * Context: any in which RCU is watching.
 * Return: the variable's data, or NULL if there is no such variable.
 */
void *klp_shadow_get(void *obj, unsigned long id)
{
	const struct klp_shadow_key key = { .obj = obj, .id = id };
	struct rhash_lock_head __rcu **bucket;
	struct klp_shadow *shadow;
	struct bucket_table *table;
	struct rhash_head *head;
	u32 hash;

	guard(klp_shadow_read)();

	/*
	 * In the common case, a plain table that is not being replaced, this takes
	 * half of what rhashtable_lookup() takes, which is made for any table and
	 * any key, and is asked when it is not that case.
	 */
	table = rht_dereference_rcu(klp_shadow_table.tbl, &klp_shadow_table);
	if (unlikely(table->nest))
		return klp_shadow_get_slow(obj, id);

	hash = klp_shadow_hash(&key, sizeof(key), table->hash_rnd);
	hash = rht_bucket_index(table, hash);
	bucket = &table->buckets[hash];

	/* Bit 0 is the bucket's lock. */
	head = (void *)((unsigned long)rcu_dereference(*bucket) & ~BIT(0));
	if (head) {
		rht_for_each_entry_rcu_from(shadow, head, head, table, hash, hash_node) {
			if (klp_shadow_is(shadow, obj, id))
				return shadow->data;
		}
		/* An entry that moves takes the walk into another chain. */
		if (unlikely(head != RHT_NULLS_MARKER(bucket)))
			return klp_shadow_get_slow(obj, id);
	}

	/* Entries are in a new table before they leave the old one. */
	smp_rmb();
	if (unlikely(rcu_access_pointer(table->future_tbl)))
		return klp_shadow_get_slow(obj, id);

	return NULL;
}
EXPORT_SYMBOL_GPL(klp_shadow_get);

/*
 * Add a variable, or set @existed and return the one that is there. Constructor
 * and insertion are one under the lock, so that of several racing callers
 * exactly one constructs.
 */
static void *klp_shadow_add(void *obj, unsigned long id, size_t size, gfp_t gfp_flags,
			    klp_shadow_ctor_t ctor, void *ctor_data, bool *existed)
{
	struct klp_shadow *shadow, *old;
	unsigned long flags;

	*existed = false;

	shadow = kzalloc(size_add(sizeof(*shadow), size), gfp_flags);
	if (!shadow)
		return NULL;
	shadow->key.obj = obj;
	shadow->key.id = id;
	shadow->of = shadow;

	spin_lock_irqsave(&klp_shadow_lock, flags);

	old = rhashtable_lookup_get_insert_fast(&klp_shadow_table, &shadow->hash_node,
						klp_shadow_params);
	if (old) {
		spin_unlock_irqrestore(&klp_shadow_lock, flags);
		kfree(shadow);
		if (IS_ERR(old))
			return NULL;
		*existed = true;
		return old->data;
	}

	if (ctor && ctor(obj, shadow->data, ctor_data)) {
		rhashtable_remove_fast(&klp_shadow_table, &shadow->hash_node,
				       klp_shadow_params);
		spin_unlock_irqrestore(&klp_shadow_lock, flags);
		/* A reader may be looking at it, if only to pass by. */
		kfree_rcu(shadow, rcu);
		return NULL;
	}

	list_add(&shadow->node, &klp_shadow_list);
	/* Pairs with klp_shadow_is(). */
	smp_store_release(&shadow->of, obj);

	spin_unlock_irqrestore(&klp_shadow_lock, flags);
	return shadow->data;
}

/**
 * klp_shadow_alloc() - attach a new shadow variable to an object
 * @obj: the object
 * @id: which of the object's variables
 * @size: bytes of data
 * @gfp_flags: for the allocation
 * @ctor: makes the data from zeroes, or NULL; may not sleep
 * @ctor_data: passed to @ctor
 *
 * The variable must not exist yet: a second allocation is warned about.
 *
 * Context: any that @gfp_flags allow and in which work may be queued; not from
 * a constructor or destructor.
 * Return: the data, or NULL if memory is short, @ctor returned an error, or the
 * variable existed.
 */
void *klp_shadow_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp_flags,
		       klp_shadow_ctor_t ctor, void *ctor_data)
{
	bool existed;
	void *data;

	data = klp_shadow_add(obj, id, size, gfp_flags, ctor, ctor_data, &existed);
	if (WARN(existed, "shadow variable <%p, 0x%lx> exists already\n", obj, id))
		return NULL;

	return data;
}
EXPORT_SYMBOL_GPL(klp_shadow_alloc);

/**
 * klp_shadow_get_or_alloc() - find a shadow variable, or attach a new one
 * @obj: the object
 * @id: which of the object's variables
 * @size: bytes of data of a new one
 * @gfp_flags: for the allocation
 * @ctor: makes a new one's data from zeroes, or NULL; may not sleep
 * @ctor_data: passed to @ctor
 *
 * All of several concurrent callers get the same variable; it is constructed
 * once.
 *
 * Context: as klp_shadow_alloc().
 * Return: the data, or NULL if a new variable was needed and memory is short or
 * @ctor returned an error.
 */
void *klp_shadow_get_or_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp_flags,
			      klp_shadow_ctor_t ctor, void *ctor_data)
{
	bool existed;

	return klp_shadow_get(obj, id) ?:
	       klp_shadow_add(obj, id, size, gfp_flags, ctor, ctor_data, &existed);
}
EXPORT_SYMBOL_GPL(klp_shadow_get_or_alloc);

static void klp_shadow_drop(struct klp_shadow *shadow, klp_shadow_dtor_t dtor)
{
	lockdep_assert_held(&klp_shadow_lock);

	rhashtable_remove_fast(&klp_shadow_table, &shadow->hash_node, klp_shadow_params);
	list_del(&shadow->node);
	if (dtor)
		dtor(shadow->key.obj, shadow->data);
	kfree_rcu(shadow, rcu);
}

/**
 * klp_shadow_free() - detach and free a shadow variable, if there is one
 * @obj: the object
 * @id: which of the object's variables
 * @dtor: called with the data before it is freed, or NULL; may not sleep
 *
 * Context: as klp_shadow_alloc(). The memory is freed after an RCU grace period.
 */
void klp_shadow_free(void *obj, unsigned long id, klp_shadow_dtor_t dtor)
{
	struct klp_shadow *shadow;
	unsigned long flags;

	spin_lock_irqsave(&klp_shadow_lock, flags);
	scoped_guard(rcu)
		shadow = klp_shadow_find(obj, id);
	if (shadow)
		klp_shadow_drop(shadow, dtor);
	spin_unlock_irqrestore(&klp_shadow_lock, flags);
}
EXPORT_SYMBOL_GPL(klp_shadow_free);

/**
 * klp_shadow_free_all() - detach and free the variables of all objects
 * @id: which of the objects' variables
 * @dtor: called with the data of each before it is freed, or NULL; may not
 *	  sleep
 *
 * Variables that are attached while this runs may stay: for all to be gone, the
 * code that attaches them has to be out of use, as it is in a post_unpatch
 * callback.
 *
 * Context: as klp_shadow_free().
 */
void klp_shadow_free_all(unsigned long id, klp_shadow_dtor_t dtor)
{
	/* A place in the list. It is no object's, as those in the list are. */
	struct klp_shadow cursor = { .of = &cursor };
	struct klp_shadow *shadow;
	unsigned int seen = 0;
	unsigned long flags;

	spin_lock_irqsave(&klp_shadow_lock, flags);
	list_add(&cursor.node, &klp_shadow_list);
	while (!list_is_last(&cursor.node, &klp_shadow_list)) {
		shadow = list_next_entry(&cursor, node);
		list_move(&cursor.node, &shadow->node);
		if (shadow->of != shadow && shadow->key.id == id)
			klp_shadow_drop(shadow, dtor);

		if (++seen % KLP_SHADOW_BATCH == 0) {
			spin_unlock_irqrestore(&klp_shadow_lock, flags);
			spin_lock_irqsave(&klp_shadow_lock, flags);
		}
	}
	list_del(&cursor.node);
	spin_unlock_irqrestore(&klp_shadow_lock, flags);
}
EXPORT_SYMBOL_GPL(klp_shadow_free_all);

/*
 * Users are modules or patched functions, and there are none this early. With
 * these parameters the call cannot fail.
 */
static int __init klp_shadow_init(void)
{
	return rhashtable_init(&klp_shadow_table, &klp_shadow_params);
}
early_initcall(klp_shadow_init);

#ifdef CONFIG_KLP_KUNIT_TEST
#include "tests/shadow_kunit.h"
#endif
