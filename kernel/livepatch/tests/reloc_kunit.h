/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of reloc.c: the parsers, and sections that are wrong in one respect each.
 */

#include <kunit/test.h>
#include <linux/vmalloc.h>

/* A name with a part of @len characters. */
static char *klp_test_name(struct kunit *test, const char *prefix, size_t len, const char *suffix)
{
	size_t size = strlen(prefix) + len + strlen(suffix) + 1;
	char *name = kunit_kzalloc(test, size, GFP_KERNEL);

	if (!name)
		return "";
	snprintf(name, size, "%s%0*d%s", prefix, (int)len, 0, suffix);
	return name;
}

static void klp_test_parse_section(struct kunit *test)
{
	static const char * const malformed[] = {
		"", ".text", ".klp.rela", ".klp.rela.", ".klp.rela.ext4", ".klp.rela.ext4.",
		".klp.rela..text", ".klp.relaext4.text", ".klp.sym.ext4.text", "klp.rela.ext4.text",
	};
	char objname[MODULE_NAME_LEN];
	unsigned int i;

	KUNIT_EXPECT_EQ(test, klp_parse_section_name(".klp.rela.ext4.text.foo", objname), 0);
	KUNIT_EXPECT_STREQ(test, objname, "ext4");
	KUNIT_EXPECT_EQ(test, klp_parse_section_name(".klp.rela.vmlinux..data", objname), 0);
	KUNIT_EXPECT_STREQ(test, objname, "vmlinux");

	for (i = 0; i < ARRAY_SIZE(malformed); i++)
		KUNIT_EXPECT_EQ_MSG(test, klp_parse_section_name(malformed[i], objname), -EINVAL,
				    "%s", malformed[i]);

	KUNIT_EXPECT_EQ(test, klp_parse_section_name(klp_test_name(test, ".klp.rela.",
								   MODULE_NAME_LEN - 1, ".text"),
						     objname), 0);
	KUNIT_EXPECT_EQ(test, strlen(objname), MODULE_NAME_LEN - 1);
	KUNIT_EXPECT_EQ(test, klp_parse_section_name(klp_test_name(test, ".klp.rela.",
								   MODULE_NAME_LEN, ".text"),
						     objname), -ENAMETOOLONG);
}

struct klp_symbol_case {
	const char *name;
	int err;
	const char *objname;
	const char *symbol;
	unsigned long sympos;
};

static const struct klp_symbol_case klp_symbol_cases[] = {
	{ ".klp.sym.vmlinux.printk,0",		0, "vmlinux", "printk", 0 },
	{ ".klp.sym.ext4.do_it.isra.0,12",	0, "ext4", "do_it.isra.0", 12 },
	{ ".klp.sym.a.b,4294967295",		0, "a", "b", 4294967295UL },
	{ "",					-EINVAL },
	{ "printk",				-EINVAL },
	{ ".klp.sym.",				-EINVAL },
	{ ".klp.sym.vmlinux",			-EINVAL },
	{ ".klp.sym.vmlinux.",			-EINVAL },
	{ ".klp.sym..printk,0",			-EINVAL },
	{ ".klp.sym.vmlinux.printk",		-EINVAL },
	{ ".klp.sym.vmlinux.printk,",		-EINVAL },
	{ ".klp.sym.vmlinux.,0",		-EINVAL },
	{ ".klp.sym.vmlinux.printk,x",		-EINVAL },
	{ ".klp.sym.vmlinux.printk,1x",		-EINVAL },
	{ ".klp.sym.vmlinux.printk,0x1",	-EINVAL },
	{ ".klp.sym.vmlinux.printk,+1",		-EINVAL },
	{ ".klp.sym.vmlinux.printk,-1",		-EINVAL },
	{ ".klp.sym.vmlinux.printk, 1",		-EINVAL },
	{ ".klp.sym.vmlinux.printk,1\n",	-EINVAL },
	{ ".klp.sym.vmlinux.printk,1,1",	-EINVAL },
	{ ".klp.sym.vmlinux.printk,99999999999999999999", -ERANGE },
};

static void klp_test_parse_symbol(struct kunit *test)
{
	struct klp_symbol_name *sym = kunit_kzalloc(test, sizeof(*sym), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, sym);

	for (i = 0; i < ARRAY_SIZE(klp_symbol_cases); i++) {
		const struct klp_symbol_case *want = &klp_symbol_cases[i];

		KUNIT_EXPECT_EQ_MSG(test, klp_parse_symbol_name(want->name, sym), want->err,
				    "%s", want->name);
		if (want->err)
			continue;
		KUNIT_EXPECT_STREQ(test, sym->objname, want->objname);
		KUNIT_EXPECT_STREQ(test, sym->name, want->symbol);
		KUNIT_EXPECT_EQ(test, sym->sympos, want->sympos);
	}

	KUNIT_EXPECT_EQ(test, klp_parse_symbol_name(klp_test_name(test, ".klp.sym.a.",
								  KSYM_NAME_LEN - 1, ",0"),
						    sym), 0);
	KUNIT_EXPECT_EQ(test, strlen(sym->name), KSYM_NAME_LEN - 1);
	KUNIT_EXPECT_EQ(test, klp_parse_symbol_name(klp_test_name(test, ".klp.sym.a.",
								  KSYM_NAME_LEN, ",0"),
						    sym), -ENAMETOOLONG);
	KUNIT_EXPECT_EQ(test, klp_parse_symbol_name(klp_test_name(test, ".klp.sym.",
								  MODULE_NAME_LEN, ".b,0"),
						    sym), -ENAMETOOLONG);
}

/* A patch module as far as relocations are concerned. */
enum { KLP_TEST_RELA = 1, KLP_TEST_TARGET, KLP_TEST_SYMTAB, KLP_TEST_STRTAB, KLP_TEST_SHNUM };

struct klp_test_module {
	struct module mod;
	struct klp_modinfo info;
	Elf_Shdr sechdrs[KLP_TEST_SHNUM];
	Elf_Sym symtab[2];
	Elf_Rela rela[2];
	u64 target[2];
	char shstrtab[64];
	char strtab[64];
};

#define KLP_TEST_SYMBOL	".klp.sym.vmlinux.klp_apply_section_relocs,0"

#ifdef CONFIG_X86_64
#define KLP_TEST_R_64	R_X86_64_64
#define KLP_TEST_R_32	R_X86_64_32
#else
#define KLP_TEST_R_64	0
#define KLP_TEST_R_32	0
#endif

static void klp_test_rela(struct klp_test_module *t, unsigned int i, unsigned long sym,
			  unsigned int type)
{
	t->rela[i].r_info = ((Elf64_Xword)sym << 32) | type;
	t->rela[i].r_offset = i * sizeof(t->target[0]);
	t->rela[i].r_addend = i;
}

/* While it is loaded, with two relocations of the same symbol. */
static struct klp_test_module *klp_test_module(struct kunit *test)
{
	/* Pages as a module has them, for text_poke(). */
	struct klp_test_module *t = vzalloc(sizeof(*t));
	Elf_Shdr *shdr;

	KUNIT_ASSERT_NOT_NULL(test, t);
	test->priv = t;

	strscpy(t->mod.name, "klp_test");
	t->mod.state = MODULE_STATE_UNFORMED;
	t->mod.klp = true;
	t->mod.mem[MOD_DATA].base = t;
	t->mod.mem[MOD_DATA].size = sizeof(*t);
	t->mod.klp_info = &t->info;
	t->info.hdr.e_shnum = KLP_TEST_SHNUM;

	strscpy(t->shstrtab + 1, ".klp.rela.vmlinux.text", sizeof(t->shstrtab) - 1);
	strscpy(t->strtab + 1, KLP_TEST_SYMBOL, sizeof(t->strtab) - 1);

	shdr = &t->sechdrs[KLP_TEST_RELA];
	shdr->sh_name = 1;
	shdr->sh_type = SHT_RELA;
	shdr->sh_flags = SHF_ALLOC | SHF_RELA_LIVEPATCH;
	shdr->sh_addr = (unsigned long)t->rela;
	shdr->sh_size = sizeof(t->rela);
	shdr->sh_link = KLP_TEST_SYMTAB;
	shdr->sh_info = KLP_TEST_TARGET;

	shdr = &t->sechdrs[KLP_TEST_TARGET];
	shdr->sh_type = SHT_PROGBITS;
	shdr->sh_flags = SHF_ALLOC;
	shdr->sh_addr = (unsigned long)t->target;
	shdr->sh_size = sizeof(t->target);

	shdr = &t->sechdrs[KLP_TEST_SYMTAB];
	shdr->sh_type = SHT_SYMTAB;
	shdr->sh_addr = (unsigned long)t->symtab;
	shdr->sh_size = sizeof(t->symtab);
	shdr->sh_link = KLP_TEST_STRTAB;

	shdr = &t->sechdrs[KLP_TEST_STRTAB];
	shdr->sh_type = SHT_STRTAB;
	shdr->sh_addr = (unsigned long)t->strtab;
	shdr->sh_size = sizeof(t->strtab);

	t->symtab[1].st_name = 1;
	t->symtab[1].st_shndx = SHN_LIVEPATCH;
	klp_test_rela(t, 0, 1, KLP_TEST_R_64);
	klp_test_rela(t, 1, 1, KLP_TEST_R_64);
	return t;
}

static void klp_test_reloc_exit(struct kunit *test)
{
	vfree(test->priv);
}

static int klp_test_apply(struct klp_test_module *t, const char *objname)
{
	return klp_apply_section_relocs(&t->mod, t->sechdrs, t->shstrtab, t->strtab,
					KLP_TEST_SYMTAB, KLP_TEST_RELA, objname);
}

static void klp_test_section_name(struct klp_test_module *t, const char *name)
{
	strscpy(t->shstrtab + 1, name, sizeof(t->shstrtab) - 1);
}

static void klp_test_symbol_name(struct klp_test_module *t, const char *name)
{
	strscpy(t->strtab + 1, name, sizeof(t->strtab) - 1);
}

static void klp_break_type(struct klp_test_module *t)
{
	t->sechdrs[KLP_TEST_RELA].sh_type = SHT_NULL;
	t->sechdrs[KLP_TEST_RELA].sh_name = 0x7fffffff;
}

static void klp_break_marker(struct klp_test_module *t)
{
	t->mod.klp = false;
}

static void klp_break_section_name(struct klp_test_module *t)
{
	klp_test_section_name(t, ".rela.text");
}

static void klp_break_link(struct klp_test_module *t)
{
	t->sechdrs[KLP_TEST_RELA].sh_link = 0x7fffffff;
}

static void klp_break_size(struct klp_test_module *t)
{
	t->sechdrs[KLP_TEST_RELA].sh_size--;
}

static void klp_break_info(struct klp_test_module *t)
{
	t->mod.state = MODULE_STATE_COMING;
	t->sechdrs[KLP_TEST_RELA].sh_info = KLP_TEST_SHNUM;
}

static void klp_break_alloc(struct klp_test_module *t)
{
	klp_test_section_name(t, ".klp.rela.ext4.text");
	t->sechdrs[KLP_TEST_RELA].sh_flags &= ~SHF_ALLOC;
}

static void klp_break_target_init(struct klp_test_module *t)
{
	klp_test_section_name(t, ".klp.rela.ext4.text");
	t->mod.mem[MOD_INIT_DATA].base = t->target;
	t->mod.mem[MOD_INIT_DATA].size = sizeof(t->target);
	t->mod.mem[MOD_DATA].size = offsetof(struct klp_test_module, target);
}

static void klp_break_offset(struct klp_test_module *t)
{
	t->rela[1].r_offset = sizeof(t->target);
}

static void klp_break_offset_wraps(struct klp_test_module *t)
{
	t->rela[1].r_offset = ~0UL - 3;
}

#ifdef CONFIG_X86_64
static void klp_break_offset_straddles(struct klp_test_module *t)
{
	t->rela[1].r_offset = sizeof(t->target) - 1;
}
#endif

static void klp_break_symbol_index(struct klp_test_module *t)
{
	klp_test_rela(t, 1, ARRAY_SIZE(t->symtab), KLP_TEST_R_64);
}

static void klp_break_symbol_kind(struct klp_test_module *t)
{
	t->symtab[1].st_shndx = SHN_UNDEF;
}

static void klp_break_string_outside(struct klp_test_module *t)
{
	t->symtab[1].st_name = sizeof(t->strtab);
}

static void klp_break_string_end(struct klp_test_module *t)
{
	memset(t->strtab, 'x', sizeof(t->strtab));
}

static void klp_break_symbol_name(struct klp_test_module *t)
{
	klp_test_symbol_name(t, "printk");
}

static void klp_break_symbol_object(struct klp_test_module *t)
{
	klp_test_symbol_name(t, ".klp.sym.ext4.printk,0");
}

static void klp_break_symbol_unknown(struct klp_test_module *t)
{
	klp_test_symbol_name(t, ".klp.sym.vmlinux.klp_no_such_symbol,0");
}

static void klp_break_symbol_position(struct klp_test_module *t)
{
	klp_test_symbol_name(t, ".klp.sym.vmlinux.klp_apply_section_relocs,2");
}

struct klp_break_case {
	const char *name;
	void (*how)(struct klp_test_module *t);
	int err;
};

static const struct klp_break_case klp_break_cases[] = {
	{ "no section of relocations",		klp_break_type,			-ENOEXEC },
	{ "not a patch module",			klp_break_marker,		-EPERM },
	{ "section name",			klp_break_section_name,		-EINVAL },
	{ "sh_link",				klp_break_link,			-ENOEXEC },
	{ "size",				klp_break_size,			-ENOEXEC },
	{ "sh_info",				klp_break_info,			-ENOEXEC },
	{ "section not kept",			klp_break_alloc,		-ENOEXEC },
	{ "target not kept",			klp_break_target_init,		-ENOEXEC },
	{ "offset behind target",		klp_break_offset,		-EFAULT },
	{ "offset wraps",			klp_break_offset_wraps,		-EFAULT },
#ifdef CONFIG_X86_64
	{ "offset at target's end",		klp_break_offset_straddles,	-EFAULT },
#endif
	{ "symbol index",			klp_break_symbol_index,		-ERANGE },
	{ "symbol not for live patching",	klp_break_symbol_kind,		-ENOEXEC },
	{ "symbol name outside",		klp_break_string_outside,	-EBADMSG },
	{ "symbol name without end",		klp_break_string_end,		-EBADMSG },
	{ "symbol name",			klp_break_symbol_name,		-EINVAL },
	{ "module's symbol for vmlinux",	klp_break_symbol_object,	-EXDEV },
	{ "unknown symbol",			klp_break_symbol_unknown,	-ENOENT },
	{ "unknown position",			klp_break_symbol_position,	-ENOENT },
};

KUNIT_ARRAY_PARAM_DESC(klp_break, klp_break_cases, name);

static void klp_test_reloc_malformed(struct kunit *test)
{
	const struct klp_break_case *param = test->param_value;
	struct klp_test_module *t = klp_test_module(test);

	param->how(t);
	KUNIT_EXPECT_EQ(test, klp_test_apply(t, NULL), param->err);
	KUNIT_EXPECT_EQ(test, t->target[0], 0);
	KUNIT_EXPECT_EQ(test, t->target[1], 0);
}

static void klp_test_reloc_other_object(struct kunit *test)
{
	struct klp_test_module *t = klp_test_module(test);

	/* Checked but not resolved: the symbol need not exist yet. */
	klp_test_section_name(t, ".klp.rela.ext4.text");
	klp_test_symbol_name(t, ".klp.sym.ext4.klp_no_such_symbol,0");
	KUNIT_EXPECT_EQ(test, klp_test_apply(t, NULL), 0);
	KUNIT_EXPECT_EQ(test, t->symtab[1].st_value, 0);
	KUNIT_EXPECT_EQ(test, t->target[0], 0);

	klp_test_symbol_name(t, ".klp.sym.ext4.klp_no_such_symbol");
	KUNIT_EXPECT_EQ(test, klp_test_apply(t, NULL), -EINVAL);
}

#ifdef CONFIG_X86_64
static void klp_test_reloc_apply(struct kunit *test)
{
	struct klp_test_module *t = klp_test_module(test);
	unsigned long addr = (unsigned long)klp_apply_section_relocs;

	KUNIT_EXPECT_EQ(test, klp_test_apply(t, NULL), 0);
	KUNIT_EXPECT_EQ(test, t->target[0], addr);
	KUNIT_EXPECT_EQ(test, t->target[1], addr + 1);

	/* The place is not blank any more. */
	KUNIT_EXPECT_EQ(test, klp_test_apply(t, NULL), -ENOEXEC);
	KUNIT_EXPECT_EQ(test, t->target[0], addr);
}

/* An address of the kernel does not fit into 32 bits without sign. */
static void klp_test_reloc_half_way(struct kunit *test)
{
	struct klp_test_module *t = klp_test_module(test);

	t->mod.state = MODULE_STATE_LIVE;
	klp_test_rela(t, 1, 1, KLP_TEST_R_32);
	KUNIT_EXPECT_EQ(test, klp_test_apply(t, NULL), -ENOEXEC);
	KUNIT_EXPECT_EQ(test, t->target[0], 0);
	KUNIT_EXPECT_EQ(test, t->target[1], 0);

	klp_test_rela(t, 1, 1, KLP_TEST_R_64);
	KUNIT_EXPECT_EQ(test, klp_test_apply(t, NULL), 0);
	KUNIT_EXPECT_NE(test, t->target[0], 0);
	KUNIT_EXPECT_NE(test, t->target[1], 0);
}
#endif

static struct kunit_case klp_reloc_tests[] = {
	KUNIT_CASE(klp_test_parse_section),
	KUNIT_CASE(klp_test_parse_symbol),
	KUNIT_CASE_PARAM(klp_test_reloc_malformed, klp_break_gen_params),
	KUNIT_CASE(klp_test_reloc_other_object),
#ifdef CONFIG_X86_64
	KUNIT_CASE(klp_test_reloc_apply),
	KUNIT_CASE(klp_test_reloc_half_way),
#endif
	{}
};

static struct kunit_suite klp_reloc_suite = {
	.name = "livepatch-reloc",
	.exit = klp_test_reloc_exit,
	.test_cases = klp_reloc_tests,
};

kunit_test_suite(klp_reloc_suite);
