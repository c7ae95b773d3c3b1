// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Late relocations: references of a patch module to symbols that are not
 * exported to it, or are in modules that may not be loaded yet.
 *
 * The format is described in Documentation/livepatch/module-elf-format.rst. The
 * module loader brings each such section here while the patch module is loaded.
 * All of them are checked then, and those of vmlinux applied. The others are
 * applied when their object is bound, and cleared when it goes, because the
 * architectures check that a place is blank before they write to it.
 *
 * A patch module comes from the administrator, but it also comes from tools: a
 * section that is malformed is refused with a line that names it.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitmap.h>
#include <linux/elf.h>
#include <linux/kallsyms.h>
#include <linux/kernel.h>
#include <linux/moduleloader.h>
#include <linux/string.h>

#include "internal.h"

#define KLP_SECTION_PREFIX	".klp.rela."
#define KLP_SYMBOL_PREFIX	".klp.sym."

/*
 * In the header that the loader keeps of a section: it is applied. This lives as
 * long as the module, however many patches it enables one after the other.
 * Protected by klp_mutex.
 */
#define KLP_SHF_APPLIED		0x08000000	/* in SHF_MASKOS */

/**
 * struct klp_symbol_name - what the name of a late-bound symbol says
 * @objname:	the object that has the symbol
 * @name:	the symbol's name there
 * @sympos:	0 if @name is unique or exported, else its 1-based position
 */
struct klp_symbol_name {
	char objname[MODULE_NAME_LEN];
	char name[KSYM_NAME_LEN];
	unsigned long sympos;
};

/**
 * struct klp_rela_section - a section of late relocations
 * @mod:	the patch module
 * @sechdrs:	its section headers
 * @strtab:	names of its symbols
 * @symindex:	index of its symbol table
 * @index:	of this section
 * @name:	of this section
 * @objname:	the object whose presence it waits for
 */
struct klp_rela_section {
	struct module *mod;
	Elf_Shdr *sechdrs;
	const char *strtab;
	unsigned int symindex;
	unsigned int index;
	const char *name;
	char objname[MODULE_NAME_LEN];
};

#define klp_section_err(sec, fmt, ...)					\
do {									\
	const struct klp_rela_section *_sec = (sec);			\
									\
	pr_err("module '%s': section '%s': " fmt "\n",			\
	       _sec->mod->name, _sec->name, ##__VA_ARGS__);		\
} while (0)

/*
 * Copy what stands before the first @end into @to and return what stands
 * behind it, or NULL with @err set if nothing does or it is too long.
 */
static const char *klp_take_part(const char *from, char end, char *to, size_t size, int *err)
{
	const char *stop = strchr(from, end);

	if (!stop || stop == from || !stop[1]) {
		*err = -EINVAL;
		return NULL;
	}
	if (stop - from >= size) {
		*err = -ENAMETOOLONG;
		return NULL;
	}
	memcpy(to, from, stop - from);
	to[stop - from] = '\0';
	return stop + 1;
}

/* .klp.rela.OBJECT.SECTION; @objname has room for MODULE_NAME_LEN. */
static int klp_parse_section_name(const char *name, char *objname)
{
	size_t len = str_has_prefix(name, KLP_SECTION_PREFIX);
	int err = 0;

	if (!len)
		return -EINVAL;

	klp_take_part(name + len, '.', objname, MODULE_NAME_LEN, &err);
	return err;
}

/* .klp.sym.OBJECT.SYMBOL,POSITION */
static int klp_parse_symbol_name(const char *name, struct klp_symbol_name *sym)
{
	size_t len = str_has_prefix(name, KLP_SYMBOL_PREFIX);
	int err = 0;

	if (!len)
		return -EINVAL;

	name = klp_take_part(name + len, '.', sym->objname, sizeof(sym->objname), &err);
	if (!name)
		return err;

	name = klp_take_part(name, ',', sym->name, sizeof(sym->name), &err);
	if (!name)
		return err;

	/* kstrtoul() would also take a sign and a newline. */
	if (name[strspn(name, "0123456789")])
		return -EINVAL;
	return kstrtoul(name, 10, &sym->sympos);
}

static bool klp_is_vmlinux(const char *objname)
{
	return !strcmp(objname, "vmlinux");
}

/* Whether the module loader is at it: the module's memory is still writable. */
static bool klp_is_loading(const struct klp_rela_section *sec)
{
	return sec->mod->state == MODULE_STATE_UNFORMED;
}

/* Bytes that a relocation touches; 1 where only the architecture knows. */
static size_t klp_rela_width(const Elf_Rela *rela)
{
#ifdef CONFIG_X86_64
	switch (ELF_R_TYPE(rela->r_info)) {
	case R_X86_64_NONE:
		return 0;
	case R_X86_64_64:
	case R_X86_64_PC64:
		return 8;
	default:
		return 4;
	}
#else
	return 1;
#endif
}

/*
 * A section that is applied later has to outlive the loading of the module, and
 * so has the one that it changes.
 */
static bool klp_section_stays(const struct klp_rela_section *sec, unsigned int index)
{
	const Elf_Shdr *shdr = &sec->sechdrs[index];

	return (shdr->sh_flags & SHF_ALLOC) && within_module_core(shdr->sh_addr, sec->mod);
}

/*
 * Tables are read while relocations are applied: one that changes a table would
 * have them mean something that nobody has checked.
 */
static bool klp_is_table(const struct klp_rela_section *sec, unsigned int index)
{
	unsigned int type = sec->sechdrs[index].sh_type;

	return type == SHT_RELA || type == SHT_REL || type == SHT_SYMTAB || type == SHT_STRTAB;
}

/* Everything about a section that can be told from its header. */
static int klp_check_section(struct klp_rela_section *sec, const char *shstrtab)
{
	const Elf_Shdr *shdr = &sec->sechdrs[sec->index];
	int err;

	/* Without a type, what should lead to its name may be anything. */
	if (shdr->sh_type != SHT_RELA) {
		pr_err("module '%s': section %u for live patching is not of type RELA\n",
		       sec->mod->name, sec->index);
		return -ENOEXEC;
	}
	sec->name = shstrtab + shdr->sh_name;

	if (!is_livepatch_module(sec->mod)) {
		klp_section_err(sec, "the module is not marked as a live patch");
		return -EPERM;
	}

	err = klp_parse_section_name(sec->name, sec->objname);
	if (err) {
		klp_section_err(sec, "name is %s, need " KLP_SECTION_PREFIX "OBJECT.SECTION",
				err == -ENAMETOOLONG ? "too long" : "malformed");
		return err;
	}

	if (shdr->sh_link != sec->symindex) {
		klp_section_err(sec, "sh_link is %u, not the symbol table's index", shdr->sh_link);
		return -ENOEXEC;
	}
	if (shdr->sh_size % sizeof(Elf_Rela)) {
		klp_section_err(sec, "size is not a multiple of a relocation's");
		return -ENOEXEC;
	}
	/* While a module is loaded, the loader has made sure of that. */
	if (!klp_is_loading(sec) &&
	    (shdr->sh_info >= sec->mod->klp_info->hdr.e_shnum ||
	     !(sec->sechdrs[shdr->sh_info].sh_flags & SHF_ALLOC))) {
		klp_section_err(sec, "sh_info is %u, no section's index that is in memory",
				shdr->sh_info);
		return -ENOEXEC;
	}
	if (klp_is_table(sec, shdr->sh_info)) {
		klp_section_err(sec, "sh_info is %u, a table's index", shdr->sh_info);
		return -ENOEXEC;
	}
	if (!klp_is_vmlinux(sec->objname) && shdr->sh_size &&
	    !(klp_section_stays(sec, sec->index) && klp_section_stays(sec, shdr->sh_info))) {
		klp_section_err(sec, "it or its target is not kept in memory");
		return -ENOEXEC;
	}
	return 0;
}

/* A symbol's name, or NULL if it is not a string within the table. */
static const char *klp_symbol_string(const struct klp_rela_section *sec, const Elf_Sym *sym)
{
	const Elf_Shdr *strsec = &sec->sechdrs[sec->sechdrs[sec->symindex].sh_link];

	/* The loader keeps a table of its own making, with all names terminated. */
	if (klp_is_loading(sec) &&
	    (sym->st_name >= strsec->sh_size ||
	     !memchr(sec->strtab + sym->st_name, '\0', strsec->sh_size - sym->st_name)))
		return NULL;

	return sec->strtab + sym->st_name;
}

/* Check a symbol and, if @resolve, give it its value. */
static int klp_check_symbol(const struct klp_rela_section *sec, Elf_Sym *sym, bool resolve)
{
	struct klp_symbol_name parsed;
	unsigned long addr;
	const char *name;
	int err;

	name = klp_symbol_string(sec, sym);
	if (!name) {
		klp_section_err(sec, "a symbol's name is not within the string table");
		return -EBADMSG;
	}
	if (sym->st_shndx != SHN_LIVEPATCH) {
		klp_section_err(sec, "symbol '%s' is not marked for live patching", name);
		return -ENOEXEC;
	}

	err = klp_parse_symbol_name(name, &parsed);
	if (err) {
		klp_section_err(sec, "symbol '%s' is %s, need " KLP_SYMBOL_PREFIX "OBJECT.NAME,POS",
				name, err == -ENAMETOOLONG ? "too long" : "malformed");
		return err;
	}

	/* The module may go at any time, and this reference would stay. */
	if (klp_is_vmlinux(sec->objname) && !klp_is_vmlinux(parsed.objname)) {
		klp_section_err(sec, "symbol '%s' is a module's, in a section for vmlinux", name);
		return -EXDEV;
	}

	if (!resolve)
		return 0;

	err = klp_symbol_find(parsed.objname, parsed.name, parsed.sympos, &addr);
	if (err) {
		klp_section_err(sec, "symbol '%s' %s (%d)", name,
				err == -EINVAL ? "is ambiguous" : "not found", err);
		return err;
	}
	sym->st_value = addr;
	return 0;
}

/* Check all relocations and, if @resolve, give their symbols values. */
static int klp_check_relas(const struct klp_rela_section *sec, bool resolve)
{
	const Elf_Shdr *shdr = &sec->sechdrs[sec->index];
	const Elf_Shdr *symsec = &sec->sechdrs[sec->symindex];
	const Elf_Shdr *target = &sec->sechdrs[shdr->sh_info];
	const Elf_Rela *rela = (void *)shdr->sh_addr;
	const Elf_Rela *end = rela + shdr->sh_size / sizeof(*rela);
	Elf_Sym *symtab = (void *)symsec->sh_addr;
	unsigned long nr_syms = symsec->sh_size / sizeof(*symtab);
	unsigned long *seen;
	int err = 0;

	/* Many relocations share a symbol, and a search takes its time. */
	seen = bitmap_zalloc(nr_syms, GFP_KERNEL);
	if (!seen)
		return -ENOMEM;

	for (; rela < end && !err; rela++) {
		unsigned long sym = ELF_R_SYM(rela->r_info);
		size_t width = klp_rela_width(rela);

		if (target->sh_size < width || rela->r_offset > target->sh_size - width) {
			klp_section_err(sec, "offset 0x%llx is outside the target section",
					(unsigned long long)rela->r_offset);
			err = -EFAULT;
		} else if (sym >= nr_syms) {
			klp_section_err(sec, "symbol index %lu is outside the symbol table", sym);
			err = -ERANGE;
		} else if (!__test_and_set_bit(sym, seen)) {
			err = klp_check_symbol(sec, &symtab[sym], resolve);
		}
	}
	bitmap_free(seen);
	return err;
}

/*
 * Only some architectures mind what was there before. Of the others, s390 and
 * powerpc keep more than the place itself: see limits.rst.
 */
void __weak clear_relocate_add(Elf_Shdr *sechdrs, const char *strtab, unsigned int symindex,
			       unsigned int relsec, struct module *me)
{
}

/**
 * klp_apply_section_relocs() - check a section of late relocations and apply it
 * @pmod: the patch module
 * @sechdrs: its section headers
 * @shstrtab: names of its sections
 * @strtab: names of its symbols
 * @symindex: index of its symbol table
 * @secindex: index of the section
 * @objname: apply it if it is this object's; NULL for vmlinux
 *
 * The module loader calls this for every section marked SHF_RELA_LIVEPATCH while
 * a patch module is loaded. After that text_mutex must not be held: where text
 * has to be written under it, the architecture takes it.
 *
 * Context: may sleep. When a module's section is applied, klp_mutex is held and
 * the module is loaded or coming.
 * Return: 0, also for a sound section of another object, or an error. The reason
 * is in the log, and nothing of the section is applied.
 */
int klp_apply_section_relocs(struct module *pmod, Elf_Shdr *sechdrs,
			     const char *shstrtab, const char *strtab,
			     unsigned int symindex, unsigned int secindex,
			     const char *objname)
{
	struct klp_rela_section sec = {
		.mod = pmod,
		.sechdrs = sechdrs,
		.strtab = strtab,
		.symindex = symindex,
		.index = secindex,
	};
	bool ours;
	int err;

	err = klp_check_section(&sec, shstrtab);
	if (err)
		return err;

	/* It is not the file that says so. */
	if (klp_is_loading(&sec))
		sechdrs[secindex].sh_flags &= ~KLP_SHF_APPLIED;

	ours = !strcmp(sec.objname, objname ?: "vmlinux");
	if (WARN_ON_ONCE(!ours && !klp_is_loading(&sec)))
		return -EINVAL;

	err = klp_check_relas(&sec, ours);
	if (err || !ours)
		return err;

	err = apply_relocate_add(sechdrs, strtab, symindex, secindex, pmod);
	if (err) {
		klp_section_err(&sec, "cannot be applied (%d)", err);
		/* Those before the culprit; a module being loaded just goes. */
		if (!klp_is_loading(&sec))
			clear_relocate_add(sechdrs, strtab, symindex, secindex, pmod);
	}
	return err;
}

/* Whether a section of a loaded patch module waits for the object. */
static bool klp_section_waits_for(const struct klp_modinfo *info, unsigned int index,
				  const char *objname)
{
	const Elf_Shdr *shdr = &info->sechdrs[index];
	char name[MODULE_NAME_LEN];

	return (shdr->sh_flags & SHF_RELA_LIVEPATCH) && shdr->sh_type == SHT_RELA &&
	       !klp_parse_section_name(info->secstrings + shdr->sh_name, name) &&
	       !strcmp(name, objname);
}

static bool klp_patch_has_object(struct klp_patch *patch, const char *objname)
{
	struct klp_object *obj;

	klp_for_each_object(patch, obj) {
		/* One that was made for no-ops goes with them. */
		if (!obj->dynamic && !strcmp(klp_object_label(obj), objname))
			return true;
	}
	return false;
}

/**
 * klp_relocs_check() - whether all late relocations of a patch will be applied
 * @patch: the patch, built; its module is coming or loaded
 *
 * The module loader passes over a section that does not lead to what it would
 * change, and one for an object that the patch does not have waits for ever: new
 * functions would call what is blank.
 *
 * Context: klp_mutex held.
 * Return: 0, -EINVAL if a section is for no object of the patch, or what
 * klp_apply_section_relocs() returns for a malformed one. The reason is in the log.
 */
int klp_relocs_check(struct klp_patch *patch)
{
	struct klp_modinfo *info = patch->mod->klp_info;
	struct klp_rela_section sec = {
		.mod = patch->mod,
		.sechdrs = info->sechdrs,
		.symindex = info->symndx,
	};
	int err;

	lockdep_assert_held(&klp_mutex);

	for (sec.index = 1; sec.index < info->hdr.e_shnum; sec.index++) {
		if (!(sec.sechdrs[sec.index].sh_flags & SHF_RELA_LIVEPATCH))
			continue;
		err = klp_check_section(&sec, info->secstrings);
		if (err)
			return err;
		if (!klp_is_vmlinux(sec.objname) && !klp_patch_has_object(patch, sec.objname)) {
			klp_section_err(&sec, "the patch has no object '%s'", sec.objname);
			return -EINVAL;
		}
	}
	return 0;
}

static void klp_clear_section(struct module *mod, unsigned int index)
{
	struct klp_modinfo *info = mod->klp_info;

	if (!(info->sechdrs[index].sh_flags & SHF_RELA_LIVEPATCH) ||
	    !(info->sechdrs[index].sh_flags & KLP_SHF_APPLIED))
		return;
	clear_relocate_add(info->sechdrs, mod->core_kallsyms.strtab, info->symndx, index, mod);
	info->sechdrs[index].sh_flags &= ~KLP_SHF_APPLIED;
}

/**
 * klp_relocs_apply() - apply all relocations of a patch that wait for an object
 * @patch: the patch
 * @obj: the object; nothing is done for vmlinux, which the module loader serves
 *
 * Context: klp_mutex held; may sleep. The object is loaded or coming.
 * Return: 0, or an error with none of them applied. The reason is in the log.
 */
int klp_relocs_apply(struct klp_patch *patch, struct klp_object *obj)
{
	struct klp_modinfo *info = patch->mod->klp_info;
	unsigned int i;
	int err;

	lockdep_assert_held(&klp_mutex);

	if (!obj->name)
		return 0;

	for (i = 1; i < info->hdr.e_shnum; i++) {
		if (!klp_section_waits_for(info, i, obj->name))
			continue;
		err = klp_apply_section_relocs(patch->mod, info->sechdrs, info->secstrings,
					       patch->mod->core_kallsyms.strtab,
					       info->symndx, i, obj->name);
		if (err) {
			klp_relocs_clear(patch, obj);
			return err;
		}
		info->sechdrs[i].sh_flags |= KLP_SHF_APPLIED;
	}
	return 0;
}

/**
 * klp_relocs_clear() - make all relocations that wait for an object blank again
 * @patch: the patch
 * @obj: the object
 *
 * Context: klp_mutex held; may sleep. No code of the patch for @obj may run.
 */
void klp_relocs_clear(struct klp_patch *patch, struct klp_object *obj)
{
	struct klp_modinfo *info = patch->mod->klp_info;
	unsigned int i;

	lockdep_assert_held(&klp_mutex);

	if (!obj->name)
		return;

	for (i = 1; i < info->hdr.e_shnum; i++) {
		if (klp_section_waits_for(info, i, obj->name))
			klp_clear_section(patch->mod, i);
	}
}

/**
 * klp_relocs_forget() - make all that earlier patches of a module have left blank
 * @mod: the patch module, whose sections klp_relocs_check() has passed: what the
 *	 file says of others is still in their headers
 *
 * A patch that is disabled keeps its late relocations: the module's exit may need
 * them. They would be in the way of another patch of the module.
 *
 * Context: klp_mutex held; may sleep. No task is in functions of such a patch.
 */
void klp_relocs_forget(struct module *mod)
{
	unsigned int i;

	lockdep_assert_held(&klp_mutex);

	for (i = 1; i < mod->klp_info->hdr.e_shnum; i++)
		klp_clear_section(mod, i);
}

#ifdef CONFIG_KLP_KUNIT_TEST
#include "tests/reloc_kunit.h"
#endif
