/* SPDX-License-Identifier: GPL-2.0 */
/* What the programs of the torture test share. */
#ifndef _KLP_TORTURE_H
#define _KLP_TORTURE_H

#include <dirent.h>
#include <stdint.h>

#include "klp_user.h"

#define LIVEPATCH	"/sys/kernel/livepatch"
#define UNIT		"/sys/kernel/debug/klptorture/unit"
#define BLOCKERS	"/sys/kernel/debug/livepatch/blockers"
#define PATCH_PREFIX	"klp_torture_"

/* Kinds of user tasks: see enum klpt_context in klptorture. */
enum kind { KIND_USER, KIND_SPIN, KIND_CHILD, KIND_THREAD, KIND_EXEC };

/* splitmix64: the same numbers from the same seed, everywhere. */
static inline uint32_t draw(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return (z ^ (z >> 31)) >> 32;
}

/* 0, or the error of writing to a file. */
static inline int put(const char *file, const char *value)
{
	return klp_write(file, value, 0);
}

/* The same for a file whose lines are lost by that. */
static inline int put_anew(const char *file, const char *value)
{
	return klp_write(file, value, O_TRUNC);
}

/* Length of what was read, or -1. */
static inline ssize_t get(const char *file, char *value, size_t size)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	*value = '\0';
	if (fd < 0)
		return -1;
	len = read(fd, value, size - 1);
	close(fd);
	if (len < 0)
		return -1;
	value[len] = '\0';
	return len;
}

/* A file of a patch. */
static inline char *patch_file(char *path, size_t size, int version, const char *name)
{
	snprintf(path, size, LIVEPATCH "/" PATCH_PREFIX "%05d/%s", version, name);
	return path;
}

/* First character of a patch's file; 0 if there is none. */
static inline char patch_get(int version, const char *name)
{
	char path[128], value[16];

	if (get(patch_file(path, sizeof(path), version, name), value, sizeof(value)) <= 0)
		return 0;
	return *value;
}

static inline int patch_put(int version, const char *name, const char *value)
{
	char path[128];

	return put(patch_file(path, sizeof(path), version, name), value);
}

/* Versions of the patches that sysfs shows, in any order. */
static inline int list_patches(int *versions, int max)
{
	DIR *dir = opendir(LIVEPATCH);
	struct dirent *entry;
	int nr = 0;

	if (!dir)
		klp_die(LIVEPATCH);
	while (nr < max && (entry = readdir(dir))) {
		if (!strncmp(entry->d_name, PATCH_PREFIX, strlen(PATCH_PREFIX)))
			versions[nr++] = atoi(entry->d_name + strlen(PATCH_PREFIX));
	}
	closedir(dir);
	return nr;
}

#endif
