/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A patch module, made of its parameters. Each klp_patch_vN.c defines
 * PATCH_VERSION and includes this.
 */

#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/string.h>

#include "test.h"

/* ---- what to patch ---- */

static int nr_funcs = 9;
static char *funcs[12] = {
	"cmdline", "value", "sleep", "deep", "cold", "jump", "a", "b", "pair"
};

module_param_array(funcs, charp, &nr_funcs, 0400);
MODULE_PARM_DESC(funcs, "Functions, each with :POSITION behind it if need be");

static bool replace;
module_param(replace, bool, 0400);
MODULE_PARM_DESC(replace, "Take over from all other patches");

static unsigned int state[4];
module_param_array(state, uint, NULL, 0400);
MODULE_PARM_DESC(state, "System states: ID,VERSION,ID,VERSION");

static bool callbacks;
module_param(callbacks, bool, 0400);
MODULE_PARM_DESC(callbacks, "Have callbacks, and write down their calls");

static char *refuse = "";
module_param(refuse, charp, 0600);
MODULE_PARM_DESC(refuse, "Object whose pre_patch callback fails with ENOTUNIQ");

static char *hold_call = "";
module_param(hold_call, charp, 0600);
MODULE_PARM_DESC(hold_call, "Object in whose pre_patch callback to stay until this is changed");

/* ---- what to do with it ---- */

static bool keep;
module_param(keep, bool, 0400);
MODULE_PARM_DESC(keep, "Stay loaded whatever klp_enable_patch() returns");

static int fail_init;
module_param(fail_init, int, 0400);
MODULE_PARM_DESC(fail_init, "Error for init to return after a success");

static bool hold_init;
module_param(hold_init, bool, 0600);
MODULE_PARM_DESC(hold_init, "Stay in init after a success until this is cleared");

static bool thread;
module_param(thread, bool, 0600);
MODULE_PARM_DESC(thread, "Before init fails, start a thread that runs until this is cleared");

/* ---- what came out ---- */

static int result;
module_param(result, int, 0400);
MODULE_PARM_DESC(result, "What klp_enable_patch() returned");

static int too_large;
module_param(too_large, int, 0400);
MODULE_PARM_DESC(too_large, "New functions that are taken to reach out of the module");

static char calls[512];
module_param_string(calls, calls, sizeof(calls), 0600);
MODULE_PARM_DESC(calls, "Calls of callbacks: NAME:OBJECT ...");

static int undo_due;
module_param(undo_due, int, 0400);
MODULE_PARM_DESC(undo_due, "How many successes of pre_patch are to be undone");

static unsigned int prev_version;
module_param(prev_version, uint, 0400);
MODULE_PARM_DESC(prev_version, "Version of the first state before us");

static unsigned int post_version;
module_param(post_version, uint, 0400);
MODULE_PARM_DESC(post_version, "The same, as post_patch finds it");

static unsigned long prev_data;
module_param(prev_data, ulong, 0400);
MODULE_PARM_DESC(prev_data, "Its data: the version of the patch that left it");

/* ---- replacements ---- */

static int new_cmdline(struct seq_file *m, void *v)
{
	seq_printf(m, "patched by v%d\n", PATCH_VERSION);
	return 0;
}

static unsigned int idles;
module_param(idles, uint, 0400);
MODULE_PARM_DESC(idles, "How often a CPU has left its idle state through us");

/* The original is empty. */
static void new_idle(void)
{
	idles++;
}

/* No symbol is behind this one in the module's text: it has the last section. */
asm(".pushsection .text.unlikely, \"ax\"; .popsection");
asm(".pushsection .exit.text, \"ax\"; .popsection");

static int __section(".text.last") new_value(void)
{
	barrier();
	return PATCH_VERSION;
}

static int new_sleep(struct klp_test *test)
{
	int err = test->nap(test);

	return err ?: PATCH_VERSION;
}

/* Where a task sleeps that has left new_tail() with a jump. */
static noinline __noclone int tail_sleep(struct klp_test *test)
{
	int err = test->nap(test);

	barrier();
	return err ?: PATCH_VERSION;
}

static int new_tail(struct klp_test *test)
{
	return tail_sleep(test);
}

static int new_deep(struct klp_test *test)
{
	int err = test->descend(test, KLP_TEST_FRAMES);

	return err ?: PATCH_VERSION;
}

/* The compiler moves what leads to a cold function: new_split.cold. */
[[gnu::cold]] static noinline int split_nap(struct klp_test *test)
{
	int err = test->nap(test);

	barrier();
	return err;
}

static int new_split(struct klp_test *test)
{
	int err = -EINVAL;

	if (READ_ONCE(test->nap)) {
		err = split_nap(test);
		barrier();
	}
	return err ?: PATCH_VERSION;
}

static int new_cold(struct klp_test *test)
{
	int err = test->nap(test);

	/* Not the same code as new_sleep(), or they would become one. */
	OPTIMIZER_HIDE_VAR(err);
	return err ?: PATCH_VERSION;
}

static noinline int far_nap(struct klp_test *test)
{
	int err = test->nap(test);

	barrier();
	return err ?: PATCH_VERSION;
}

/* The compiler makes a jump of it: nothing of this function is on the stack then. */
static int new_jump(struct klp_test *test)
{
	return far_nap(test);
}

static int new_a(struct klp_test *test, int caller)
{
	return klp_test_part(test, caller, PATCH_VERSION);
}

static int new_b(struct klp_test *test, int caller)
{
	return klp_test_part(test, caller, PATCH_VERSION);
}

static int new_pair(struct klp_test *test)
{
	return klp_test_round(test, PATCH_VERSION);
}

enum { VMLINUX, TARGET, OTHER };

static const struct {
	const char *key;
	int object;
	const char *name;
	void *func;
} known[] = {
	{ "cmdline",	VMLINUX, "cmdline_proc_show",	new_cmdline },
	{ "idle",	VMLINUX, "arch_cpu_idle_exit",	new_idle },
	{ "value",	TARGET,	"klp_target_value",	new_value },
	{ "alias",	TARGET,	"klp_target_alias",	new_value },
	{ "twin",	TARGET,	"klp_target_twin",	new_value },
	{ "sleep",	TARGET,	"klp_target_sleep",	new_sleep },
	{ "split",	TARGET,	"klp_target_sleep",	new_split },
	{ "tail",	TARGET,	"klp_target_sleep",	new_tail },
	{ "deep",	TARGET,	"klp_target_deep",	new_deep },
	{ "cold",	TARGET,	"klp_target_cold",	new_cold },
	{ "jump",	TARGET,	"klp_target_jump",	new_jump },
	{ "a",		TARGET,	"klp_target_a",		new_a },
	{ "b",		TARGET,	"klp_target_b",		new_b },
	{ "pair",	TARGET,	"klp_target_pair",	new_pair },
	{ "other_value", OTHER,	"klp_target_value",	new_value },
	{ "other_sleep", OTHER,	"klp_target_sleep",	new_sleep },
};

/* ---- the patch ---- */

/* One array for each object. */
static const char * const names[] = {
	[TARGET] = "klp_target",
	[OTHER] = "klp_other",
};

static struct klp_func object_funcs[ARRAY_SIZE(names)][ARRAY_SIZE(funcs) + 1];
static struct klp_state states[ARRAY_SIZE(state) / 2 + 1];
static struct klp_object objs[ARRAY_SIZE(names) + 1];
static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
};

static int add_func(char *spec)
{
	char *key = strsep(&spec, ":");
	struct klp_func *func;
	unsigned long pos = 0;
	int i;

	if (spec && kstrtoul(spec, 0, &pos))
		return -EINVAL;

	for (i = 0; i < ARRAY_SIZE(known); i++) {
		if (strcmp(known[i].key, key))
			continue;
		func = object_funcs[known[i].object];
		while (func->old_name)
			func++;
		func->old_name = known[i].name;
		func->new_func = known[i].func;
		func->old_sympos = pos;
		return 0;
	}
	return -EINVAL;
}

static void note(const char *call, struct klp_object *obj)
{
	size_t len = strlen(calls);

	scnprintf(calls + len, sizeof(calls) - len, "%s%s:%s", len ? " " : "", call,
		  obj->mod ? obj->mod->name : "vmlinux");
}

/* The lock of the core is held meanwhile. */
static void hold(struct klp_object *obj)
{
	bool on;

	for (;;) {
		kernel_param_lock(THIS_MODULE);
		on = !strcmp(strim(hold_call), obj->name ?: "vmlinux");
		kernel_param_unlock(THIS_MODULE);
		if (!on)
			return;
		msleep(20);
	}
}

static int pre_patch(struct klp_object *obj)
{
	struct klp_state *own, *prev;

	note("pre_patch", obj);
	if (state[0]) {
		own = klp_get_state(&patch, state[0]);
		prev = klp_get_prev_state(state[0]);
		prev_version = prev ? prev->version : 0;
		prev_data = prev ? (unsigned long)prev->data : 0;
		own->data = (void *)PATCH_VERSION;
	}
	if (!strcmp(refuse, obj->name ?: "vmlinux"))
		return -ENOTUNIQ;
	hold(obj);
	undo_due++;
	return 0;
}

static void post_patch(struct klp_object *obj)
{
	struct klp_state *prev;

	note("post_patch", obj);
	if (state[0]) {
		prev = klp_get_prev_state(state[0]);
		post_version = prev ? prev->version : 0;
	}
}

static void pre_unpatch(struct klp_object *obj)
{
	note("pre_unpatch", obj);
}

static void post_unpatch(struct klp_object *obj)
{
	note("post_unpatch", obj);
	undo_due--;
}

/*
 * A write enables the same structure once more, or another one that shares a
 * part of it; a read gives the result.
 */
static int again_result;

static int again_set(const char *val, const struct kernel_param *kp)
{
	static struct klp_func more_funcs[2];
	static struct klp_object more_objs[2];
	static struct klp_patch more = { .mod = THIS_MODULE };
	struct klp_patch *which = &more;

	more_objs[0] = objs[0];
	more.objs = more_objs;
	if (sysfs_streq(val, "patch")) {
		which = &patch;
	} else if (sysfs_streq(val, "objects")) {
		more.objs = objs;
	} else if (sysfs_streq(val, "functions")) {
		/* Not the first one of them. */
		more_objs[0].funcs = objs[0].funcs + 1;
	} else if (sysfs_streq(val, "module")) {
		more_funcs[0] = objs[0].funcs[0];
		more_objs[0].funcs = more_funcs;
	} else {
		return -EINVAL;
	}
	/* Callbacks may take it with the core's lock held. */
	kernel_param_unlock(THIS_MODULE);
	again_result = klp_enable_patch(which);
	kernel_param_lock(THIS_MODULE);
	return 0;
}

static const struct kernel_param_ops again_ops = {
	.set = again_set,
	.get = param_get_int,
};
module_param_cb(again, &again_ops, &again_result, 0600);

static void measure(void)
{
	struct klp_func *func;
	unsigned long last;
	int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		for (func = object_funcs[i]; func->old_name; func++) {
			last = func->new.addr + func->new.size - 1;
			if (func->new.size &&
			    (last < func->new.addr ||
			     !within_module_mem_type(last, THIS_MODULE, MOD_TEXT)))
				too_large++;
		}
	}
}

static int own_thread(void *unused)
{
	while (READ_ONCE(thread))
		msleep(20);
	return 0;
}

static int __init patch_init(void)
{
	struct klp_object *obj = objs;
	int i, err;

	for (i = 0; i < nr_funcs; i++) {
		err = *funcs[i] ? add_func(funcs[i]) : 0;
		if (err)
			return err;
	}
	for (i = 0; i < ARRAY_SIZE(states) - 1; i++) {
		states[i].id = state[2 * i];
		states[i].version = state[2 * i + 1];
	}

	/* With callbacks all objects are there even without functions. */
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (!object_funcs[i]->old_name && !callbacks)
			continue;
		obj->name = names[i];
		obj->funcs = object_funcs[i];
		if (callbacks)
			obj->callbacks = (struct klp_callbacks) {
				pre_patch, post_patch, pre_unpatch, post_unpatch
			};
		obj++;
	}

	patch.replace = replace;
	patch.states = state[0] ? states : NULL;
	result = klp_enable_patch(&patch);
	if (result)
		return keep ? 0 : result;
	measure();
	/* A test that has failed kills who is left. */
	while (READ_ONCE(hold_init) && !fatal_signal_pending(current))
		msleep(20);
	if (fail_init && thread)
		kthread_run(own_thread, NULL, "klp_own");
	return fail_init;
}

static void __exit patch_exit(void)
{
}

module_init(patch_init);
module_exit(patch_exit);
#ifndef PATCH_UNMARKED
MODULE_INFO(livepatch, "Y");
#endif
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch test: a patch made of parameters");
