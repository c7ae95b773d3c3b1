// SPDX-License-Identifier: GPL-2.0
/*
 * klp_torture_direct: a direct caller of two of klptorture's functions, as
 * BPF's trampolines are. While it is loaded, calls go through its trampoline.
 */

#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/module.h>

#ifdef CONFIG_X86_64

#include <asm/asm-offsets.h>
#include <asm/ibt.h>
#include <asm/nospec-branch.h>

static unsigned int calls;
module_param(calls, uint, 0400);
MODULE_PARM_DESC(calls, "Calls that came through the trampoline");

static __used void klpt_direct_hit(void)
{
	calls++;
}

/* Keeps the arguments; returns into the function, whoever says which that is. */
asm ("	.pushsection	.text, \"ax\", @progbits\n"
"	.type		klpt_direct_tramp, @function\n"
"klpt_direct_tramp:"
	ASM_ENDBR
"	pushq %rbp\n"
"	movq %rsp, %rbp\n"
	CALL_DEPTH_ACCOUNT
"	pushq %rdi\n"
"	pushq %rsi\n"
"	call klpt_direct_hit\n"
"	popq %rsi\n"
"	popq %rdi\n"
"	leave\n"
	ASM_RET
"	.size		klpt_direct_tramp, .-klpt_direct_tramp\n"
"	.popsection\n"
);

static unsigned long tramp_address(void)
{
	unsigned long address;

	asm ("leaq klpt_direct_tramp(%%rip), %0" : "=r" (address));
	return address;
}

/* The trampoline does not mind if the instruction pointer is changed as well. */
static int share(struct ftrace_ops *ops, enum ftrace_ops_cmd cmd)
{
	return 0;
}

static struct ftrace_ops ops = { .ops_func = share };

static unsigned long __init address_of(const char *name)
{
	struct kprobe probe = { .symbol_name = name };

	if (register_kprobe(&probe))
		return 0;
	unregister_kprobe(&probe);
	return (unsigned long)probe.addr;
}

static int __init direct_init(void)
{
	unsigned long ips[] = {
		address_of("klptorture:klpt_part0"), address_of("klptorture:klpt_nest"),
	};
	int err;

	err = ftrace_set_filter_ips(&ops, ips, ARRAY_SIZE(ips), 0, 0);
	if (!err)
		err = register_ftrace_direct(&ops, tramp_address());
	if (err)
		ftrace_free_filter(&ops);
	return err;
}

static void __exit direct_exit(void)
{
	unregister_ftrace_direct(&ops, tramp_address(), true);
}

#else

static int __init direct_init(void)
{
	return -EOPNOTSUPP;
}

static void __exit direct_exit(void)
{
}

#endif

module_init(direct_init);
module_exit(direct_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch torture test: a direct caller");
