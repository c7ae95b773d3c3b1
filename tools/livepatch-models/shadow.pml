/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shadow: who finds a shadow variable finds it constructed, and who looks for one
 * that is there finds it while it moves.
 *
 * A variable is in the table before it is constructed, and belongs to nobody.
 * The constructor writes its data, then it becomes its object's: a reader that
 * sees this sees the data. Both sides need their order.
 *
 * When the table is replaced, the old one first says where the new one is. Then
 * its entries are moved: each is in the new table before it leaves the old one.
 * A reader that does not find the variable in the old table asks whether there
 * is a new one. What it read first must not be the answer to that.
 *
 * In the kernel: klp_shadow_add(), klp_shadow_is(), klp_shadow_get();
 * rhashtable_rehash_attach() and rhashtable_rehash_one() of lib/rhashtable.c.
 *
 * holds:
 * breaks: -DNO_RELEASE
 * breaks: -DNO_ACQUIRE
 * breaks: -DNO_RMB
 */

#define NR_CPUS	3
#define NR_VARS	4

#define DATA	0
#define OF	1	/* whether the variable is its object's */
#define OLD	2	/* whether the entry is in the old table */
#define FUTURE	3	/* whether the old table knows of a new one */

#include "model.h"

bool ready = false;

/* klp_shadow_add() */
active proctype constructor()
{
	mem[OLD] = true;
	ready = true;
	store(0, DATA, 1);
#ifndef NO_RELEASE
	smp_mb(0);			/* smp_store_release() */
#endif
	store(0, OF, true)
}

/* The table grows meanwhile. */
active proctype rehash()
{
	ready;
	store(1, FUTURE, true);		/* rhashtable_rehash_attach() */
	smp_mb(1);
	/* The entry is in the new table by now. */
	store(1, OLD, false)
}

/* klp_shadow_get() */
active proctype reader()
{
	bool in_old, known, owned;
	byte data;

	ready;

#ifdef NO_RMB
	known = load(2, FUTURE);
	in_old = load(2, OLD);
#else
	in_old = load(2, OLD);
	known = load(2, FUTURE);	/* behind smp_rmb() */
#endif
	/* One of the two leads to it. */
	assert(in_old || known);

	/* klp_shadow_is() */
#ifdef NO_ACQUIRE
	data = load(2, DATA);
	owned = load(2, OF);
#else
	owned = load(2, OF);
	data = load(2, DATA);
#endif
	assert(!owned || data == 1)
}
