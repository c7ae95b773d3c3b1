/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The livepatch core: what its files share.
 *
 * Life of a patch
 * ===============
 *
 * A patch module's init calls klp_enable_patch(). The patch's tree of objects
 * and functions is built and checked, each function of a loaded object is
 * bound to its address (symbol.c, reloc.c), and all of them become sites: one
 * ftrace update for the whole patch (site.c). A site has two pointers, one for
 * each value of task_struct::patch_state; both lead where calls went before.
 *
 * Then the transition starts (transition.c): the pointer of the state that
 * tasks come to is turned, and every task is marked pending and counted
 * (task.c). A task switches at an event that proves it has nothing of what it
 * leaves on its stack. The event that takes the count to zero queues the
 * completion: tasks that have died are waited out, both pointers are made equal,
 * old handlers are waited out, and tasks return to idle. Reversing only exchanges
 * which state is the goal. While no transition needs the choice, ftrace lets the
 * functions jump to their new versions at once, if nobody else is attached to
 * them.
 *
 * Disabling is the same with the other state as the goal; then the sites that
 * lead nowhere but to the original are removed with one ftrace update, and the
 * patch is released.
 *
 * Layers: calls go down only
 * ==========================
 *
 *   6  core.c		klp_enable_patch(), modules coming and going, init
 *   5  sysfs.c, debugfs.c	what is shown, what is asked for
 *      state.c		system states and their compatibility
 *   4  transition.c	phases and the order of steps
 *   3  patch.c		the list of patches, a patch's tree, no-ops
 *      task.c		each task's switch, the count of those to come
 *   2  object.c		an object bound to vmlinux or a module; callbacks
 *   1  reloc.c		late relocations
 *   0  symbol.c		names to addresses
 *      site.c		redirection
 *      range.c		which addresses may not be on a stack
 *      shadow.c		shadow variables
 *
 * Locks: outermost first
 * ======================
 *
 *   M: klp_mutex. Taken by everything that changes a patch. Sleeps. Never held
 *      while a kobject's removal is waited for, because a sysfs store may be
 *      waiting for it with that kobject active.
 *   T: tasklist_lock. The fork hook runs under it as a writer; the scan takes
 *      it as a reader for an instant only, never over a walk.
 *   P: a task's pi_lock and, if it is runnable, its run-queue lock (what
 *      task_call_func() takes): a task that is not current is switched under
 *      them, so that it stays off its CPU. Two exceptions: who is forced may run;
 *      and the idle task of a CPU that is offline, and kept so, is on it for good.
 *   S: klp_shadow_lock. Constructors and destructors run under it.
 *   R: readers have preemption off or run in an RCU read-side section;
 *      written under M, or under S what belongs to shadow variables.
 *
 * Data read without a lock
 * ========================
 *
 * The entry points that take no lock of ours are the ftrace handler (site.c),
 * and in task.c the way out of the kernel, the scheduler's hook, the idle
 * loop, fork (under T), exit, and a CPU's death. They look only at what is
 * published for them: klp_site::version[], the site table, klp_switch_goal,
 * klp_base_state, the range index, a task's TIF_PATCH_PENDING and patch_state. Each
 * of these says at its declaration who writes it and what orders it. Besides, the
 * files of debugfs and sysfs that are read look at the range index, at tasks, and
 * at a patch's phase; and klp_shadow_get() at the table of shadow variables.
 */
#ifndef _KLP_INTERNAL_H
#define _KLP_INTERNAL_H

#include <linux/gfp_types.h>
#include <linux/livepatch.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sort.h>

extern struct mutex klp_mutex;

/* Functions mostly come in order already: that is seen in one pass. */
static inline void klp_sort(void *base, size_t nr, size_t size, cmp_func_t cmp)
{
	size_t i;

	for (i = 1; i < nr; i++) {
		if (cmp(base + (i - 1) * size, base + i * size) > 0) {
			sort(base, nr, size, cmp, NULL);
			return;
		}
	}
}

/* What messages call an object. */
static inline const char *klp_object_label(const struct klp_object *obj)
{
	return obj->name ?: "vmlinux";
}

/* ---- transition.c ------------------------------------------------------ */

enum klp_phase {
	KLP_NEW,		/* known to nobody yet */
	KLP_PREPARING,		/* callbacks and sites are being set up */
	KLP_PATCHING,		/* tasks switch to it */
	KLP_PATCHED,		/* every task runs it */
	KLP_UNPATCHING,		/* tasks leave it */
	KLP_DISABLED,		/* no task uses it; for ever */
	KLP_NR_PHASES,
};

enum klp_event {
	KLP_PREPARE,
	KLP_ABORT,
	KLP_START,
	KLP_COMPLETE,
	KLP_REVERSE,
	KLP_FORCE,
	KLP_DISABLE,
	KLP_REPLACE,
	KLP_NR_EVENTS,
};

int klp_phase_next(enum klp_phase phase, enum klp_event event);
const char *klp_phase_name(enum klp_phase phase);
bool klp_phase_enabled(enum klp_phase phase);
bool klp_phase_in_transition(enum klp_phase phase);

struct klp_patch *klp_transition_patch(void);
int klp_transition_enable(struct klp_patch *patch);
void klp_transition_discard(struct klp_patch *patch);
int klp_transition_disable(struct klp_patch *patch);
int klp_transition_reverse(struct klp_patch *patch);
int klp_transition_force(struct klp_patch *patch);
bool klp_is_pinned(const struct module *mod);
void klp_unpin(const struct module *mod);
void klp_transition_complete(struct list_head *done);
int klp_transition_add_object(struct klp_patch *patch, struct klp_object *obj);
void klp_transition_remove_object(struct klp_patch *patch, struct klp_object *obj);

/* ---- state.c ----------------------------------------------------------- */

bool klp_states_compatible(struct klp_patch *patch);

/* ---- patch.c ----------------------------------------------------------- */

#define klp_for_each_object(patch, obj) \
	list_for_each_entry(obj, &(patch)->obj_list, node)

#define klp_for_each_func(obj, func) \
	list_for_each_entry(func, &(obj)->func_list, node)

/* Enabled and enabling patches, oldest first. Lock: M. */
extern struct list_head klp_patches;

int klp_patch_check(struct klp_patch *patch);
int klp_patch_build(struct klp_patch *patch);
void klp_patch_enlist(struct klp_patch *patch);
void klp_patch_delist(struct klp_patch *patch);
struct list_head *klp_objects_by_name(const char *name);
void klp_patch_drop_noops(struct klp_patch *patch);

/* ---- task.c ------------------------------------------------------------ */

struct klp_ranges;

/* By which event a task has switched. */
enum klp_switch_event {
	KLP_SWITCH_SCAN,
	KLP_SWITCH_KERNEL_EXIT,
	KLP_SWITCH_SCHED,
	KLP_SWITCH_IDLE,
	KLP_SWITCH_OFFLINE,
	KLP_SWITCH_FORCE,
};

/**
 * struct klp_blocker - a task that is still to switch
 * @task:	the task, with a reference
 * @addr:	what on its stack keeps it from switching, 0 if nothing is known
 * @cpu:	where it runs, or -1
 * @state:	its state as a letter, as ps shows it
 * @reliable:	whether its stack could be checked; false while it runs
 */
struct klp_blocker {
	struct task_struct *task;
	unsigned long addr;
	int cpu;
	char state;
	bool reliable;
};

void klp_tasks_enter(int state);
void klp_tasks_open(int goal, struct klp_ranges *ranges);
bool klp_tasks_pending(void);
void klp_tasks_close(void);
void klp_tasks_wait_dead(void);
void klp_tasks_wait_switching(void);
void klp_tasks_leave(void);
void klp_tasks_set_ranges(struct klp_ranges *ranges);
pid_t klp_tasks_find_own(const struct module *mod);
void klp_tasks_rescan(void);
void klp_tasks_wake(void);
bool klp_tasks_force(void);
bool klp_tasks_next_blocker(int *nr, struct klp_blocker *blocker);
int klp_tasks_init(void (*all_switched)(void));

/* ---- object.c ---------------------------------------------------------- */

int klp_object_bind(struct klp_patch *patch, struct klp_object *obj, struct module *mod);
void klp_object_unbind(struct klp_patch *patch, struct klp_object *obj);
struct module *klp_object_find_module(struct klp_object *obj);
int klp_object_attach(struct klp_object *obj);
void klp_object_detach(struct klp_object *obj);

/* Whether the object is there to be patched: vmlinux, or a loaded module. */
static inline bool klp_object_loaded(const struct klp_object *obj)
{
	return !obj->name || obj->mod;
}

int klp_callback_pre_patch(struct klp_object *obj);
void klp_callback_post_patch(struct klp_object *obj);
void klp_callback_pre_unpatch(struct klp_object *obj);
void klp_callback_post_unpatch(struct klp_object *obj);

/* ---- site.c ------------------------------------------------------------ */

/**
 * struct klp_site - one patched function of vmlinux or of a loaded module
 * @hash_node:	in the site table. M to write, R to read
 * @node:	in the list of all sites. M
 * @ip:		its ftrace location, the key of the table. Constant
 * @version:	where a call goes, indexed by whether the calling task is in
 *		KLP_TRANSITION_PATCHED; NULL is the original. M to write, R to
 *		read (the handler). An element changes only while no task is in
 *		its state, or nothing calls the function because its module comes
 *		or goes; storing the value it already has is always allowed.
 * @funcs:	klp_func of each patch over this function, newest first. M
 * @update_node: in the list of sites that ftrace must be told of. M
 * @jump:	the target that ftrace was given to jump to, or NULL. While there
 *		is one, neither element of @version may become another. M
 * @hooked:	ftrace calls the handler here, or jumps. M
 * @held:	a transition is to let the versions differ: no jump. M
 */
struct klp_site {
	struct hlist_node hash_node;
	struct list_head node;
	unsigned long ip;
	void *version[2];
	struct list_head funcs;
	struct list_head update_node;
	void *jump;
	bool hooked;
	bool held;
};

unsigned long klp_site_location(const struct klp_func *func);
int klp_site_attach(struct klp_func *func);
void klp_site_detach(struct klp_func *func);
void klp_site_hold(struct klp_site *site);
void klp_site_split(struct klp_func *func);
void klp_site_settle(struct klp_site *site);
struct klp_func *klp_site_below(struct klp_func *func);
void klp_site_window(const struct klp_site *site, unsigned long *first,
		     unsigned long *last);
int klp_sites_hook(struct klp_func **refused);
void klp_sites_sweep(void);
int klp_sites_leave_jumps(void);
void klp_sites_enter_jumps(void);
void klp_sites_wait_handlers(void);

/* ---- symbol.c ---------------------------------------------------------- */

int klp_symbol_find(const char *objname, const char *name, unsigned long sympos,
		    unsigned long *addr);
int klp_symbols_bind(struct klp_patch *patch, struct klp_object *obj);

/* ---- reloc.c ----------------------------------------------------------- */

int klp_relocs_check(struct klp_patch *patch);
int klp_relocs_apply(struct klp_patch *patch, struct klp_object *obj);
void klp_relocs_clear(struct klp_patch *patch, struct klp_object *obj);
void klp_relocs_forget(struct module *mod);

/* ---- range.c ----------------------------------------------------------- */

/* Addresses from first to last, both included. */
struct klp_range {
	unsigned long first;
	unsigned long last;
};

/**
 * struct klp_ranges - an index of address ranges; constant once sealed
 * @rcu:	for freeing
 * @max:	room for so many
 * @nr:		so many are there
 * @modules:	the texts of modules that go, in which only their own threads may be; or NULL
 * @range:	disjoint and in ascending order once sealed
 */
struct klp_ranges {
	struct rcu_head rcu;
	unsigned int max;
	unsigned int nr;
	struct klp_ranges *modules;
	struct klp_range range[] __counted_by(max);
};

struct klp_ranges *klp_ranges_alloc(unsigned int max, gfp_t gfp);
void klp_ranges_free(struct klp_ranges *ranges);
void klp_ranges_add(struct klp_ranges *ranges, unsigned long first, unsigned long last);
void klp_ranges_seal(struct klp_ranges *ranges);
const struct klp_range *klp_ranges_find(const struct klp_ranges *ranges, unsigned long addr);

/* ---- sysfs.c, debugfs.c ------------------------------------------------ */

int klp_sysfs_init(void);
int klp_sysfs_add(struct klp_patch *patch);
void klp_sysfs_remove(struct klp_patch *patch);
void klp_debugfs_init(void);

#endif /* _KLP_INTERNAL_H */
