// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Torture test of live patching: callers of patched functions in every
 * context, and an oracle that knows which version each call may meet.
 *
 * A unit is one call of a function, klpt_round(), that is patched together
 * with the others and calls them: as long as it runs, all of them have to be
 * of its own version. Units are run by kthreads, by user tasks (reads of
 * debugfs klptorture/unit), by work items and in interrupts.
 *
 * Who patches is a program in user space, tools/testing/selftests/livepatch/
 * klp_torture.c. It says beforehand what cannot be known otherwise (control_write()
 * lists its commands); everything else the oracle learns from the tracepoint
 * klp_phase. There, when the end of a transition is reported, it also checks
 * that nobody is in a version that was left, and that no task has kept a mark.
 */

#define pr_fmt(fmt) fmt

#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/ftrace.h>
#include <linux/hash.h>
#include <linux/hrtimer.h>
#include <linux/irq_work.h>
#define KLPT_TARGET klpt_target
#include <linux/klptorture.h>
#include <linux/kthread.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/torture.h>
#include <linux/tracepoint.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

MODULE_DESCRIPTION("torture test facility for live patching");
MODULE_LICENSE("GPL");

torture_param(int, brake_us, 1000, "Longest delay behind a choice of versions (us)");
torture_param(int, hold_us, 3000, "Longest wait in an interrupt for a change (us)");
torture_param(int, nest_depth, 120, "Largest number of nested calls");
torture_param(int, nkthreads, 4, "Number of kthreads that run units");
torture_param(int, onoff_holdoff, 0, "Time before CPU hotplugs (s)");
torture_param(int, onoff_interval, 0, "Time between CPU hotplugs (jiffies), 0=disable");
torture_param(int, seed, 1, "Seed of the callers' random numbers");
torture_param(int, shuffle_interval, 3, "Number of seconds between shuffles, 0=disable");
torture_param(int, stat_interval, 15, "Number of seconds between stats printk()s");
torture_param(int, stutter, 2, "Number of seconds to run/halt test, 0=disable");
torture_param(int, verbose, 1, "Enable verbose debugging printk()s");

static char *torture_type = "klp";

#define KLPT_STACK_RESERVE	6144	/* bytes that nested calls leave */
#define KLPT_MAX_PATCHES	64	/* at a time */

/* ---- the state of patching ---- */

/**
 * struct klpt_state - what versions calls may meet
 * @epoch:	counts every change of the other fields
 * @from:	the version that tasks leave
 * @to:		the version they come to; outside transitions, all there is
 * @running:	a transition runs
 */
struct klpt_state {
	u32 epoch;
	int from;
	int to;
	bool running;
};

#define KLPT_VERSION_BITS	16

/*
 * The state, packed, so that readers get all of it at once. Written by the
 * probe of klp_phase, one at a time. A release store pairs with the acquire
 * loads of readers: a call that comes later meets what the state allows.
 */
static u64 klpt_packed_state;

static u64 klpt_pack(struct klpt_state state)
{
	return (u64)state.epoch << (2 * KLPT_VERSION_BITS + 1) |
	       (u64)state.from << (KLPT_VERSION_BITS + 1) |
	       (u64)state.to << 1 | state.running;
}

static struct klpt_state klpt_unpack(u64 packed)
{
	return (struct klpt_state) {
		.epoch = packed >> (2 * KLPT_VERSION_BITS + 1),
		.from = packed >> (KLPT_VERSION_BITS + 1) & (KLPT_MAX_VERSIONS - 1),
		.to = packed >> 1 & (KLPT_MAX_VERSIONS - 1),
		.running = packed & 1,
	};
}

static u64 klpt_read_state(void)
{
	return smp_load_acquire(&klpt_packed_state); /* pairs with klpt_publish() */
}

/**
 * struct klpt_version - one version of the functions
 * @inside:	so many calls of them are running
 * @partial:	some of its functions are the originals; written before its
 *		patch is loaded
 * @excused:	calls were in it when tasks were forced to leave it; used under
 *		klp_mutex, and when all patches are gone
 */
struct klpt_version {
	atomic_t inside;
	bool partial;
	bool excused;
};

static struct klpt_version *klpt_versions;
static int klpt_last_version;

/*
 * What is patched, oldest first, and whether the running transition was forced.
 * Used under klp_mutex, by the probe of klp_phase and by callbacks; messages show
 * whatever they find.
 */
static int klpt_stack[KLPT_MAX_PATCHES];
static int klpt_nr_patches;
static bool klpt_forced;

/* Odd while tasks may be forced to another version in the midst of a unit. */
static unsigned int klpt_force_seq;

/* What the actor does, for messages. */
static unsigned int klpt_action;

/* ---- statistics and the verdict ---- */

static const char * const klpt_counted[] = {
	[KLPT_KTHREAD]		= "kthread",
	[KLPT_BUSY_KTHREAD]	= "busy_kthread",
	[KLPT_SHORT_KTHREAD]	= "short_kthread",
	[KLPT_BLOCKER]		= "blocker",
	[KLPT_WORK]		= "work",
	[KLPT_HARD_TIMER]	= "hard_timer",
	[KLPT_SOFT_TIMER]	= "soft_timer",
	[KLPT_IPI]		= "ipi",
	[KLPT_IRQ_WORK]		= "irq_work",
	[KLPT_MOD_INIT]		= "mod_init",
	[KLPT_MOD_KTHREAD]	= "mod_kthread",
	[KLPT_MOD_EXIT]		= "mod_exit",
	[KLPT_USER]		= "user",
	[KLPT_SPIN]		= "spin",
	[KLPT_CHILD]		= "child",
	[KLPT_THREAD]		= "thread",
	[KLPT_EXEC]		= "exec",
	[KLPT_NESTED]		= "nested",
	[KLPT_CLONE]		= "clone",
	[KLPT_EXIT]		= "exit",
};

static atomic_long_t klpt_counts[KLPT_NR_COUNTED];
static atomic_long_t klpt_excused_units, klpt_shadows_made;
static atomic_t klpt_shadows;
static long klpt_starts, klpt_reversals, klpt_completions, klpt_aborts, klpt_forces;
static long klpt_offlines;
static atomic_t klpt_violations;

static void klpt_print_state(void)
{
	struct klpt_state state = klpt_unpack(klpt_read_state());
	char patches[128] = "";
	int i, len = 0;

	for (i = 0; i < READ_ONCE(klpt_nr_patches); i++)
		len += scnprintf(patches + len, sizeof(patches) - len, " %d",
				 READ_ONCE(klpt_stack[i]));
	pr_alert("%s" TORTURE_FLAG " action %u, epoch %u: %s %d -> %d%s, patches:%s\n",
		 torture_type, klpt_action, state.epoch,
		 state.running ? "transition" : "settled",
		 state.from, state.to, klpt_forced ? ", forced" : "", patches);
}

/* All are counted, the first ones are told. */
static __printf(1, 2) void klpt_violation(const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	int nr = atomic_inc_return(&klpt_violations);
	va_list args;

	if (nr > 5)
		return;
	va_start(args, fmt);
	vaf.va = &args;
	pr_alert("%s" TORTURE_FLAG "!!! violation %d: %pV (cpu %d, %s/%d)\n", torture_type,
		 nr, &vaf, raw_smp_processor_id(), current->comm, current->pid);
	va_end(args);
	klpt_print_state();
}

/* NAME=NUMBER for each kind of caller, and for what has happened. */
static size_t klpt_show_units(char *text, size_t size)
{
	size_t len = 0;
	int i;

	for (i = 0; i < KLPT_NR_COUNTED; i++)
		len += scnprintf(text + len, size - len, " %s=%ld", klpt_counted[i],
				 atomic_long_read(&klpt_counts[i]));
	return len;
}

static size_t klpt_show_events(char *text, size_t size)
{
	return scnprintf(text, size,
			 " started=%ld reversed=%ld forced=%ld completed=%ld aborted=%ld offline=%ld excused=%ld shadows=%ld violations=%d",
			 klpt_starts, klpt_reversals, klpt_forces, klpt_completions,
			 klpt_aborts, READ_ONCE(klpt_offlines),
			 atomic_long_read(&klpt_excused_units),
			 atomic_long_read(&klpt_shadows_made),
			 atomic_read(&klpt_violations));
}

#define KLPT_STATS_SIZE	640	/* of each of these */

static void klpt_print_stats(void)
{
	char text[KLPT_STATS_SIZE];

	klpt_show_units(text, sizeof(text));
	pr_alert("%s" TORTURE_FLAG " units:%s\n", torture_type, text);
	klpt_show_events(text, sizeof(text));
	pr_alert("%s" TORTURE_FLAG " events:%s\n", torture_type, text);
}

/* ---- what the functions call, whatever their version ---- */

static DECLARE_WAIT_QUEUE_HEAD(klpt_wait);
static DEFINE_MUTEX(klpt_mutex);
static DECLARE_COMPLETION(klpt_never);

/**
 * klpt_random() - a random number
 * @unit: whose
 *
 * Return: 32 bits.
 */
u32 klpt_random(struct klpt_unit *unit)
{
	u32 x = unit->random;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return unit->random = x;
}
EXPORT_SYMBOL_GPL(klpt_random);

/**
 * klpt_count() - count what has been called, or from what
 * @context: which
 */
void klpt_count(enum klpt_context context)
{
	atomic_long_inc(&klpt_counts[context]);
}
EXPORT_SYMBOL_GPL(klpt_count);

/**
 * klpt_enter() - a function of some version has been called
 * @version: which
 */
void klpt_enter(int version)
{
	atomic_inc(&klpt_versions[version].inside);
}
EXPORT_SYMBOL_GPL(klpt_enter);

/**
 * klpt_leave() - a function of some version is about to return
 * @version: which
 */
void klpt_leave(int version)
{
	atomic_dec(&klpt_versions[version].inside);
}
EXPORT_SYMBOL_GPL(klpt_leave);

static bool klpt_blocking;
static DECLARE_COMPLETION(klpt_blocked);

/* Stay in this version, whatever becomes of it, until klpt_block(false). */
static void klpt_block_here(void)
{
	complete(&klpt_blocked);
	wait_event_idle_timeout(klpt_wait, !READ_ONCE(klpt_blocking), 30 * HZ);
}

/**
 * klpt_begin() - a round has been called
 * @unit: the unit
 * @version: the version that was chosen
 */
void klpt_begin(struct klpt_unit *unit, int version)
{
	klpt_enter(version);
	unit->version = version;
	unit->entered = klpt_read_state();
	if (unit->context == KLPT_BLOCKER)
		klpt_block_here();
}
EXPORT_SYMBOL_GPL(klpt_begin);

/*
 * Until patching changes, so that others meet us where we were interrupted. Not
 * by the clock: it may stand still until this CPU takes a tick.
 */
static notrace void klpt_hold(unsigned int us)
{
	u64 state = READ_ONCE(klpt_packed_state);

	while (us-- && READ_ONCE(klpt_packed_state) == state)
		udelay(1);
}

static void klpt_sleep(u32 how)
{
	switch (how % 12) {
	case 0:
		schedule_timeout_interruptible(1);
		break;
	case 1:
		schedule_timeout_uninterruptible(1);
		break;
	case 2:
		schedule_timeout_idle(1);
		break;
	case 3:
		schedule_timeout_killable(1);
		break;
	case 4:
		usleep_range(20, 200);
		break;
	case 5:
		mutex_lock(&klpt_mutex);
		usleep_range(20, 100);
		mutex_unlock(&klpt_mutex);
		break;
	case 6:
		wait_for_completion_interruptible_timeout(&klpt_never, 1);
		break;
	case 7:
		wait_event_interruptible_timeout(klpt_wait, false, 1);
		break;
	case 8:
		wake_up_all(&klpt_wait);
		schedule();
		break;
	case 9:
		/* Sometimes long: a transition has to wait for it, or reverse. */
		if (how >> 28 == 0)
			schedule_timeout_uninterruptible(HZ / 8);
		break;
	default:
		cond_resched();
		break;
	}
}

/**
 * klpt_pause() - give others a chance, each time in another way
 * @unit: the unit
 */
void klpt_pause(struct klpt_unit *unit)
{
	u32 how = klpt_random(unit);
	int i;

	if (unit->may_sleep && how & BIT(31))
		klpt_sleep(how & ~BIT(31));
	else
		for (i = how % 8; i; i--)
			cpu_relax();
}
EXPORT_SYMBOL_GPL(klpt_pause);

/**
 * klpt_pause_fork() - give transitions time to start while a task forks
 */
void klpt_pause_fork(void)
{
	if (current->mm)
		klpt_sleep(get_random_u32());
}
EXPORT_SYMBOL_GPL(klpt_pause_fork);

/**
 * klpt_stack_left() - whether there is room for one more nested call
 *
 * Return: true if there is.
 */
bool klpt_stack_left(void)
{
	unsigned long here = (unsigned long)&here;
	unsigned long end = (unsigned long)end_of_stack(current);

	/* On an interrupt's stack nobody nests deeply. */
	return here - end > THREAD_SIZE || here - end > KLPT_STACK_RESERVE;
}
EXPORT_SYMBOL_GPL(klpt_stack_left);

/* Whether somebody may have been forced since the unit has begun. */
static bool klpt_excused(const struct klpt_unit *unit)
{
	if (!(unit->force_seq & 1) && READ_ONCE(klpt_force_seq) == unit->force_seq)
		return false;
	atomic_long_inc(&klpt_excused_units);
	return true;
}

/**
 * klpt_expect() - a function has returned within a unit
 * @unit: the unit
 * @what: which function
 * @got: its version
 * @expected: what it had to be
 */
void klpt_expect(struct klpt_unit *unit, const char *what, int got, int expected)
{
	if (likely(got == expected) || klpt_excused(unit))
		return;
	klpt_violation("mixed: a round of version %d in epoch %u, a %s of %d instead of %d (%s)",
		       unit->version, klpt_unpack(unit->entered).epoch, what, got,
		       expected, klpt_counted[unit->context]);
}
EXPORT_SYMBOL_GPL(klpt_expect);

/* ---- shadow variables: each version has its own on a few objects ---- */

#define KLPT_SHADOW_ID		0x6b6c7000UL
static char klpt_objects[16];

static int klpt_shadow_ctor(void *obj, void *data, void *ctor_data)
{
	*(int *)data = *(int *)ctor_data;
	atomic_inc(&klpt_shadows);
	atomic_long_inc(&klpt_shadows_made);
	return 0;
}

static void klpt_shadow_dtor(void *obj, void *data)
{
	atomic_dec(&klpt_shadows);
	*(int *)data = -1;
}

/**
 * klpt_shadow() - use a shadow variable
 * @unit: the unit
 * @version: whose variable
 */
void klpt_shadow(struct klpt_unit *unit, int version)
{
	u32 random = klpt_random(unit);
	void *obj = &klpt_objects[random % ARRAY_SIZE(klpt_objects)];
	int *data;

	/* Who is forced out comes after all variables have been freed. */
	if (!unit->may_sleep || random >> 30 ||
	    READ_ONCE(klpt_force_seq) != unit->force_seq || unit->force_seq & 1)
		return;

	data = klp_shadow_get_or_alloc(obj, KLPT_SHADOW_ID + version, sizeof(*data),
				       GFP_KERNEL, klpt_shadow_ctor, &version);
	/* Nobody frees it before this version has been left. */
	if (data && *data != version)
		klpt_violation("a shadow variable of version %d has the value %d", version,
			       *data);
}
EXPORT_SYMBOL_GPL(klpt_shadow);

/**
 * klpt_shadow_free() - free a version's shadow variables
 * @version: a version that nobody runs
 */
void klpt_shadow_free(int version)
{
	klp_shadow_free_all(KLPT_SHADOW_ID + version, klpt_shadow_dtor);
}
EXPORT_SYMBOL_GPL(klpt_shadow_free);

/**
 * klpt_shadow_free_replaced() - free the shadow variables of replaced versions
 * @version: the version that has replaced all others
 *
 * Context: a post_patch callback: the others are still listed.
 */
void klpt_shadow_free_replaced(int version)
{
	int i;

	for (i = 0; i < klpt_nr_patches; i++) {
		if (klpt_stack[i] != version)
			klpt_shadow_free(klpt_stack[i]);
	}
}
EXPORT_SYMBOL_GPL(klpt_shadow_free_replaced);

/* ---- the oracle ---- */

/**
 * struct klpt_caller - what a task remembers
 * @epoch:	of the last transition it was in
 * @saw_new:	it has met the version to come to
 * @kind:	what kind of user task it is
 */
struct klpt_caller {
	u32 epoch;
	bool saw_new;
	u8 kind;
};

static bool klpt_allowed(struct klpt_state state, int version)
{
	return version == state.to || (state.running && version == state.from);
}

/* Judge which version a unit's round was, which is called after @before. */
static void klpt_judge(struct klpt_unit *unit, u64 before)
{
	struct klpt_state first = klpt_unpack(before);
	struct klpt_state state = klpt_unpack(unit->entered);
	struct klpt_caller *caller = unit->caller;
	bool is_new = unit->version == state.to;

	/* Wherever it was when its version was chosen: it has arrived there now. */
	if (!klpt_allowed(state, unit->version) && !klpt_excused(unit))
		klpt_violation("a call in epoch %u, %d -> %d, has met version %d (%s)",
			       state.epoch, state.from, state.to, unit->version,
			       klpt_counted[unit->context]);

	if (!caller || first.epoch != state.epoch || state.from == state.to || !state.running)
		return;
	if (caller->epoch != state.epoch)
		caller->saw_new = false;
	if (caller->saw_new && !is_new)
		klpt_violation("a task that has met version %d meets the older %d again (%s)",
			       state.to, unit->version, klpt_counted[unit->context]);
	caller->epoch = state.epoch;
	caller->saw_new |= is_new;
}

static void klpt_run(struct klpt_unit *unit)
{
	static atomic_t nr;
	int version;
	u64 before;

	unit->random = hash_32(atomic_inc_return(&nr) + seed, 32) | 1;
	unit->steps = klpt_random(unit) % 4;
	if (!(klpt_random(unit) % 4))
		unit->depth = klpt_random(unit) % (unit->may_sleep ? nest_depth : 4);
	unit->force_seq = READ_ONCE(klpt_force_seq);

	before = klpt_read_state();
	version = unit->target->round(unit);
	klpt_expect(unit, "round", version, unit->version);
	klpt_judge(unit, before);
	klpt_count(unit->context);
	if (unit->nested)
		klpt_count(KLPT_NESTED);
}

static void klpt_run_irq(enum klpt_context context)
{
	struct klpt_unit unit = { .target = &klpt_target, .context = context };

	klpt_run(&unit);
	if (hold_us && !(klpt_random(&unit) % 32))
		klpt_hold(klpt_random(&unit) % hold_us);
}

static void klpt_run_caller(struct klpt_caller *caller, enum klpt_context context,
			    bool may_sleep)
{
	struct klpt_unit unit = {
		.target = &klpt_target,
		.caller = caller,
		.context = context,
		.may_sleep = may_sleep,
	};

	klpt_run(&unit);
}

/**
 * klpt_run_task() - run one unit
 * @target: the functions
 * @context: what it is called from
 *
 * Context: a task; may sleep.
 */
void klpt_run_task(const struct klpt_target *target, enum klpt_context context)
{
	struct klpt_unit unit = {
		.target = target,
		.context = context,
		.may_sleep = true,
	};

	klpt_run(&unit);
}
EXPORT_SYMBOL_GPL(klpt_run_task);

static void klpt_publish(struct klpt_state state)
{
	state.epoch = klpt_unpack(klpt_packed_state).epoch + 1;
	/* Pairs with klpt_read_state(). */
	smp_store_release(&klpt_packed_state, klpt_pack(state));
}

static int klpt_top_without(int version)
{
	int i;

	for (i = klpt_nr_patches - 1; i >= 0; i--) {
		if (klpt_stack[i] != version)
			return klpt_stack[i];
	}
	return 0;
}

static void klpt_stack_add(int version)
{
	if (WARN_ON(klpt_nr_patches == KLPT_MAX_PATCHES))
		return;
	klpt_stack[klpt_nr_patches++] = version;
	klpt_last_version = max(klpt_last_version, version);
}

static void klpt_stack_remove(int version)
{
	int i, nr = 0;

	for (i = 0; i < klpt_nr_patches; i++) {
		if (klpt_stack[i] != version)
			klpt_stack[nr++] = klpt_stack[i];
	}
	klpt_nr_patches = nr;
}

static void klpt_check_task(struct task_struct *task, const char *when)
{
	if (task->patch_state != KLP_TRANSITION_IDLE || klp_patch_pending(task))
		klpt_violation("%s/%d has state %d%s %s", task->comm, task->pid,
			       task->patch_state,
			       klp_patch_pending(task) ? " and a mark" : "", when);
}

static void klpt_check_tasks(const char *when)
{
	struct task_struct *group, *task;

	guard(rcu)();
	for_each_process_thread(group, task)
		klpt_check_task(task, when);
}

/* The end of a transition is reported: nobody may be where it led away from. */
static void klpt_check_left(struct klpt_state state)
{
	int version, inside;

	for (version = 0; version <= klpt_last_version; version++) {
		struct klpt_version *left = &klpt_versions[version];

		inside = atomic_read(&left->inside);
		if (version == state.to || (!version && klpt_versions[state.to].partial))
			continue;
		if (!inside) {
			left->excused = false;
			continue;
		}
		if (klpt_forced)
			left->excused = true;
		if (!left->excused || (version == state.from && !klpt_forced))
			klpt_violation("%d calls of %d run when all have come from %d to %d",
				       inside, version, state.from, state.to);
	}
}

static void klpt_complete(void)
{
	struct klpt_state state = klpt_unpack(klpt_packed_state);

	klpt_completions++;
	klpt_check_left(state);
	klpt_check_tasks("after a transition");
	klpt_forced = false;
	state.from = state.to;
	state.running = false;
	klpt_publish(state);
}

static int klpt_version_of(const char *patch)
{
	unsigned int version;

	if (!strstarts(patch, KLPT_PATCH_PREFIX) ||
	    kstrtouint(patch + strlen(KLPT_PATCH_PREFIX), 10, &version) ||
	    version >= KLPT_MAX_VERSIONS)
		return -1;
	return version;
}

/* Probe of klp_phase; klp_mutex is held, so that there is one at a time. */
static void klpt_phase(void *data, const char *patch, const char *from, const char *to,
		       u64 duration_ns)
{
	struct klpt_state state = klpt_unpack(klpt_packed_state);
	int version = klpt_version_of(patch);

	if (version < 0) {
		klpt_violation("somebody else has patched: %s", patch);
	} else if (!strcmp(from, to)) {
		klpt_forced = true;
		klpt_forces++;
	} else if (!strcmp(from, "preparing") && !strcmp(to, "patching")) {
		state = (struct klpt_state){ 0, klpt_top_without(-1), version, true };
		klpt_stack_add(version);
		klpt_starts++;
		klpt_publish(state);
	} else if (!strcmp(from, "patched") && !strcmp(to, "unpatching")) {
		state = (struct klpt_state){ 0, klpt_top_without(-1), klpt_top_without(version),
					     true };
		klpt_starts++;
		klpt_publish(state);
	} else if (!strcmp(to, "patching") || !strcmp(to, "unpatching")) {
		swap(state.from, state.to);
		klpt_reversals++;
		klpt_publish(state);
	} else if (!strcmp(to, "patched")) {
		klpt_complete();
	} else if (!strcmp(to, "disabled") && !strcmp(from, "unpatching")) {
		klpt_stack_remove(version);
		klpt_complete();
	} else if (!strcmp(to, "disabled") && !strcmp(from, "patched")) {
		klpt_stack_remove(version);
	} else if (!strcmp(to, "disabled")) {
		klpt_aborts++;
	}
}

static struct tracepoint *klpt_tracepoint;

static void klpt_find_tracepoint(struct tracepoint *tp, void *data)
{
	if (!strcmp(tp->name, "klp_phase"))
		klpt_tracepoint = tp;
}

static int klpt_watch(void)
{
	int err;

	for_each_kernel_tracepoint(klpt_find_tracepoint, NULL);
	if (!klpt_tracepoint)
		return -ENOENT;
	err = tracepoint_probe_register(klpt_tracepoint, klpt_phase, NULL);
	if (err)
		klpt_tracepoint = NULL;
	return err;
}

static void klpt_unwatch(void)
{
	if (!klpt_tracepoint)
		return;
	tracepoint_probe_unregister(klpt_tracepoint, klpt_phase, NULL);
	tracepoint_synchronize_unregister();
	klpt_tracepoint = NULL;
}

/* ---- callers ---- */

static struct task_struct **klpt_kthreads;
static struct klpt_caller *klpt_callers;
static struct task_struct *irq_task, *stats_task;
static struct hrtimer klpt_hard_timer, klpt_soft_timer;
static struct irq_work klpt_irq_work;
static struct work_struct klpt_work;
static atomic_t klpt_short_kthreads;

/* Sleepers of all kinds, and threads that never sleep in a unit. */
static int klpt_thread(void *arg)
{
	struct klpt_caller *caller = arg;
	bool sleeps = (caller - klpt_callers) % 3;
	unsigned int i = 0;

	do {
		klpt_run_caller(caller, sleeps ? KLPT_KTHREAD : KLPT_BUSY_KTHREAD, sleeps);
		/* Here it can switch: it is in no function that is patched. */
		if (++i % 16)
			cond_resched();
		else
			schedule_timeout_interruptible(1);
		stutter_wait("klpt_thread");
	} while (!torture_must_stop());
	torture_kthread_stopping("klpt_thread");
	return 0;
}

static int klpt_short_thread(void *arg)
{
	struct klpt_caller caller = {};
	enum klpt_context context = (unsigned long)arg;

	klpt_run_caller(&caller, context, true);
	atomic_dec(&klpt_short_kthreads);
	module_put_and_kthread_exit(0);
}

static int klpt_run_short(unsigned long context)
{
	struct task_struct *task;

	__module_get(THIS_MODULE);
	atomic_inc(&klpt_short_kthreads);
	task = kthread_run(klpt_short_thread, (void *)context, "klpt_short");
	if (!IS_ERR(task))
		return 0;
	atomic_dec(&klpt_short_kthreads);
	module_put(THIS_MODULE);
	return PTR_ERR(task);
}

static int klpt_storm(unsigned int nr)
{
	int err = 0;

	while (nr-- && !err)
		err = klpt_run_short(KLPT_SHORT_KTHREAD);
	return err;
}

/*
 * While somebody blocks, a transition to another version of klpt_round() cannot
 * end: so there is one to be reversed or forced, however fast all others switch.
 */
static int klpt_block(bool on)
{
	int err;

	if (on == klpt_blocking)
		return 0;
	WRITE_ONCE(klpt_blocking, on);
	if (!on) {
		wake_up_all(&klpt_wait);
		return 0;
	}
	reinit_completion(&klpt_blocked);
	err = klpt_run_short(KLPT_BLOCKER);
	if (err)
		WRITE_ONCE(klpt_blocking, false);
	else
		wait_for_completion(&klpt_blocked);
	return err;
}

static void klpt_ipi(void *info)
{
	klpt_run_irq(KLPT_IPI);
}

static void klpt_irq_work_fn(struct irq_work *work)
{
	klpt_run_irq(KLPT_IRQ_WORK);
}

static void klpt_work_fn(struct work_struct *work)
{
	klpt_run_task(&klpt_target, KLPT_WORK);
}

static enum hrtimer_restart klpt_timer_fn(struct hrtimer *timer)
{
	ktime_t start = ktime_get(), end;

	klpt_run_irq(timer == &klpt_hard_timer ? KLPT_HARD_TIMER : KLPT_SOFT_TIMER);
	end = ktime_get();
	/* However slow the machine is, the CPU gets to do something else. */
	hrtimer_set_expires(timer, end + 4 * (end - start) +
				   (300 + get_random_u32_below(3000)) * NSEC_PER_USEC);
	return HRTIMER_RESTART;
}

static int klpt_irq_thread(void *arg)
{
	unsigned int cpu = 0;

	do {
		cpu = cpumask_next(cpu, cpu_online_mask);
		if (cpu >= nr_cpu_ids)
			cpu = cpumask_first(cpu_online_mask);
		smp_call_function_single(cpu, klpt_ipi, NULL, 0);
		irq_work_queue(&klpt_irq_work);
		queue_work(system_unbound_wq, &klpt_work);
		usleep_range(200, 3000);
		stutter_wait("klpt_irq_thread");
	} while (!torture_must_stop());
	torture_kthread_stopping("klpt_irq_thread");
	return 0;
}

static int klpt_stats_thread(void *arg)
{
	do {
		schedule_timeout_interruptible(stat_interval * HZ);
		klpt_print_stats();
		torture_shutdown_absorb("klpt_stats_thread");
	} while (!torture_must_stop());
	torture_kthread_stopping("klpt_stats_thread");
	return 0;
}

static void klpt_init_irqs(void)
{
	init_irq_work(&klpt_irq_work, klpt_irq_work_fn);
	INIT_WORK(&klpt_work, klpt_work_fn);
	hrtimer_init(&klpt_hard_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	klpt_hard_timer.function = klpt_timer_fn;
	hrtimer_init(&klpt_soft_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_SOFT);
	klpt_soft_timer.function = klpt_timer_fn;
}

/* ---- the brake: one more user of ftrace, who takes his time ---- */

static notrace void klpt_brake_fn(unsigned long ip, unsigned long parent_ip,
				  struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	static unsigned int calls;

	/* The livepatch core may have chosen already: it takes effect later. */
	if (!(++calls % 64))
		klpt_hold(brake_us);
}

static struct ftrace_ops klpt_brake_ops = {
	.func = klpt_brake_fn,
	.flags = FTRACE_OPS_FL_RECURSION,
};

static bool klpt_braked;

static int klpt_brake(bool on)
{
	unsigned long ips[] = {
		(unsigned long)klpt_target.round, (unsigned long)klpt_target.part[0],
		(unsigned long)klpt_target.part[1], (unsigned long)klpt_target.nest,
	};
	int err;

	if (on == klpt_braked)
		return 0;
	if (on) {
		err = ftrace_set_filter_ips(&klpt_brake_ops, ips, ARRAY_SIZE(ips), 0, 1);
		if (!err)
			err = register_ftrace_function(&klpt_brake_ops);
	} else {
		err = unregister_ftrace_function(&klpt_brake_ops);
	}
	if (!err)
		klpt_braked = on;
	return err;
}

/* ---- debugfs ---- */

static struct dentry *klpt_dir;
static DEFINE_MUTEX(klpt_control_mutex);

/**
 * struct klpt_record - what a task tells its child
 * @epoch:	see struct klpt_caller
 * @saw_new:	see struct klpt_caller
 * @kind:	0 is KLPT_USER; a task says what it is
 */
struct klpt_record {
	__u32 epoch;
	__u32 saw_new;
	__u32 kind;
};

static int unit_open(struct inode *inode, struct file *file)
{
	struct klpt_caller *caller = kzalloc(sizeof(*caller), GFP_KERNEL);

	file->private_data = caller;
	return caller ? 0 : -ENOMEM;
}

static int unit_release(struct inode *inode, struct file *file)
{
	kfree(file->private_data);
	return 0;
}

/* Run a unit, and say what to tell a child. Each task opens the file anew. */
static ssize_t unit_read(struct file *file, char __user *to, size_t size, loff_t *pos)
{
	struct klpt_caller *caller = file->private_data;
	struct klpt_record record;

	if (size < sizeof(record))
		return -EINVAL;
	klpt_run_caller(caller, KLPT_USER + caller->kind, true);
	record = (struct klpt_record){ caller->epoch, caller->saw_new, caller->kind };
	return copy_to_user(to, &record, sizeof(record)) ? -EFAULT : sizeof(record);
}

/* A child has met what its parent had met before it was forked. */
static ssize_t unit_write(struct file *file, const char __user *from, size_t size, loff_t *pos)
{
	struct klpt_caller *caller = file->private_data;
	struct klpt_record record;

	if (size != sizeof(record))
		return -EINVAL;
	if (copy_from_user(&record, from, sizeof(record)))
		return -EFAULT;
	if (record.kind > KLPT_EXEC - KLPT_USER)
		return -EINVAL;
	*caller = (struct klpt_caller){ record.epoch, record.saw_new, record.kind };
	return size;
}

static const struct file_operations unit_fops = {
	.owner = THIS_MODULE,
	.open = unit_open,
	.read = unit_read,
	.write = unit_write,
	.release = unit_release,
};

static ssize_t stats_read(struct file *file, char __user *to, size_t size, loff_t *pos)
{
	char text[2 * KLPT_STATS_SIZE];
	size_t len;

	len = klpt_show_units(text, KLPT_STATS_SIZE);
	len += klpt_show_events(text + len, KLPT_STATS_SIZE);
	len += scnprintf(text + len, sizeof(text) - len, "\n");
	return simple_read_from_buffer(to, size, pos, text, len);
}

static const struct file_operations stats_fops = {
	.owner = THIS_MODULE,
	.read = stats_read,
};

static void klpt_stop(void);

/*
 *   action N			the actor is at this action
 *   patch N PARTIAL	that version's patch will be loaded
 *   force 1, force 0		tasks may be forced from here to there
 *   kthreads N			run so many short kthreads
 *   block 1, block 0	somebody is in the functions from here to there
 *   brake 1, brake 0
 *   violation TEXT		the actor has found something
 *   stop			end the test, and print the verdict
 */
static int klpt_control(char *command)
{
	char *word = strsep(&command, " ");
	unsigned int arg[2] = {};
	int nr;

	if (!strcmp(word, "stop")) {
		klpt_stop();
		return 0;
	}
	if (!strcmp(word, "violation") && command) {
		klpt_violation("%s", command);
		return 0;
	}

	for (nr = 0; command && nr < ARRAY_SIZE(arg); nr++) {
		if (kstrtouint(strsep(&command, " "), 10, &arg[nr]))
			return -EINVAL;
	}
	if (!strcmp(word, "patch") && nr == 2 && arg[0] && arg[0] < KLPT_MAX_VERSIONS)
		klpt_versions[arg[0]].partial = arg[1];
	else if (nr != 1)
		return -EINVAL;
	else if (!strcmp(word, "action"))
		klpt_action = arg[0];
	else if (!strcmp(word, "force"))
		WRITE_ONCE(klpt_force_seq, klpt_force_seq + ((klpt_force_seq & 1) != arg[0]));
	else if (!strcmp(word, "kthreads"))
		return klpt_storm(min(arg[0], 32U));
	else if (!strcmp(word, "block"))
		return klpt_block(arg[0]);
	else if (!strcmp(word, "brake"))
		return klpt_brake(arg[0]);
	else
		return -EINVAL;
	return 0;
}

static ssize_t control_write(struct file *file, const char __user *from, size_t size,
			     loff_t *pos)
{
	char command[256] = "";
	int err;

	if (size >= sizeof(command))
		return -EINVAL;
	if (copy_from_user(command, from, size))
		return -EFAULT;
	scoped_guard(mutex, &klpt_control_mutex)
		err = klpt_control(strim(command));
	return err ?: size;
}

static const struct file_operations control_fops = {
	.owner = THIS_MODULE,
	.write = control_write,
};

/* ---- */

static void klpt_print_module_parms(const char *tag)
{
	pr_alert("%s" TORTURE_FLAG
		 "--- %s: brake_us=%d hold_us=%d nest_depth=%d nkthreads=%d onoff_holdoff=%d onoff_interval=%d seed=%d shuffle_interval=%d stat_interval=%d stutter=%d verbose=%d\n",
		 torture_type, tag, brake_us, hold_us, nest_depth, nkthreads, onoff_holdoff,
		 onoff_interval, seed, shuffle_interval, stat_interval, stutter, verbose);
}

static struct hrtimer klpt_idle_timer;
static bool klpt_idle_seen;

/* Come back until the CPU is idle. */
static enum hrtimer_restart klpt_idle_timer_fn(struct hrtimer *timer)
{
	if (is_idle_task(current)) {
		klpt_check_task(current, "at the end");
		WRITE_ONCE(klpt_idle_seen, true);
		return HRTIMER_NORESTART;
	}
	hrtimer_forward_now(timer, ms_to_ktime(2));
	return HRTIMER_RESTART;
}

static void klpt_start_idle_timer(void *info)
{
	hrtimer_start(&klpt_idle_timer, ms_to_ktime(2), HRTIMER_MODE_REL_PINNED_HARD);
}

/* Idle tasks are in no list: they are met where and when they run. */
static void klpt_check_idle_tasks(void)
{
	unsigned long end;
	int cpu;

	hrtimer_init(&klpt_idle_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	klpt_idle_timer.function = klpt_idle_timer_fn;

	guard(cpus_read_lock)();
	for_each_online_cpu(cpu) {
		WRITE_ONCE(klpt_idle_seen, false);
		smp_call_function_single(cpu, klpt_start_idle_timer, NULL, 1);
		/* The test is over, and this task sleeps: the CPU has nothing to do. */
		end = jiffies + 20 * HZ;
		while (!READ_ONCE(klpt_idle_seen) && time_before(jiffies, end))
			schedule_timeout_uninterruptible(1);
		hrtimer_cancel(&klpt_idle_timer);
		if (!klpt_idle_seen)
			klpt_violation("cpu %d is never idle at the end", cpu);
	}
}

/* Patches are gone: nothing of them may be left. */
static void klpt_check_end(void)
{
	int version, inside;

	if (klpt_nr_patches)
		klpt_violation("%d patches are left", klpt_nr_patches);
	for (version = 0; version <= klpt_last_version; version++) {
		if (klpt_versions[version].excused)
			klpt_shadow_free(version);
		inside = atomic_read(&klpt_versions[version].inside);
		if (inside && !klpt_versions[version].excused && version)
			klpt_violation("%d calls of version %d are running at the end",
				       inside, version);
	}
	if (atomic_read(&klpt_shadows))
		klpt_violation("%d shadow variables are left", atomic_read(&klpt_shadows));
	klpt_check_tasks("at the end");
	klpt_check_idle_tasks();
}

static bool klpt_stopped;

static void klpt_nothing(void *info)
{
}

static void klpt_stop(void)
{
	int i;

	if (klpt_stopped)
		return;
	klpt_stopped = true;
	if (torture_cleanup_begin())
		return;

	hrtimer_cancel(&klpt_hard_timer);
	hrtimer_cancel(&klpt_soft_timer);
	torture_stop_kthread(klpt_irq_thread, irq_task);
	for (i = 0; klpt_kthreads && i < nkthreads; i++)
		torture_stop_kthread(klpt_thread, klpt_kthreads[i]);
	torture_stop_kthread(klpt_stats_thread, stats_task);
	/* IPIs that were sent without waiting have come when later ones have. */
	on_each_cpu(klpt_nothing, NULL, 1);
	irq_work_sync(&klpt_irq_work);
	flush_work(&klpt_work);
	klpt_brake(false);
	klpt_block(false);
	while (atomic_read(&klpt_short_kthreads))
		schedule_timeout_uninterruptible(1);

	klpt_check_end();
	klpt_print_stats();
	torture_onoff_stats();
	if (atomic_read(&klpt_violations))
		klpt_print_module_parms("End of test: FAILURE");
	else if (torture_onoff_failures())
		klpt_print_module_parms("End of test: KLP_HOTPLUG");
	else
		klpt_print_module_parms("End of test: SUCCESS");

	kfree(klpt_kthreads);
	klpt_kthreads = NULL;
	torture_cleanup_end();
}

static void klpt_cleanup(void)
{
	debugfs_remove(klpt_dir);
	klpt_stop();
	/* Only here: it leaves pointers to what it has freed. */
	ftrace_free_filter(&klpt_brake_ops);
	klpt_unwatch();
	kfree(klpt_callers);
	kvfree(klpt_versions);
}

static void klpt_count_offline(void)
{
	WRITE_ONCE(klpt_offlines, klpt_offlines + 1);
}

static int __init klpt_start(void)
{
	int i, err;

	klpt_versions = kvcalloc(KLPT_MAX_VERSIONS, sizeof(*klpt_versions), GFP_KERNEL);
	klpt_callers = kcalloc(nkthreads, sizeof(*klpt_callers), GFP_KERNEL);
	klpt_kthreads = kcalloc(nkthreads, sizeof(*klpt_kthreads), GFP_KERNEL);
	if (!klpt_versions || !klpt_callers || !klpt_kthreads)
		return -ENOMEM;

	err = klpt_watch();
	if (torture_init_error(err))
		return err;
	if (onoff_interval > 0) {
		err = torture_onoff_init(onoff_holdoff * HZ, onoff_interval,
					 klpt_count_offline);
		if (torture_init_error(err))
			return err;
	}
	if (shuffle_interval > 0) {
		err = torture_shuffle_init(shuffle_interval * HZ);
		if (torture_init_error(err))
			return err;
	}
	if (stutter > 0) {
		err = torture_stutter_init(stutter * HZ, stutter * HZ);
		if (torture_init_error(err))
			return err;
	}
	if (stat_interval > 0) {
		err = torture_create_kthread(klpt_stats_thread, NULL, stats_task);
		if (torture_init_error(err))
			return err;
	}
	for (i = 0; i < nkthreads; i++) {
		err = torture_create_kthread(klpt_thread, &klpt_callers[i], klpt_kthreads[i]);
		if (torture_init_error(err))
			return err;
	}
	err = torture_create_kthread(klpt_irq_thread, NULL, irq_task);
	if (torture_init_error(err))
		return err;
	hrtimer_start(&klpt_hard_timer, ms_to_ktime(1), HRTIMER_MODE_REL_HARD);
	hrtimer_start(&klpt_soft_timer, ms_to_ktime(1), HRTIMER_MODE_REL_SOFT);

	klpt_dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file("unit", 0600, klpt_dir, NULL, &unit_fops);
	debugfs_create_file("control", 0200, klpt_dir, NULL, &control_fops);
	debugfs_create_file("stats", 0400, klpt_dir, NULL, &stats_fops);
	debugfs_create_atomic_t("violations", 0400, klpt_dir, &klpt_violations);
	return 0;
}

static int __init klpt_init(void)
{
	int err;

	if (!torture_init_begin(torture_type, verbose))
		return -EBUSY;

	klpt_init_irqs();
	klpt_print_module_parms("Start of test");
	err = klpt_start();
	torture_init_end();
	if (err)
		klpt_cleanup();
	return err;
}

module_init(klpt_init);
module_exit(klpt_cleanup);
