/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What klptorture shares with the modules that it is used with: the ones that
 * are patched, and the patches. See kernel/livepatch/klptorture.c.
 */
#ifndef _LINUX_KLPTORTURE_H
#define _LINUX_KLPTORTURE_H

#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/types.h>

/* Names of patch modules: the number is the version of their functions. */
#define KLPT_PATCH_PREFIX	"klp_torture_"
#define KLPT_MAX_VERSIONS	65536	/* 0 is the original */
#define KLPT_PARTS		4

struct klpt_caller;
struct klpt_unit;

/* What units are called from. Each kind is counted; klpt_counted[] are the names. */
enum klpt_context {
	KLPT_KTHREAD,
	KLPT_BUSY_KTHREAD,
	KLPT_SHORT_KTHREAD,
	KLPT_BLOCKER,
	KLPT_WORK,
	KLPT_HARD_TIMER,
	KLPT_SOFT_TIMER,
	KLPT_IPI,
	KLPT_IRQ_WORK,
	KLPT_MOD_INIT,
	KLPT_MOD_KTHREAD,
	KLPT_MOD_EXIT,
	/* User tasks, in the order of klp_torture_worker's enum kind. */
	KLPT_USER,
	KLPT_SPIN,
	KLPT_CHILD,
	KLPT_THREAD,
	KLPT_EXEC,
	/* No callers, but counted, too: what has been called. */
	KLPT_NESTED,
	KLPT_CLONE,
	KLPT_EXIT,
	KLPT_NR_COUNTED
};

/**
 * struct klpt_target - the patched functions of one object, by their entries
 * @part:	called by @round
 * @round:	calls the others
 * @nest:	calls itself, so many times; called by @round
 *
 * Each returns the version of what was really called.
 */
struct klpt_target {
	int (*part[KLPT_PARTS])(struct klpt_unit *unit);
	int (*round)(struct klpt_unit *unit);
	int (*nest)(struct klpt_unit *unit, int depth);
};

/**
 * struct klpt_unit - one unit of consistency: a call of @target->round()
 * @target:	what is called
 * @caller:	the task's memory of what it has met, or NULL
 * @context:	what it is called from
 * @entered:	the state of patching when @target->round() was entered
 * @version:	of @target->round()
 * @steps:	so many calls of parts
 * @depth:	so many nested calls
 * @nested:	so many of them have been made
 * @random:	state of the random numbers
 * @force_seq:	as it was before the unit
 * @may_sleep:	whether its pauses may sleep
 */
struct klpt_unit {
	const struct klpt_target *target;
	struct klpt_caller *caller;
	enum klpt_context context;
	u64 entered;
	int version;
	unsigned int steps;
	int depth;
	unsigned int nested;
	u32 random;
	unsigned int force_seq;
	bool may_sleep;
};

u32 klpt_random(struct klpt_unit *unit);
void klpt_begin(struct klpt_unit *unit, int version);
void klpt_count(enum klpt_context context);
void klpt_enter(int version);
void klpt_leave(int version);
void klpt_pause(struct klpt_unit *unit);
void klpt_pause_fork(void);
bool klpt_stack_left(void);
void klpt_expect(struct klpt_unit *unit, const char *what, int got, int expected);
void klpt_shadow(struct klpt_unit *unit, int version);
void klpt_shadow_free(int version);
void klpt_shadow_free_replaced(int version);
void klpt_run_task(const struct klpt_target *target, enum klpt_context context);

/* Bodies of the functions, the same for each version of them. */

static __always_inline int klpt_part_body(struct klpt_unit *unit, int part, int version)
{
	klpt_enter(version);
	klpt_pause(unit);
	if (part == 1 && version)
		klpt_shadow(unit, version);
	klpt_leave(version);
	OPTIMIZER_HIDE_VAR(version);
	return version;
}

static __always_inline int klpt_nest_body(struct klpt_unit *unit, int depth, int version)
{
	klpt_enter(version);
	if (depth > 1 && klpt_stack_left()) {
		klpt_expect(unit, "nest", unit->target->nest(unit, depth - 1), version);
		unit->nested++;
	} else {
		klpt_pause(unit);
	}
	klpt_leave(version);
	OPTIMIZER_HIDE_VAR(version);
	return version;
}

/* @mask: which parts the version has; the others are originals. */
static __always_inline int klpt_round_body(struct klpt_unit *unit, int version,
					   unsigned int mask)
{
	unsigned int i, part;

	klpt_begin(unit, version);
	for (i = 0; i < unit->steps; i++) {
		part = klpt_random(unit) % KLPT_PARTS;
		klpt_expect(unit, "part", unit->target->part[part](unit),
			    mask & BIT(part) ? version : 0);
		klpt_pause(unit);
	}
	if (unit->depth)
		klpt_expect(unit, "nest", unit->target->nest(unit, unit->depth), version);
	klpt_leave(version);
	OPTIMIZER_HIDE_VAR(version);
	return version;
}

#ifdef KLPT_TARGET

/* The originals, of the same names in each object; KLPT_TARGET are their entries. */

static noinline __noclone int klpt_part0(struct klpt_unit *unit)
{
	return klpt_part_body(unit, 0, 0);
}

static noinline __noclone int klpt_part1(struct klpt_unit *unit)
{
	return klpt_part_body(unit, 1, 0);
}

static noinline __noclone int klpt_part2(struct klpt_unit *unit)
{
	return klpt_part_body(unit, 2, 0);
}

static noinline __noclone int klpt_part3(struct klpt_unit *unit)
{
	return klpt_part_body(unit, 3, 0);
}

static noinline __noclone int klpt_nest(struct klpt_unit *unit, int depth)
{
	return klpt_nest_body(unit, depth, 0);
}

static noinline __noclone int klpt_round(struct klpt_unit *unit)
{
	return klpt_round_body(unit, 0, 0);
}

static const struct klpt_target KLPT_TARGET = {
	.part = { klpt_part0, klpt_part1, klpt_part2, klpt_part3 },
	.round = klpt_round,
	.nest = klpt_nest,
};

#endif /* KLPT_TARGET */

#endif /* _LINUX_KLPTORTURE_H */
