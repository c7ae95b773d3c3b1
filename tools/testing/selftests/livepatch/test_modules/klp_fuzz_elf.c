// SPDX-License-Identifier: GPL-2.0
/*
 * klp_fuzz_elf: a good patch with late relocations of many kinds, for klp_elf to
 * make them and klp_fuzz to spoil them. What they change and what the patch puts
 * in place is never used: a relocation that is wrong but can be made is nobody's
 * fault but the module's.
 */

#include <linux/livepatch.h>
#include <linux/module.h>

/* The assembler takes a name with a comma in quotes, clang's would keep them. */
#ifdef __clang__
#define QUOTE
#else
#define QUOTE "\""
#endif

#define LATE(id, name)	extern char id[] __asm__(QUOTE ".klp.sym." name QUOTE) __weak

LATE(vmlinux_unique, "vmlinux.cmdline_proc_show,0");
LATE(vmlinux_first, "vmlinux.version_proc_show,1");
LATE(vmlinux_data, "vmlinux.saved_command_line,0");
LATE(target_unique, "klp_target.klp_target_sleep,0");
LATE(target_first, "klp_target.klp_target_twin,1");
LATE(target_second, "klp_target.klp_target_twin,2");
LATE(absent_symbol, "klp_other.klp_target_value,0");

static char *pointers[] __used __section(".klp_fuzz.data") = {
	vmlinux_unique, vmlinux_first, vmlinux_data, vmlinux_data + 16,
	target_unique, target_first, target_second, target_second + 8,
	absent_symbol,
};

/* 32 bits each, relative to where they stand. */
__asm__(".pushsection .klp_fuzz.more, \"aw\"\n"
	".long \".klp.sym.vmlinux.cmdline_proc_show,0\" - .\n"
	".long \".klp.sym.klp_target.klp_target_sleep,0\" - .\n"
	".long 0, 0, 0, 0\n"
	".popsection\n");

static int new_sleep(void *test)
{
	barrier();
	return 11;
}

static struct klp_func funcs[] = {
	{ .old_name = "klp_target_sleep", .new_func = new_sleep },
	{ }
};

static struct klp_func no_funcs[] = {
	{ }
};

static struct klp_object objs[] = {
	{ .name = "klp_target", .funcs = funcs },
	{ .name = "klp_other", .funcs = no_funcs },
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
};

static int __init fuzz_elf_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit fuzz_elf_exit(void)
{
}

module_init(fuzz_elf_init);
module_exit(fuzz_elf_exit);
MODULE_INFO(livepatch, "Y");
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch test: a patch with late relocations, to be spoiled");
