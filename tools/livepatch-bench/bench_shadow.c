// SPDX-License-Identifier: GPL-2.0
/*
 * The cost of shadow variables when there are many: loading it with live=N
 * makes N of them; then the cycles of LOOPS more allocations and of LOOPS
 * look-ups are in the parameters "alloc" and "get".
 */

#include <linux/delay.h>
#include <linux/hash.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/timex.h>

#define LOOPS	1000
#define ID	0xbe7c4

static unsigned int live = 1000;
module_param(live, uint, 0400);
static ulong alloc;
module_param(alloc, ulong, 0400);
static ulong get;
module_param(get, ulong, 0400);

/* Never looked at: objects as the slab allocator would place them. */
static void *object(unsigned int i)
{
	return (void *)(PAGE_OFFSET + i * 192UL);
}

static int __init bench_shadow_init(void)
{
	cycles_t start;
	unsigned int i;
	int found = 0;

	for (i = 0; i < live; i++) {
		if (!klp_shadow_alloc(object(i), ID, sizeof(long), GFP_KERNEL, NULL, NULL))
			goto fail;
		cond_resched();
	}

	/* Nobody can see when a table has grown. This is long, and costs nothing. */
	ssleep(1);
	start = get_cycles();
	for (i = 0; i < LOOPS; i++)
		klp_shadow_alloc(object(live + i), ID, sizeof(long), GFP_KERNEL, NULL, NULL);
	alloc = get_cycles() - start;

	ssleep(1);
	start = get_cycles();
	for (i = 0; i < LOOPS; i++)
		found += !!klp_shadow_get(object(hash_32(i, 32) % live), ID);
	get = get_cycles() - start;

	if (found == LOOPS)
		return 0;
fail:
	klp_shadow_free_all(ID, NULL);
	return -ENOMEM;
}
module_init(bench_shadow_init);

static void __exit bench_shadow_exit(void)
{
	klp_shadow_free_all(ID, NULL);
}
module_exit(bench_shadow_exit);

MODULE_DESCRIPTION("Livepatch benchmark: shadow variables");
MODULE_LICENSE("GPL");
