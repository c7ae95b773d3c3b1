// SPDX-License-Identifier: GPL-2.0
/*
 * klp_bad: patches that must be refused. The parameter "bad" says which; the
 * test knows what to expect.
 */

#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#define TARGET	"klp_target"

static char *bad = "";
module_param(bad, charp, 0400);
MODULE_PARM_DESC(bad, "What is wrong with the patch");

static int new_func(void)
{
	barrier();
	return 9;
}

#define LONG	"a_name_that_is_longer_than_any_name_may_be_and_goes_on_and_on_"
#define LONGER	(LONG LONG LONG LONG LONG LONG LONG LONG LONG)

/* What each case needs: one object, or two, with up to two functions. */
static const struct bad_case {
	const char *bad;
	const char *object[2];
	struct klp_func func[2][2];
} cases[] = {
	{ "no-function",	{ NULL },
		{ { { "klp_there_is_no_such_function", new_func } } } },
	{ "no-target-function",	{ TARGET },
		{ { { "klp_there_is_no_such_function", new_func } } } },
	{ "second-of-two",	{ NULL },
		{ { { "cmdline_proc_show", new_func },
		    { "klp_there_is_no_such_function", new_func } } } },
	{ "second-object",	{ NULL, TARGET },
		{ { { "cmdline_proc_show", new_func } },
		  { { "klp_there_is_no_such_function", new_func } } } },
	{ "ambiguous",		{ TARGET },
		{ { { "klp_target_twin", new_func } } } },
	{ "position",		{ TARGET },
		{ { { "klp_target_twin", new_func, 3 } } } },
	{ "position-unique",	{ NULL },
		{ { { "cmdline_proc_show", new_func, 2 } } } },
	{ "notrace",		{ TARGET },
		{ { { "klp_target_notrace", new_func } } } },
	/* Known while the module comes, and gone after its init. */
	{ "init-function",	{ TARGET },
		{ { { "target_init", new_func } } } },
	{ "noinstr",		{ NULL },
		{ { { "irqentry_enter", new_func } } } },
	{ "data",		{ NULL },
		{ { { "saved_command_line", new_func } } } },
	{ "null-name",		{ NULL },
		{ { { NULL, new_func } } } },
	{ "empty-name",		{ NULL },
		{ { { "", new_func } } } },
	{ "patch-module",	{ "klp_patch_v1" },
		{ { { "new_value", new_func } } } },
	{ "slash-name",		{ NULL },
		{ { { "cmdline/proc_show", new_func } } } },
	{ "long-name",		{ NULL },
		{ { { LONGER, new_func } } } },
	{ "long-object",	{ LONG },
		{ { { "klp_target_value", new_func } } } },
	{ "empty-object",	{ "" },
		{ { { "klp_target_value", new_func } } } },
	{ "null-new",		{ NULL },
		{ { { "cmdline_proc_show", NULL } } } },
	{ "foreign-new",	{ NULL },
		{ { { "cmdline_proc_show", kfree } } } },
	{ "function-twice",	{ NULL },
		{ { { "cmdline_proc_show", new_func },
		    { "cmdline_proc_show", new_func } } } },
	{ "function-twice-01",	{ NULL },
		{ { { "cmdline_proc_show", new_func },
		    { "cmdline_proc_show", new_func, 1 } } } },
	{ "alias",		{ TARGET },
		{ { { "klp_target_value", new_func },
		    { "klp_target_alias", new_func } } } },
	{ "object-twice",	{ TARGET, TARGET },
		{ { { "klp_target_value", new_func } },
		  { { "klp_target_sleep", new_func } } } },
	{ "vmlinux-twice",	{ NULL, "vmlinux" },
		{ { { "cmdline_proc_show", new_func } },
		  { { "version_proc_show", new_func } } } },
	{ "object-file-name",	{ "enabled" },
		{ { { "klp_target_value", new_func } } } },
	{ "object-dot",		{ "." },
		{ { { "klp_target_value", new_func } } } },
	{ "object-dots",	{ ".." },
		{ { { "klp_target_value", new_func } } } },
	{ "object-slash",	{ "klp/target" },
		{ { { "klp_target_value", new_func } } } },
	{ "shared-functions",	{ NULL, TARGET },
		{ { { "cmdline_proc_show", new_func },
		    { "version_proc_show", new_func } },
		  { { "klp_target_value", new_func } } } },
	{ "overlapping-functions", { NULL, TARGET },
		{ { { "cmdline_proc_show", new_func },
		    { "version_proc_show", new_func } },
		  { { "klp_target_value", new_func } } } },
	/* These have no objects, or nothing at all: see make_patch(). */
	{ "null-patch" },
	{ "null-mod",		{ NULL }, { { { "cmdline_proc_show", new_func } } } },
	{ "null-objs" },
	{ "no-objs" },
	{ "null-funcs",		{ TARGET } },
};

/*
 * All of it is allocated, and freed when klp_enable_patch() has refused it:
 * nothing may refer to it then.
 */
struct made {
	struct klp_patch patch;
	struct klp_object objs[3];
	struct klp_func funcs[2][3];
};

static struct made *made;

static struct klp_patch *make_patch(const struct bad_case *c)
{
	struct klp_patch *patch = &made->patch;
	int i;

	for (i = 0; i < 2; i++) {
		if (i && !c->object[i])
			break;
		made->objs[i].name = c->object[i];
		if (!strcmp(bad, "null-funcs") || !strcmp(bad, "no-objs"))
			break;
		memcpy(made->funcs[i], c->func[i], sizeof(c->func[i]));
		made->objs[i].funcs = made->funcs[i];
	}
	if (!strcmp(bad, "shared-functions"))
		made->objs[1].funcs = made->objs[0].funcs;
	if (!strcmp(bad, "overlapping-functions"))
		made->objs[1].funcs = made->objs[0].funcs + 1;
	patch->mod = strcmp(bad, "null-mod") ? THIS_MODULE : NULL;
	patch->objs = strcmp(bad, "null-objs") ? made->objs : NULL;
	return strcmp(bad, "null-patch") ? patch : NULL;
}

static int __init bad_init(void)
{
	const struct bad_case *c;
	int err;

	for (c = cases; c < cases + ARRAY_SIZE(cases); c++) {
		if (!strcmp(c->bad, bad))
			break;
	}
	if (c == cases + ARRAY_SIZE(cases))
		return -ENOEXEC;

	made = kzalloc(sizeof(*made), GFP_KERNEL);
	if (!made)
		return -ENOMEM;
	err = klp_enable_patch(make_patch(c));
	/* If it was not refused it must stay: the test sees the success. */
	if (err) {
		memset(made, 0x5a, sizeof(*made));
		kfree(made);
	}
	return err;
}

/* While what it patches is not there, some of them are not refused. */
static void __exit bad_exit(void)
{
	kfree(made);
}

module_init(bad_init);
module_exit(bad_exit);
MODULE_INFO(livepatch, "Y");
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch test: patches that must be refused");
