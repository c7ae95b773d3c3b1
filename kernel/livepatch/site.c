// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sites: where calls of patched functions go.
 *
 * One ftrace_ops serves all sites, with an exact filter, so that a patch costs
 * one ftrace update when it comes and one when it goes, however many functions
 * it has. A site exists while at least one patch has a function over it.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpu.h>
#include <linux/ftrace.h>
#include <linux/hash.h>
#include <linux/rculist.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "internal.h"

#define KLP_SITE_BITS	10

/* All sites by ftrace location. Lock: M to write, R to read. */
static struct hlist_head klp_site_table[1 << KLP_SITE_BITS];

/* The same sites. Lock: M. */
static LIST_HEAD(klp_sites);

/* Sites that ftrace must be told of: new ones and empty ones. Lock: M. */
static LIST_HEAD(klp_sites_to_update);

/* Sites in the filter of klp_ftrace_ops. Lock: M. */
static unsigned int klp_nr_hooked;

static __always_inline struct hlist_head *klp_site_bucket(unsigned long ip)
{
	return &klp_site_table[hash_long(ip, KLP_SITE_BITS)];
}

/*
 * Calls of a patched function come here; the version is chosen by the calling
 * task's state alone, whatever patch, direction or phase.
 *
 * Everything used here is inlined or notrace, so this cannot come back to
 * itself, and needs no recursion lock: a lock that is busy would mean to
 * let a call through to the wrong version. ftrace itself has one for locations
 * with several users: see Documentation/livepatch/limits.rst.
 *
 * A location without a site is one whose site is on its way in or out: the
 * original is right then, because both versions are.
 */
static void notrace klp_ftrace_handler(unsigned long ip, unsigned long parent_ip,
				       struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct klp_site *site;
	void *target;

	/* Pairs with klp_sites_wait_handlers(): from here to the end is waited for. */
	preempt_disable_notrace();

	hlist_for_each_entry_rcu_notrace(site, klp_site_bucket(ip), hash_node) {
		int patched;

		if (site->ip != ip)
			continue;

		/*
		 * While the versions differ, current's state changes by itself or
		 * while it is off the CPU: not between these lines, and not within
		 * an interrupt. Unless it is forced.
		 */
		patched = READ_ONCE(current->patch_state) == KLP_TRANSITION_PATCHED;
		target = READ_ONCE(site->version[patched]);
		if (target)
			ftrace_regs_set_instruction_pointer(fregs, (unsigned long)target);
		break;
	}

	preempt_enable_notrace();
}

static struct ftrace_ops klp_ftrace_ops = {
	.func	= klp_ftrace_handler,
	.flags	= FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT |
#ifndef CONFIG_HAVE_DYNAMIC_FTRACE_WITH_ARGS
		  FTRACE_OPS_FL_SAVE_REGS |
#endif
		  0,
};

/**
 * klp_sites_wait_handlers() - wait until running handlers have chosen
 *
 * When this returns, each handler that may have read a version or a task's
 * state from before the call has returned to its trampoline. That trampoline
 * may still have to arrive in the version: the task's stack shows it
 * (see klp_site_window()).
 *
 * Context: may sleep.
 */
void klp_sites_wait_handlers(void)
{
	/*
	 * Where ARCH_WANTS_NO_INSTR, nothing is traced unless RCU is watching,
	 * so a handler's preemption-off section is a reader. Elsewhere only a
	 * visit to each CPU will do. RCU does not know a CPU that is just coming
	 * up or going down, so none may.
	 */
	if (IS_ENABLED(CONFIG_ARCH_WANTS_NO_INSTR)) {
		cpus_read_lock();
		synchronize_rcu_expedited();
		cpus_read_unlock();
	} else {
		synchronize_rcu_tasks_rude();
	}
}

static struct klp_site *klp_site_find(unsigned long ip)
{
	struct klp_site *site;

	lockdep_assert_held(&klp_mutex);

	hlist_for_each_entry(site, klp_site_bucket(ip), hash_node) {
		if (site->ip == ip)
			return site;
	}
	return NULL;
}

/* The target of a function; NULL is the original. */
static void *klp_func_target(const struct klp_func *func)
{
	return func && !func->nop ? func->new_func : NULL;
}

static struct klp_func *klp_site_top(struct klp_site *site)
{
	return list_first_entry_or_null(&site->funcs, struct klp_func, site_node);
}

/* A site to update has a function and no hook, or a hook and no function. */
static bool klp_site_to_hook(const struct klp_site *site)
{
	return !site->hooked && !list_empty(&site->funcs);
}

static bool klp_site_to_unhook(const struct klp_site *site)
{
	return site->hooked && list_empty(&site->funcs);
}

/**
 * klp_site_below() - what a task returns to when it leaves a function's patch
 * @func: a function that is attached to its site
 *
 * Context: klp_mutex held.
 * Return: the function of the patch below, or NULL for the original.
 */
struct klp_func *klp_site_below(struct klp_func *func)
{
	lockdep_assert_held(&klp_mutex);

	if (list_is_last(&func->site_node, &func->site->funcs))
		return NULL;
	return list_next_entry(func, site_node);
}

/**
 * klp_site_location() - where ftrace is called in a function
 * @func: the function, its original's address and size known
 *
 * What ftrace_location() finds too, but that asks kallsyms for the size again.
 *
 * Context: may sleep.
 * Return: the location, or 0 if the function cannot be traced.
 */
unsigned long klp_site_location(const struct klp_func *func)
{
	unsigned long addr = func->old.addr;
	unsigned long last = addr + func->old.size - 1;
	unsigned long ip = ftrace_location_range(addr, addr);

#ifdef FTRACE_MCOUNT_MAX_OFFSET
	/*
	 * The size reaches to the next symbol. An overridden weak function has
	 * none any more, but ftrace still knows its location.
	 */
	last = min(last, addr + FTRACE_MCOUNT_MAX_OFFSET);
#endif
	return ip ?: ftrace_location_range(addr, last);
}

/**
 * klp_site_attach() - put a function on top of its site
 * @func: the function, bound to its address
 *
 * Calls go where they went before until klp_site_split() or klp_site_settle();
 * a new site also needs klp_sites_hook().
 *
 * Context: klp_mutex held; may sleep.
 * Return: 0, -EINVAL if ftrace has no location in the function, or -ENOMEM.
 */
int klp_site_attach(struct klp_func *func)
{
	unsigned long ip = klp_site_location(func);
	struct klp_site *site;

	lockdep_assert_held(&klp_mutex);

	if (!ip)
		return -EINVAL;

	site = klp_site_find(ip);
	if (!site) {
		site = kzalloc(sizeof(*site), GFP_KERNEL);
		if (!site)
			return -ENOMEM;
		site->ip = ip;
		INIT_LIST_HEAD(&site->funcs);
		list_add_tail(&site->update_node, &klp_sites_to_update);
		list_add_tail(&site->node, &klp_sites);
		hlist_add_head_rcu(&site->hash_node, klp_site_bucket(ip));
	}
	list_add(&func->site_node, &site->funcs);
	func->site = site;
	return 0;
}

/**
 * klp_site_detach() - take a function off its site
 * @func: the function; nothing happens if it is not attached
 *
 * Both versions then lead to what is on top; a site that is left empty stays
 * until klp_sites_sweep(). No task may be in the state whose version changes,
 * or nothing call the function.
 * If the site has a jump, nothing may call the function until it is swept.
 *
 * Context: klp_mutex held.
 */
void klp_site_detach(struct klp_func *func)
{
	struct klp_site *site = func->site;

	lockdep_assert_held(&klp_mutex);

	if (!site)
		return;

	list_del_init(&func->site_node);
	func->site = NULL;
	klp_site_settle(site);

	/* A site that was never hooked is on the list since it was made. */
	if (klp_site_to_unhook(site))
		list_add_tail(&site->update_node, &klp_sites_to_update);
}

/**
 * klp_site_settle() - both states lead to the function on top
 * @site: the site
 *
 * Context: klp_mutex held. The caller waits for handlers before it frees what
 * either version led to.
 */
void klp_site_settle(struct klp_site *site)
{
	void *target = klp_func_target(klp_site_top(site));

	lockdep_assert_held(&klp_mutex);

	WRITE_ONCE(site->version[0], target);
	WRITE_ONCE(site->version[1], target);
	site->held = false;
}

/**
 * klp_site_hold() - let no jump stand in the way of klp_site_split()
 * @site: the site
 *
 * From the next klp_sites_leave_jumps() to klp_site_settle(), calls go to the
 * handler.
 *
 * Context: klp_mutex held.
 */
void klp_site_hold(struct klp_site *site)
{
	lockdep_assert_held(&klp_mutex);

	site->held = true;
}

/**
 * klp_site_split() - let calls differ between the two states
 * @func: the function, of the patch in transition
 *
 * KLP_TRANSITION_PATCHED leads to the top, any other state to the top without
 * @func. Which of the two was there before depends on the direction; the other
 * one changes, so no task may be in its state, and no handler may be about to
 * use it for one. The site has no jump.
 *
 * Context: klp_mutex held.
 */
void klp_site_split(struct klp_func *func)
{
	struct klp_site *site = func->site;
	struct klp_func *top = klp_site_top(site);

	lockdep_assert_held(&klp_mutex);
	WARN_ON_ONCE(site->jump);

	klp_site_hold(site);
	WRITE_ONCE(site->version[1], klp_func_target(top));
	if (top == func)
		top = klp_site_below(func);
	WRITE_ONCE(site->version[0], klp_func_target(top));
}

/* Not the same as whether sites are hooked, if ftrace was broken meanwhile. */
static bool klp_ops_enabled(void)
{
	return klp_ftrace_ops.flags & FTRACE_OPS_FL_ENABLED;
}

/*
 * Make the filter of the ops smaller. ftrace makes a smaller one beside the
 * larger, and may have no memory for it. But a location that stays where a
 * module is freed would become one of the next module's there, unasked: try again
 * until it is done, as an allocation that must not fail does.
 */
static void klp_filter_shrink(unsigned long *ips, unsigned int nr)
{
	while (ftrace_set_filter_ips(&klp_ftrace_ops, ips, nr, 1, 0) == -ENOMEM)
		schedule_timeout_uninterruptible(1);
}

/* Make the filter of the ops larger; ftrace does all locations at once. */
static int klp_filter_add(unsigned long *ips, unsigned int nr)
{
	int err;

	/*
	 * -EAGAIN: somebody is just attaching a direct call to one of these
	 * functions. ftrace has waited a moment; they finish without us.
	 */
	do {
		err = ftrace_set_filter_ips(&klp_ftrace_ops, ips, nr, 0, 0);
	} while (err == -EAGAIN);
	if (err || klp_ops_enabled())
		return err;

	do {
		err = register_ftrace_function(&klp_ftrace_ops);
	} while (err == -EAGAIN);
	if (err)
		klp_filter_shrink(ips, nr);
	return err;
}

static void klp_filter_remove(unsigned long *ips, unsigned int nr)
{
	/* An empty filter would mean every function: unregister first. */
	if (nr == klp_nr_hooked && klp_ops_enabled() &&
	    unregister_ftrace_function(&klp_ftrace_ops))
		return;
	klp_filter_shrink(ips, nr);
}

/*
 * ftrace refuses a batch as a whole. Find the first function that it does not
 * take, for the administrator: the shortest prefix that fails ends with it.
 */
static unsigned int klp_find_refused(unsigned long *ips, unsigned int nr)
{
	unsigned int good = 0, bad = nr;

	while (bad - good > 1) {
		unsigned int mid = good + (bad - good) / 2;

		if (klp_filter_add(ips, mid)) {
			bad = mid;
			continue;
		}
		klp_nr_hooked += mid;
		klp_filter_remove(ips, mid);
		klp_nr_hooked -= mid;
		good = mid;
	}
	return bad - 1;
}

/* The locations of sites to hook, or NULL without memory; or of those to unhook. */
static unsigned long *klp_update_ips(bool hook, unsigned int *nr)
{
	struct klp_site *site;
	unsigned long *ips;
	unsigned int n = 0;

	list_for_each_entry(site, &klp_sites_to_update, update_node)
		n++;
	/* What is to be unhooked cannot stay: see klp_filter_shrink(). */
	ips = kvmalloc_array(n, sizeof(*ips), GFP_KERNEL | (hook ? 0 : __GFP_NOFAIL));
	if (n && !ips)
		return NULL;

	*nr = 0;
	list_for_each_entry(site, &klp_sites_to_update, update_node) {
		if (hook ? klp_site_to_hook(site) : klp_site_to_unhook(site))
			ips[(*nr)++] = site->ip;
	}
	return ips;
}

/**
 * klp_sites_hook() - have ftrace call the handler for all new sites
 * @refused: set to the function that ftrace did not take, or NULL
 *
 * Context: klp_mutex held; may sleep.
 * Return: 0, -ENOMEM, or ftrace's own error: -EBUSY if ftrace is switched off
 * or somebody else changes the instruction pointer there; -ENODEV if it has given
 * up.
 */
int klp_sites_hook(struct klp_func **refused)
{
	struct klp_site *site, *next;
	unsigned long *ips;
	unsigned int nr;
	int err = 0;

	lockdep_assert_held(&klp_mutex);

	*refused = NULL;
	ips = klp_update_ips(true, &nr);
	if (!ips)
		return -ENOMEM;
	if (!nr)
		goto out;

	err = klp_filter_add(ips, nr);
	if (err) {
		*refused = klp_site_top(klp_site_find(ips[klp_find_refused(ips, nr)]));
		goto out;
	}

	klp_nr_hooked += nr;
	list_for_each_entry_safe(site, next, &klp_sites_to_update, update_node) {
		if (!klp_site_to_hook(site))
			continue;
		site->hooked = true;
		list_del_init(&site->update_node);
	}
out:
	kvfree(ips);
	return err;
}

/**
 * klp_sites_sweep() - remove the sites that no patch has a function over
 *
 * Also waits for handlers, whether or not there was a site to remove: when
 * this returns, no handler leads to a function that was detached before.
 *
 * Context: klp_mutex held; may sleep.
 */
void klp_sites_sweep(void)
{
	struct klp_site *site, *next;
	unsigned long *ips;
	LIST_HEAD(gone);
	unsigned int nr;

	lockdep_assert_held(&klp_mutex);

	ips = klp_update_ips(false, &nr);
	/*
	 * An ftrace that has given up calls the handler on. That finds no site, and
	 * lets the original run; and nothing is hooked there any more.
	 */
	if (nr)
		klp_filter_remove(ips, nr);

	klp_nr_hooked -= nr;
	list_for_each_entry_safe(site, next, &klp_sites_to_update, update_node) {
		if (!list_empty(&site->funcs))
			continue;
		hlist_del_rcu(&site->hash_node);
		list_del(&site->node);
		list_move(&site->update_node, &gone);
	}
	kvfree(ips);
	/*
	 * Pairs with the handler: the versions and the table were changed
	 * before; what they led to is freed, and tasks' states change, after.
	 */
	klp_sites_wait_handlers();
	list_for_each_entry_safe(site, next, &gone, update_node)
		kfree(site);
}

/* ---- jumps: an optimisation, without which calls are only slower ---- */

/* Where the site may jump, NULL if calls have to go to the handler. */
static void *klp_site_jump_target(const struct klp_site *site)
{
	return site->hooked && !site->held ? site->version[0] : NULL;
}

static bool klp_site_jump_due(const struct klp_site *site, bool enter)
{
	/* An empty site is the sweep's; ftrace drops the jump with the hook. */
	if (list_empty(&site->funcs))
		return false;
	return enter ? !site->jump && klp_site_jump_target(site)
		     : site->jump && !klp_site_jump_target(site);
}

/* One ftrace update for all sites that have to change. */
static int klp_update_jumps(bool enter)
{
	struct ftrace_jump *jumps;
	struct klp_site *site;
	unsigned int max = 0, nr = 0;
	int err;

	lockdep_assert_held(&klp_mutex);

	if (!IS_ENABLED(CONFIG_LIVEPATCH_JUMP))
		return 0;

	list_for_each_entry(site, &klp_sites, node)
		max += klp_site_jump_due(site, enter);
	if (!max)
		return 0;

	jumps = kvmalloc_array(max, sizeof(*jumps), GFP_KERNEL);
	if (!jumps)
		return -ENOMEM;
	list_for_each_entry(site, &klp_sites, node) {
		if (!klp_site_jump_due(site, enter))
			continue;
		jumps[nr].ip = site->ip;
		jumps[nr].target = (unsigned long)klp_site_jump_target(site);
		nr++;
	}
	err = ftrace_set_jumps(&klp_ftrace_ops, jumps, nr);
	kvfree(jumps);
	/* -EIO: for all we know they jump, and will do so for ever. */
	if (err && !(enter && err == -EIO))
		return err;

	list_for_each_entry(site, &klp_sites, node) {
		if (klp_site_jump_due(site, enter))
			site->jump = klp_site_jump_target(site);
	}
	return err;
}

/**
 * klp_sites_leave_jumps() - have all sites call the handler that are held
 *
 * When this returns 0, every new call of such a function goes to the handler.
 * A task that has jumped before is in the version, or at its first byte.
 *
 * Context: klp_mutex held; may sleep.
 * Return: 0; -ENOMEM, or -ENODEV or -EIO if ftrace is dead: then some or all jump
 * as before.
 */
int klp_sites_leave_jumps(void)
{
	return klp_update_jumps(false);
}

/**
 * klp_sites_enter_jumps() - have all sites jump that may
 *
 * Those that nobody holds: both their versions are the same. What fails is
 * tried again the next time; until then calls go to the handler.
 *
 * Context: klp_mutex held; may sleep.
 */
void klp_sites_enter_jumps(void)
{
	klp_update_jumps(true);
}

/**
 * klp_site_window() - where a task's stack shows an undecided redirection
 * @site: the site
 * @first: set to the first address
 * @last: set to the last address
 *
 * Between the handler's choice and the arrival in a version, the stack has the
 * place behind the patched instruction, or the version's first byte, as a
 * return address. The latter belongs to the version's own range.
 */
void klp_site_window(const struct klp_site *site, unsigned long *first,
		     unsigned long *last)
{
	*first = site->ip;
	*last = site->ip + MCOUNT_INSN_SIZE;
}

#ifdef CONFIG_KLP_KUNIT_TEST
#include "tests/site_kunit.h"
#endif
