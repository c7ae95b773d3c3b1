// SPDX-License-Identifier: GPL-2.0
/*
 * Give a module late relocations, as tools for making patches do.
 *
 *	klp_elf IN OUT SYMBOL=.klp.sym.OBJECT.NAME,POSITION... [CHANGE=VALUE...]
 *
 * Each SYMBOL is undefined in the module IN, and weak, so that kbuild lets it
 * pass; so are symbols that have a name of that kind already. OUT is the same
 * module with these symbols renamed and marked for live patching, and with the
 * relocations that refer to them moved to sections of their own. See
 * Documentation/livepatch/module-elf-format.rst.
 *
 * Each CHANGE does something wrong on purpose, in the first such section, its
 * first relocation or the first such symbol:
 *
 *	section=NAME type=N flags=N link=N info=N size=N addralign=N
 *	info-symtab=1
 *	offset=N symbol-index=N rela-type=N
 *	symbol=NAME symbol-section=N symbol-name=N unterminated=1
 *
 * With "only=OBJECT" the first is the first for that object.
 */

#include <elf.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SYMBOL_PREFIX		".klp.sym."
#define SECTION_PREFIX		".klp.rela."
#define SHF_RELA_LIVEPATCH	0x00100000
#define SHN_LIVEPATCH		0xff20
#define MAX_NEW			64
#define ROOM			(64 * 1024)

/* A section that is made, for the relocations of one section and object. */
struct new_section {
	unsigned int from;
	char object[64];
	Elf64_Rela *relas;
	unsigned int nr;
	unsigned int name;
};

static struct new_section new[MAX_NEW];
static unsigned int nr_new;

static char **changes;
static int nr_changes;

static void die(const char *fmt, ...)
{
	va_list args;

	fputs("klp_elf: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(2);
}

static void *allocate(size_t size)
{
	void *p = calloc(1, size + 1);

	if (!p)
		die("no memory");
	return p;
}

/* The value of a change that is asked for, or NULL. */
static const char *change(const char *what)
{
	size_t len = strlen(what);
	int i;

	for (i = 0; i < nr_changes; i++) {
		if (!strncmp(changes[i], what, len) && changes[i][len] == '=')
			return changes[i] + len + 1;
	}
	return NULL;
}

/* ... or the value that is right. */
static uint64_t changed(const char *what, uint64_t right)
{
	const char *value = change(what);

	return value ? strtoull(value, NULL, 0) : right;
}

static char *read_file(const char *name, size_t *size)
{
	FILE *file = fopen(name, "rb");
	char *data;

	if (!file || fseek(file, 0, SEEK_END))
		die("cannot read %s", name);
	*size = ftell(file);
	rewind(file);
	data = allocate(*size);
	if (fread(data, 1, *size, file) != *size)
		die("cannot read %s", name);
	fclose(file);
	return data;
}

/* Append to a string table that has room; return where it is there. */
static unsigned int add_string(char *table, size_t *size, const char *string)
{
	unsigned int at = *size;

	if (strlen(string) >= ROOM / 4)
		die("%.20s... is too long", string);
	memcpy(table + at, string, strlen(string) + 1);
	*size += strlen(string) + 1;
	return at;
}

static struct new_section *new_section(unsigned int from, const char *symbol)
{
	const char *object = symbol + strlen(SYMBOL_PREFIX);
	int len = strcspn(object, ".");
	struct new_section *sec;

	for (sec = new; sec < new + nr_new; sec++) {
		if (sec->from == from && !strncmp(sec->object, object, len) && !sec->object[len])
			return sec;
	}
	if (nr_new == MAX_NEW)
		die("too many sections");
	nr_new++;
	sec->from = from;
	snprintf(sec->object, sizeof(sec->object), "%.*s", len, object);
	return sec;
}

/* A string table at its new place: the old one and what is added to it. */
static char *grow(const char *data, const Elf64_Shdr *shdr)
{
	return memcpy(allocate(shdr->sh_size + ROOM), data + shdr->sh_offset, shdr->sh_size);
}

static void put(FILE *file, const void *data, size_t size)
{
	if (size && fwrite(data, 1, size, file) != size)
		die("cannot write");
}

/* Append at a multiple of eight; return where it is in the file. */
static size_t append(FILE *file, const void *data, size_t size)
{
	static const char zero[8];
	size_t at;

	put(file, zero, -ftell(file) & 7);
	at = ftell(file);
	put(file, data, size);
	return at;
}

/* Give a symbol the name that a late relocation needs, if that is asked for. */
static void rename_symbol(Elf64_Sym *sym, char *strtab, size_t *strsize)
{
	const char *old = strtab + sym->st_name, *name = *old ? change(old) : NULL;
	bool named = !strncmp(old, SYMBOL_PREFIX, strlen(SYMBOL_PREFIX));

	if (!(name || named) || sym->st_shndx != SHN_UNDEF)
		return;
	if (name) {
		if (strncmp(name, SYMBOL_PREFIX, strlen(SYMBOL_PREFIX)))
			die("%s is no " SYMBOL_PREFIX " name", name);
		sym->st_name = add_string(strtab, strsize, name);
	}
	sym->st_shndx = SHN_LIVEPATCH;
	sym->st_info = ELF64_ST_INFO(STB_GLOBAL, ELF64_ST_TYPE(sym->st_info));
}

/* Move the relocations that are ours to sections of their own. */
static void split_relas(char *data, Elf64_Shdr *shdr, unsigned int index,
			const Elf64_Sym *syms, const char *strtab)
{
	Elf64_Rela *rela = (void *)(data + shdr->sh_offset), *keep = rela;
	Elf64_Rela *end = rela + shdr->sh_size / sizeof(*rela);
	struct new_section *sec;

	for (; rela < end; rela++) {
		const Elf64_Sym *sym = &syms[ELF64_R_SYM(rela->r_info)];

		if (sym->st_shndx != SHN_LIVEPATCH) {
			*keep++ = *rela;
			continue;
		}
		sec = new_section(index, strtab + sym->st_name);
		if (!sec->relas)
			sec->relas = allocate(shdr->sh_size);
		sec->relas[sec->nr++] = *rela;
	}
	shdr->sh_size = (char *)keep - (data + shdr->sh_offset);
}

/* The first section, and so on, that a change is about. */
static struct new_section *victim(void)
{
	const char *only = change("only");
	struct new_section *sec;

	for (sec = new; sec < new + nr_new; sec++) {
		if (!only || !strcmp(sec->object, only))
			return sec;
	}
	die("there is nothing to be moved");
	return NULL;
}

int main(int argc, char **argv)
{
	Elf64_Shdr *shdrs, *symsec, *strsec, *shstrsec, *shdr;
	size_t size, strsize, shstrsize;
	char *data, *strtab, *shstrtab;
	unsigned int i, nr_syms;
	struct new_section *sec;
	Elf64_Rela *rela;
	Elf64_Ehdr *hdr;
	Elf64_Sym *syms;
	FILE *out;

	if (argc < 3)
		die("usage: klp_elf IN OUT [CHANGE=VALUE...]");
	changes = argv + 3;
	nr_changes = argc - 3;

	data = read_file(argv[1], &size);
	hdr = (void *)data;
	if (size < sizeof(*hdr) || memcmp(hdr->e_ident, ELFMAG, SELFMAG) ||
	    hdr->e_ident[EI_CLASS] != ELFCLASS64)
		die("%s is not a 64-bit ELF file", argv[1]);

	shdrs = allocate((hdr->e_shnum + MAX_NEW) * sizeof(*shdrs));
	memcpy(shdrs, data + hdr->e_shoff, hdr->e_shnum * sizeof(*shdrs));
	for (symsec = shdrs; symsec->sh_type != SHT_SYMTAB; symsec++)
		;
	strsec = &shdrs[symsec->sh_link];
	shstrsec = &shdrs[hdr->e_shstrndx];
	syms = (void *)(data + symsec->sh_offset);
	nr_syms = symsec->sh_size / sizeof(*syms);
	strtab = grow(data, strsec);
	strsize = strsec->sh_size;
	shstrtab = grow(data, shstrsec);
	shstrsize = shstrsec->sh_size;

	for (i = 0; i < nr_syms; i++)
		rename_symbol(&syms[i], strtab, &strsize);
	for (i = 1; i < hdr->e_shnum; i++) {
		if (shdrs[i].sh_type == SHT_RELA)
			split_relas(data, &shdrs[i], i, syms, strtab);
	}
	for (sec = new; sec < new + nr_new; sec++) {
		char name[256];

		snprintf(name, sizeof(name), SECTION_PREFIX "%s%s", sec->object,
			 shstrtab + shdrs[shdrs[sec->from].sh_info].sh_name);
		if (sec == victim() && change("section"))
			sec->name = add_string(shstrtab, &shstrsize, change("section"));
		else
			sec->name = add_string(shstrtab, &shstrsize, name);
	}

	/* What is to be wrong about the first relocation and its symbol. */
	rela = victim()->relas;
	i = ELF64_R_SYM(rela->r_info);
	if (change("symbol"))
		syms[i].st_name = add_string(strtab, &strsize, change("symbol"));
	syms[i].st_name = changed("symbol-name", syms[i].st_name);
	syms[i].st_shndx = changed("symbol-section", syms[i].st_shndx);
	rela->r_offset = changed("offset", rela->r_offset);
	rela->r_info = ELF64_R_INFO(changed("symbol-index", i),
				    changed("rela-type", ELF64_R_TYPE(rela->r_info)));
	if (change("unterminated")) {
		syms[i].st_name = add_string(strtab, &strsize, SYMBOL_PREFIX "vmlinux.x,0");
		strsize--;
	}

	out = fopen(argv[2], "wb");
	if (!out)
		die("cannot write %s", argv[2]);
	put(out, data, size);
	strsec->sh_offset = append(out, strtab, strsize);
	strsec->sh_size = strsize;
	shstrsec->sh_offset = append(out, shstrtab, shstrsize);
	shstrsec->sh_size = shstrsize;
	for (sec = new; sec < new + nr_new; sec++) {
		bool first = sec == victim();

		shdr = &shdrs[hdr->e_shnum++];
		*shdr = shdrs[sec->from];
		shdr->sh_name = sec->name;
		shdr->sh_flags |= SHF_ALLOC | SHF_RELA_LIVEPATCH;
		shdr->sh_size = sec->nr * sizeof(*sec->relas);
		shdr->sh_offset = append(out, sec->relas, shdr->sh_size);
		if (!first)
			continue;
		shdr->sh_type = changed("type", shdr->sh_type);
		shdr->sh_flags = changed("flags", shdr->sh_flags);
		shdr->sh_link = changed("link", shdr->sh_link);
		shdr->sh_info = changed("info", changed("info-symtab", 0) ? shdr->sh_link :
							shdr->sh_info);
		shdr->sh_size = changed("size", shdr->sh_size);
		shdr->sh_addralign = changed("addralign", shdr->sh_addralign);
	}
	hdr->e_shoff = append(out, shdrs, hdr->e_shnum * sizeof(*shdrs));
	rewind(out);
	put(out, hdr, sizeof(*hdr));
	if (fclose(out))
		die("cannot write %s", argv[2]);
	return 0;
}
