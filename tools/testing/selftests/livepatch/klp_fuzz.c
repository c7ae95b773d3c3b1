// SPDX-License-Identifier: GPL-2.0
/*
 * Patches that are spoiled at random must be refused, or do no harm.
 *
 *	klp_fuzz elf FILE SEED FIRST CASES
 *	klp_fuzz patch FILE SEED FIRST CASES
 *
 * elf: FILE is a patch module with late relocations. For each case, what the
 * core reads of it is spoiled in a few places, and it is loaded. What only the
 * module loader reads is left alone: that trusts a module.
 *
 * patch: FILE is klp_test_fuzz.ko, which makes a structure for each case and
 * has it enabled.
 *
 * A case is what SEED and its number say, and no other; the last one begun is in
 * the kernel's log. If a patch is accepted it is disabled. The last line tells
 * what came of the cases; the exit status is 1 if one leaves something behind.
 * What the kernel says about them in its log is for others to judge.
 */

#include <elf.h>
#include <linux/types.h>

#include "klp_user.h"

#define LIVEPATCH		"/sys/kernel/livepatch"
#define SHF_RELA_LIVEPATCH	0x00100000
#define SHN_LIVEPATCH		0xff20

/* ---- random numbers: splitmix64 ---- */

static __u64 state;

static __u64 any(void)
{
	__u64 z = state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static __u64 below(__u64 n)
{
	return any() % n;
}

/* Numbers that are likely to be at an edge. */
static __u64 odd_number(__u64 good)
{
	switch (below(8)) {
	case 0:
		return 0;
	case 1:
		return good + 1;
	case 2:
		return good - 1;
	case 3:
		return ~0ULL;
	case 4:
		return 1ULL << below(64);
	case 5:
		return good ^ (1ULL << below(64));
	case 6:
		return good + below(64);
	default:
		return any();
	}
}

/* ---- the module ---- */

struct image {
	char *data;
	size_t size;
	Elf64_Ehdr *hdr;
	Elf64_Shdr *shdrs;
	Elf64_Shdr *symsec;
	Elf64_Sym *syms;
	unsigned int nr_syms;
	char *strtab;
	size_t strsize;
	char *shstrtab;
	size_t shstrsize;
	unsigned int relas[64];		/* sections */
	unsigned int nr_relas;
	unsigned int late[256];		/* symbols */
	unsigned int nr_late;
};

static char *slurp(const char *name, size_t *size)
{
	FILE *file = fopen(name, "rb");
	char *data;

	if (!file || fseek(file, 0, SEEK_END))
		klp_die(name);
	*size = ftell(file);
	rewind(file);
	data = malloc(*size);
	if (!data || fread(data, 1, *size, file) != *size)
		klp_die(name);
	fclose(file);
	return data;
}

/* Find in @image->data what is to be spoiled. */
static void look(struct image *image)
{
	unsigned int i;

	image->hdr = (void *)image->data;
	image->shdrs = (void *)(image->data + image->hdr->e_shoff);
	for (i = 0; i < image->hdr->e_shnum; i++) {
		if (image->shdrs[i].sh_type == SHT_SYMTAB)
			image->symsec = &image->shdrs[i];
	}
	image->syms = (void *)(image->data + image->symsec->sh_offset);
	image->nr_syms = image->symsec->sh_size / sizeof(Elf64_Sym);
	image->strtab = image->data + image->shdrs[image->symsec->sh_link].sh_offset;
	image->strsize = image->shdrs[image->symsec->sh_link].sh_size;
	image->shstrtab = image->data + image->shdrs[image->hdr->e_shstrndx].sh_offset;
	image->shstrsize = image->shdrs[image->hdr->e_shstrndx].sh_size;

	for (i = 0; i < image->hdr->e_shnum; i++) {
		if (image->shdrs[i].sh_flags & SHF_RELA_LIVEPATCH)
			image->relas[image->nr_relas++] = i;
	}
	for (i = 0; i < image->nr_syms; i++) {
		if (image->syms[i].st_shndx == SHN_LIVEPATCH)
			image->late[image->nr_late++] = i;
	}
	if (!image->nr_relas || !image->nr_late) {
		fprintf(stderr, "there are no late relocations\n");
		exit(2);
	}
}

/* ---- what can be spoiled ---- */

static Elf64_Shdr *some_section(struct image *image)
{
	return &image->shdrs[image->relas[below(image->nr_relas)]];
}

static Elf64_Sym *some_symbol(struct image *image)
{
	return &image->syms[image->late[below(image->nr_late)]];
}

static Elf64_Rela *some_rela(struct image *image)
{
	Elf64_Shdr *shdr = some_section(image);
	size_t nr = shdr->sh_size / sizeof(Elf64_Rela);

	/* It may have been spoiled before. */
	if (!nr || shdr->sh_offset % 8 || shdr->sh_offset > image->size ||
	    shdr->sh_size > image->size - shdr->sh_offset)
		return NULL;
	return (Elf64_Rela *)(image->data + shdr->sh_offset) + below(nr);
}

/* The end of a string stays where it is, for those who have no part in this. */
static void spoil_string(char *string)
{
	static const char special[] = ".,0123456789+-kvm\t%/_";
	size_t len = strlen(string);

	if (!len)
		return;
	switch (below(4)) {
	case 0:
		string[below(len)] = '\0';
		break;
	case 1:
		string[below(len)] = special[below(sizeof(special) - 1)];
		break;
	case 2:
		/* Longer than anything it could be copied to. */
		memset(string + below(len), 'x', 1);
		break;
	default:
		string[below(len)] = 1 + below(255);
	}
}

static void spoil_section_name(struct image *image)
{
	Elf64_Shdr *shdr = some_section(image);

	/* Any string in the table, or another one of ours. */
	switch (below(4)) {
	case 0:
		shdr->sh_name = below(image->shstrsize);
		break;
	case 1:
		shdr->sh_name = some_section(image)->sh_name;
		break;
	default:
		spoil_string(image->shstrtab + shdr->sh_name % image->shstrsize);
	}
}

static void spoil_section_size(struct image *image)
{
	Elf64_Shdr *shdr = some_section(image);

	shdr->sh_size = odd_number(shdr->sh_size);
}

static void spoil_section_offset(struct image *image)
{
	some_section(image)->sh_offset = below(2) ? below(image->size) & ~7 :
						    odd_number(image->size);
}

static void spoil_section_link(struct image *image)
{
	Elf64_Shdr *shdr = some_section(image);

	shdr->sh_link = odd_number(shdr->sh_link);
}

/*
 * Not at what is used: whoever lets a relocation go there may write what he
 * wants. Sections that are not kept, or are not there, or are its own.
 */
static void spoil_section_target(struct image *image)
{
	Elf64_Shdr *shdr = some_section(image);
	unsigned int index = odd_number(shdr->sh_info);

	if (index < image->hdr->e_shnum && image->shdrs[index].sh_flags & SHF_ALLOC)
		index = image->relas[below(image->nr_relas)];
	shdr->sh_info = index;
}

static void spoil_section_flags(struct image *image)
{
	some_section(image)->sh_flags ^= 1ULL << (below(2) ? below(3) : below(64));
}

static void spoil_section_type(struct image *image)
{
	some_section(image)->sh_type = below(2) ? below(20) : odd_number(SHT_RELA);
}

static void spoil_section_entsize(struct image *image)
{
	some_section(image)->sh_entsize = odd_number(sizeof(Elf64_Rela));
}

/* One that is something else is said to be ours. */
static void spoil_other_section(struct image *image)
{
	Elf64_Shdr *shdr = &image->shdrs[below(image->hdr->e_shnum)];

	/* The loader applies what it finds, and nothing may be applied to these. */
	if (shdr->sh_type == SHT_RELA)
		return;
	shdr->sh_flags |= SHF_RELA_LIVEPATCH;
	if (below(2))
		shdr->sh_info = image->relas[below(image->nr_relas)];
}

static void spoil_rela_offset(struct image *image)
{
	Elf64_Rela *rela = some_rela(image);

	if (rela)
		rela->r_offset = below(2) ? below(80) : odd_number(rela->r_offset);
}

static void spoil_rela_type(struct image *image)
{
	Elf64_Rela *rela = some_rela(image);

	if (rela)
		rela->r_info = ELF64_R_INFO(ELF64_R_SYM(rela->r_info),
					    (__u32)(below(2) ? below(48) : odd_number(1)));
}

static void spoil_rela_symbol(struct image *image)
{
	Elf64_Rela *rela = some_rela(image);
	__u32 index;

	if (!rela)
		return;
	switch (below(3)) {
	case 0:
		index = odd_number(image->nr_syms);
		break;
	case 1:
		index = below(image->nr_syms);
		break;
	default:
		index = image->late[below(image->nr_late)];
	}
	rela->r_info = ELF64_R_INFO((__u64)index, ELF64_R_TYPE(rela->r_info));
}

static void spoil_rela_addend(struct image *image)
{
	Elf64_Rela *rela = some_rela(image);

	if (rela)
		rela->r_addend = odd_number(rela->r_addend);
}

static void spoil_symbol_name(struct image *image)
{
	Elf64_Sym *sym = some_symbol(image);

	/* The loader itself takes every name in the table on trust. */
	switch (below(4)) {
	case 0:
		sym->st_name = below(image->strsize);
		break;
	case 1:
		sym->st_name = some_symbol(image)->st_name;
		break;
	default:
		spoil_string(image->strtab + sym->st_name);
	}
}

static void spoil_symbol_section(struct image *image)
{
	static const __u16 special[] = {
		SHN_UNDEF, SHN_ABS, SHN_COMMON, SHN_LORESERVE, SHN_HIRESERVE, SHN_LIVEPATCH + 1,
	};
	Elf64_Sym *sym = some_symbol(image);

	sym->st_shndx = below(2) ? special[below(sizeof(special) / sizeof(*special))] :
				   odd_number(image->hdr->e_shnum);
}

static void spoil_symbol_value(struct image *image)
{
	Elf64_Sym *sym = some_symbol(image);

	sym->st_value = any();
	sym->st_size = odd_number(0);
}

static void spoil_symbol_info(struct image *image)
{
	some_symbol(image)->st_info = any();
}

/* "livepatch=Y", "name=..." and the like. */
static void spoil_modinfo(struct image *image)
{
	static const char mark[] = "livepatch=Y";
	char *at = memmem(image->data, image->size, mark, sizeof(mark));

	if (at)
		at[below(sizeof(mark) - 1)] = below(2) ? 'Z' : 1 + below(255);
}

static void (*const spoilers[])(struct image *image) = {
	spoil_section_name, spoil_section_name, spoil_section_size, spoil_section_offset,
	spoil_section_link, spoil_section_target, spoil_section_flags, spoil_section_type,
	spoil_section_entsize, spoil_other_section, spoil_rela_offset, spoil_rela_offset,
	spoil_rela_type, spoil_rela_symbol, spoil_rela_addend, spoil_symbol_name,
	spoil_symbol_name, spoil_symbol_name, spoil_symbol_section, spoil_symbol_value,
	spoil_symbol_info, spoil_modinfo,
};

/* ---- one case ---- */

static void note(const char *kind, const char *seed, unsigned long number)
{
	static int fd = -1;
	char line[128];
	int len;

	if (fd < 0)
		fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	len = snprintf(line, sizeof(line), "<7>klp_fuzz: %s seed %s case %lu", kind, seed, number);
	if (write(fd, line, len) != len)
		klp_die("/dev/kmsg");
}

/* Write to a file of a patch; 0 or the error. */
static int ask(const char *name, const char *file, const char *value)
{
	char path[256];
	int fd, err;

	snprintf(path, sizeof(path), LIVEPATCH "/%.64s/%s", name, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	err = write(fd, value, strlen(value)) < 0 ? errno : 0;
	close(fd);
	return err;
}

static bool disable(const char *name)
{
	char transition[256];
	int err;

	snprintf(transition, sizeof(transition), LIVEPATCH "/%.64s/transition", name);
	if (!klp_wait(transition, "0", KLP_SECONDS, NULL))
		return false;
	err = ask(name, "enabled", "0");
	if (err) {
		fprintf(stderr, "disabling %s: %s\n", name, strerror(err));
		return false;
	}
	return klp_wait(transition, "gone", KLP_SECONDS, NULL);
}

/* Whatever the case, its patch is gone when it is over. */
static bool absent(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), LIVEPATCH "/%.64s", name);
	if (access(path, F_OK))
		return true;
	fprintf(stderr, "%s is still there\n", path);
	return false;
}

/* The last reference is dropped just after a patch has gone. */
static bool wait_unused(const char *name)
{
	long long deadline = klp_now_ms() + KLP_SECONDS * 1000LL;
	char path[256], value[16] = "";
	int fd;

	snprintf(path, sizeof(path), "/sys/module/%.64s/refcnt", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		klp_die(path);
	while (klp_look(fd, path, value, sizeof(value)) && strcmp(value, "0") &&
	       klp_now_ms() < deadline)
		usleep(1000);
	close(fd);
	if (strcmp(value, "0"))
		fprintf(stderr, "%s is %s\n", path, value);
	return !strcmp(value, "0");
}

static bool unload(const char *name)
{
	int err = klp_unload(name);

	if (err)
		fprintf(stderr, "unloading %s: %s\n", name, strerror(err));
	return !err;
}

static int came[4096];

#define ELF_NAME	"klp_fuzz_elf"

static bool elf_case(const struct image *good)
{
	struct image image = *good;
	int i, nr = 1 + below(3), err;
	bool ok = true;

	image.data = malloc(image.size);
	if (!image.data)
		klp_die("malloc");
	memcpy(image.data, good->data, image.size);
	image.nr_relas = 0;
	image.nr_late = 0;
	look(&image);
	for (i = 0; i < nr; i++)
		spoilers[below(sizeof(spoilers) / sizeof(*spoilers))](&image);

	err = syscall(SYS_init_module, image.data, image.size, "") ? errno : 0;
	came[err]++;
	if (!err)
		ok = disable(ELF_NAME) && wait_unused(ELF_NAME) && unload(ELF_NAME);
	free(image.data);
	return ok && absent(ELF_NAME);
}

#define PATCH_NAME	"klp_test_fuzz"
#define PATCH_RUN	"/sys/module/" PATCH_NAME "/parameters/run"

/* Every tenth is enabled from the module's init, the others by its parameter. */
static bool patch_case(const char *file, unsigned long number, bool *loaded)
{
	char params[64];
	int err, fd;

	snprintf(params, sizeof(params), "%llu", (unsigned long long)state);
	if (number % 10 == 0) {
		if (*loaded && !unload(PATCH_NAME))
			return false;
		snprintf(params, sizeof(params), "case=%llu", (unsigned long long)state);
		err = klp_load(file, params);
		*loaded = !err;
	} else {
		if (!*loaded && klp_load(file, ""))
			return false;
		*loaded = true;
		fd = open(PATCH_RUN, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			klp_die(PATCH_RUN);
		err = write(fd, params, strlen(params)) < 0 ? errno : 0;
		close(fd);
	}
	came[err]++;
	if (!err && (!disable(PATCH_NAME) || !wait_unused(PATCH_NAME)))
		return false;
	return absent(PATCH_NAME);
}

static void report(unsigned long cases)
{
	int err;

	printf("# %lu cases:", cases);
	for (err = 0; err < 4096; err++) {
		if (came[err])
			printf(" %s %d", err ? strerrorname_np(err) ?: "?" : "accepted", came[err]);
	}
	printf("\n");
}

int main(int argc, char **argv)
{
	bool elf = argc == 6 && !strcmp(argv[1], "elf"), ok = true, loaded = false;
	unsigned long first, cases, i;
	struct image good = {};

	if (argc != 6 || (!elf && strcmp(argv[1], "patch"))) {
		fprintf(stderr, "usage: klp_fuzz elf|patch FILE SEED FIRST CASES\n");
		return 2;
	}
	if (elf) {
		good.data = slurp(argv[2], &good.size);
		look(&good);
	}
	first = strtoul(argv[4], NULL, 0);
	cases = strtoul(argv[5], NULL, 0);

	for (i = first; i < first + cases && ok; i++) {
		note(argv[1], argv[3], i);
		state = strtoull(argv[3], NULL, 0) * 0x100000001b3 + i;
		any();
		ok = elf ? elf_case(&good) : patch_case(argv[2], i, &loaded);
		if (!ok)
			printf("# %s seed %s case %lu\n", argv[1], argv[3], i);
	}
	if (loaded)
		ok &= unload(PATCH_NAME);
	report(i - first);
	return ok ? 0 : 1;
}
