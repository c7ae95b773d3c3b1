/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Trampolines of target_direct.c.
 *
 * klp_target_value() has no arguments to be saved. On the stack is the return
 * address into it, in whose place ftrace puts what a live patch chooses, and
 * above that its caller's.
 */

#include <linux/linkage.h>
#include <asm/asm-offsets.h>
#include <asm/nospec-branch.h>
#include <asm/unwind_hints.h>

	.text

/* Return to where the function goes on. */
SYM_FUNC_START(klp_direct_fentry)
	pushq	%rbp
	movq	%rsp, %rbp
	CALL_DEPTH_ACCOUNT
	call	klp_direct_hit
	leave
	RET
SYM_FUNC_END(klp_direct_fentry)

/* Call the function, whose original is known, and return to its caller. */
SYM_FUNC_START(klp_direct_fexit)
	pushq	%rbp
	movq	%rsp, %rbp
	CALL_DEPTH_ACCOUNT
	movq	klp_direct_original(%rip), %rax
	ANNOTATE_RETPOLINE_SAFE
	call	*%rax
	pushq	%rax
	call	klp_direct_hit
	popq	%rax
	leave
	addq	$8, %rsp
	UNWIND_HINT_FUNC
	RET
SYM_FUNC_END(klp_direct_fexit)

/* The same, but call what the stack says. */
SYM_FUNC_START(klp_direct_fexit_shared)
	pushq	%rbp
	movq	%rsp, %rbp
	CALL_DEPTH_ACCOUNT
	movq	8(%rbp), %rax
	ANNOTATE_RETPOLINE_SAFE
	call	*%rax
	pushq	%rax
	call	klp_direct_hit
	popq	%rax
	leave
	addq	$8, %rsp
	UNWIND_HINT_FUNC
	RET
SYM_FUNC_END(klp_direct_fexit_shared)
