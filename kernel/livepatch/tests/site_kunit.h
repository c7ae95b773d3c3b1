/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of what site.c relies on: ftrace_set_jumps()
 */
#if defined(CONFIG_KLP_KUNIT_TEST) && defined(CONFIG_LIVEPATCH_JUMP)

#ifndef _KLP_SITE_KUNIT_H
#define _KLP_SITE_KUNIT_H

#include <kunit/test.h>

enum { KLP_TEST_OLD, KLP_TEST_NEW, KLP_TEST_OTHER };

static noinline __noclone int klp_test_old(void)
{
	int ret = KLP_TEST_OLD;

	OPTIMIZER_HIDE_VAR(ret);
	/* Or the compiler knows that a call has no effect. */
	barrier();
	return ret;
}

static noinline __noclone int klp_test_new(void)
{
	int ret = KLP_TEST_NEW;

	OPTIMIZER_HIDE_VAR(ret);
	return ret;
}

static noinline __noclone int klp_test_other(void)
{
	int ret = KLP_TEST_OTHER;

	OPTIMIZER_HIDE_VAR(ret);
	return ret;
}

static unsigned int klp_test_redirected, klp_test_traced;

static void notrace klp_test_redirect(unsigned long ip, unsigned long parent_ip,
				      struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	klp_test_redirected++;
	ftrace_regs_set_instruction_pointer(fregs, (unsigned long)klp_test_new);
}

static void notrace klp_test_trace(unsigned long ip, unsigned long parent_ip,
				   struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	klp_test_traced++;
}

static struct ftrace_ops klp_test_redirect_ops = {
	.func	= klp_test_redirect,
	.flags	= FTRACE_OPS_FL_IPMODIFY,
};

/* Comes too late. */
static struct ftrace_ops klp_test_rival_ops = {
	.func	= klp_test_redirect,
	.flags	= FTRACE_OPS_FL_IPMODIFY,
};

static struct ftrace_ops klp_test_trace_ops = {
	.func	= klp_test_trace,
};

static void klp_test_attach(struct kunit *test, struct ftrace_ops *ops, void *func)
{
	KUNIT_EXPECT_EQ(test, ftrace_set_filter_ip(ops, (unsigned long)func, 0, 1), 0);
	KUNIT_EXPECT_EQ(test, register_ftrace_function(ops), 0);
}

static void klp_test_detach(struct kunit *test, struct ftrace_ops *ops)
{
	/* The filter stays: klp_test_attach() sets another one. */
	KUNIT_EXPECT_EQ(test, unregister_ftrace_function(ops), 0);
}

static int klp_test_set_jump(void *func, void *target)
{
	struct ftrace_jump jump = {
		.ip = ftrace_location((unsigned long)func),
		.target = (unsigned long)target,
	};

	return ftrace_set_jumps(&klp_test_redirect_ops, &jump, 1);
}

/* A call of klp_test_old() ends there, and meets so many handlers. */
static void klp_test_call(struct kunit *test, int version, unsigned int redirected,
			  unsigned int traced)
{
	WRITE_ONCE(klp_test_redirected, 0);
	WRITE_ONCE(klp_test_traced, 0);
	KUNIT_EXPECT_EQ(test, klp_test_old(), version);
	KUNIT_EXPECT_EQ(test, READ_ONCE(klp_test_redirected), redirected);
	KUNIT_EXPECT_EQ(test, READ_ONCE(klp_test_traced), traced);
}

static void klp_test_jump_alone(struct kunit *test)
{
	klp_test_call(test, KLP_TEST_OLD, 0, 0);
	klp_test_attach(test, &klp_test_redirect_ops, klp_test_old);
	klp_test_call(test, KLP_TEST_NEW, 1, 0);
	KUNIT_EXPECT_EQ(test, klp_test_set_jump(klp_test_old, klp_test_new), 0);
	klp_test_call(test, KLP_TEST_NEW, 0, 0);
	KUNIT_EXPECT_EQ(test, klp_test_set_jump(klp_test_old, NULL), 0);
	klp_test_call(test, KLP_TEST_NEW, 1, 0);
	klp_test_detach(test, &klp_test_redirect_ops);
	klp_test_call(test, KLP_TEST_OLD, 0, 0);
}

/* A jump makes way for others, whoever came first. */
static void klp_test_jump_shared(struct kunit *test)
{
	klp_test_attach(test, &klp_test_trace_ops, klp_test_old);
	klp_test_attach(test, &klp_test_redirect_ops, klp_test_old);
	KUNIT_EXPECT_EQ(test, klp_test_set_jump(klp_test_old, klp_test_new), 0);
	klp_test_call(test, KLP_TEST_NEW, 1, 1);
	klp_test_detach(test, &klp_test_trace_ops);
	klp_test_call(test, KLP_TEST_NEW, 0, 0);

	klp_test_attach(test, &klp_test_trace_ops, klp_test_other);
	klp_test_call(test, KLP_TEST_NEW, 0, 0);
	KUNIT_EXPECT_EQ(test, ftrace_set_filter_ip(&klp_test_trace_ops,
						   (unsigned long)klp_test_old, 0, 0), 0);
	klp_test_call(test, KLP_TEST_NEW, 1, 1);
	KUNIT_EXPECT_EQ(test, klp_test_set_jump(klp_test_old, NULL), 0);
	klp_test_call(test, KLP_TEST_NEW, 1, 1);
	klp_test_detach(test, &klp_test_trace_ops);
	klp_test_call(test, KLP_TEST_NEW, 1, 0);

	KUNIT_EXPECT_EQ(test, klp_test_set_jump(klp_test_old, klp_test_new), 0);
	klp_test_attach(test, &klp_test_trace_ops, klp_test_old);
	klp_test_detach(test, &klp_test_redirect_ops);
	klp_test_call(test, KLP_TEST_OLD, 0, 1);
	klp_test_detach(test, &klp_test_trace_ops);
	klp_test_call(test, KLP_TEST_OLD, 0, 0);
}

static void klp_test_jump_refused(struct kunit *test)
{
	struct ftrace_jump jumps[2] = {};

	KUNIT_EXPECT_EQ(test, klp_test_set_jump(klp_test_old, klp_test_new), -EINVAL);
	klp_test_attach(test, &klp_test_redirect_ops, klp_test_old);
	KUNIT_EXPECT_EQ(test, klp_test_set_jump(klp_test_other, klp_test_new), -EINVAL);
	KUNIT_EXPECT_EQ(test, klp_test_set_jump(NULL, klp_test_new), -EINVAL);

	/* One that cannot be set spoils all. */
	jumps[0].ip = ftrace_location((unsigned long)klp_test_old);
	jumps[0].target = (unsigned long)klp_test_new;
	jumps[1].ip = ftrace_location((unsigned long)klp_test_other);
	jumps[1].target = (unsigned long)klp_test_new;
	KUNIT_EXPECT_EQ(test, ftrace_set_jumps(&klp_test_redirect_ops, jumps, 2), -EINVAL);
	klp_test_call(test, KLP_TEST_NEW, 1, 0);

	KUNIT_EXPECT_EQ(test, klp_test_set_jump(klp_test_old, klp_test_other), 0);
	klp_test_call(test, KLP_TEST_OTHER, 0, 0);
	KUNIT_EXPECT_EQ(test, klp_test_set_jump(klp_test_old, klp_test_new), -EBUSY);
	KUNIT_EXPECT_EQ(test, klp_test_set_jump(klp_test_old, klp_test_other), 0);
	klp_test_call(test, KLP_TEST_OTHER, 0, 0);
	klp_test_detach(test, &klp_test_redirect_ops);
}

/* Who may not redirect the function either does not disturb its jump. */
static void klp_test_jump_rival(struct kunit *test)
{
	struct ftrace_ops *rival = &klp_test_rival_ops;

	klp_test_attach(test, &klp_test_redirect_ops, klp_test_old);
	KUNIT_EXPECT_EQ(test, klp_test_set_jump(klp_test_old, klp_test_new), 0);
	KUNIT_EXPECT_EQ(test, ftrace_set_filter_ip(rival, (unsigned long)klp_test_old, 0, 1), 0);
	KUNIT_EXPECT_EQ(test, register_ftrace_function(rival), -EBUSY);
	klp_test_call(test, KLP_TEST_NEW, 0, 0);
	KUNIT_EXPECT_EQ(test, klp_test_set_jump(klp_test_old, NULL), 0);
	klp_test_call(test, KLP_TEST_NEW, 1, 0);

	/* Where it may, the two do not meet. */
	KUNIT_EXPECT_EQ(test, klp_test_set_jump(klp_test_old, klp_test_new), 0);
	klp_test_attach(test, rival, klp_test_other);
	klp_test_call(test, KLP_TEST_NEW, 0, 0);
	klp_test_detach(test, rival);
	klp_test_call(test, KLP_TEST_NEW, 0, 0);
	klp_test_detach(test, &klp_test_redirect_ops);
	klp_test_call(test, KLP_TEST_OLD, 0, 0);
}

/* It does not come back with the ops, or with the function in its filter. */
static void klp_test_jump_ends(struct kunit *test)
{
	unsigned long old = (unsigned long)klp_test_old;

	klp_test_attach(test, &klp_test_redirect_ops, klp_test_old);
	KUNIT_EXPECT_EQ(test, klp_test_set_jump(klp_test_old, klp_test_new), 0);
	klp_test_call(test, KLP_TEST_NEW, 0, 0);
	klp_test_detach(test, &klp_test_redirect_ops);
	klp_test_call(test, KLP_TEST_OLD, 0, 0);

	klp_test_attach(test, &klp_test_redirect_ops, klp_test_old);
	klp_test_call(test, KLP_TEST_NEW, 1, 0);
	KUNIT_EXPECT_EQ(test, klp_test_set_jump(klp_test_old, klp_test_new), 0);
	KUNIT_EXPECT_EQ(test, ftrace_set_filter_ip(&klp_test_redirect_ops,
						   (unsigned long)klp_test_other, 0, 0), 0);
	klp_test_call(test, KLP_TEST_NEW, 0, 0);
	KUNIT_EXPECT_EQ(test, ftrace_set_filter_ip(&klp_test_redirect_ops, old, 1, 0), 0);
	klp_test_call(test, KLP_TEST_OLD, 0, 0);
	KUNIT_EXPECT_EQ(test, ftrace_set_filter_ip(&klp_test_redirect_ops, old, 0, 0), 0);
	klp_test_call(test, KLP_TEST_NEW, 1, 0);
	klp_test_detach(test, &klp_test_redirect_ops);
}

static struct kunit_case klp_site_tests[] = {
	KUNIT_CASE(klp_test_jump_alone),
	KUNIT_CASE(klp_test_jump_shared),
	KUNIT_CASE(klp_test_jump_refused),
	KUNIT_CASE(klp_test_jump_rival),
	KUNIT_CASE(klp_test_jump_ends),
	{}
};

static struct kunit_suite klp_site_suite = {
	.name = "livepatch-site",
	.test_cases = klp_site_tests,
};

kunit_test_suite(klp_site_suite);

#endif /* _KLP_SITE_KUNIT_H */

#endif
