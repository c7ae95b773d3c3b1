/* SPDX-License-Identifier: GPL-2.0 */
/* What the programs of the livepatch tests share. */
#ifndef _KLP_USER_H
#define _KLP_USER_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define KLP_SECONDS	60	/* longest wait */

#define ARRAY_SIZE(a)	((int)(sizeof(a) / sizeof((a)[0])))

static inline long long klp_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static inline void klp_die(const char *what)
{
	perror(what);
	exit(2);
}

/* 0 or the error of writing to a file. */
static inline int klp_write(const char *file, const char *value, int flags)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC | flags);
	int err;

	if (fd < 0)
		return errno;
	err = write(fd, value, strlen(value)) < 0 ? errno : 0;
	close(fd);
	return err;
}

/* 0 or the error of loading a module. */
static inline int klp_load(const char *file, const char *params)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	int err;

	if (fd < 0)
		klp_die(file);
	err = syscall(SYS_finit_module, fd, params, 0) ? errno : 0;
	close(fd);
	return err;
}

/* 0 or the error of unloading a module; with O_TRUNC though it is in use. */
static inline int klp_delete_module(const char *name, int flags)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK | flags) ? errno : 0;
}

static inline int klp_unload(const char *name)
{
	return klp_delete_module(name, 0);
}

/* Read a file into a string without its newline; false if it is gone. */
static inline bool klp_look(int fd, const char *file, char *value, size_t size)
{
	ssize_t len = pread(fd, value, size - 1, 0);

	if (len < 0) {
		if (errno != ENODEV && errno != ENOENT)
			klp_die(file);
		return false;
	}
	value[len] = '\0';
	value[strcspn(value, "\n")] = '\0';
	return true;
}

/*
 * Wait with poll(2) until a sysfs file has a value; "gone" if it vanishes.
 *
 * The file must wake its pollers when it changes: a value that is there
 * although nobody was woken is an error, too. A removal wakes nobody, so that is
 * looked for now and then.
 *
 * Returns whether it has come to that value. @waiting, if any, is called once,
 * when the file has been read and poll(2) is next.
 */
static inline bool klp_wait(const char *file, const char *want, int seconds,
			    void (*waiting)(void))
{
	long long deadline = klp_now_ms() + seconds * 1000LL;
	bool want_gone = !strcmp(want, "gone");
	struct pollfd pfd = { .events = POLLPRI };
	bool there = true, done = false;
	char value[64] = "gone";
	long long left;
	int ret;

	pfd.fd = open(file, O_RDONLY | O_CLOEXEC);
	if (pfd.fd < 0)
		return want_gone && (errno == ENOENT || errno == ENODEV);

	for (;;) {
		there = klp_look(pfd.fd, file, value, sizeof(value));
		done = there ? !strcmp(value, want) : want_gone;
		left = deadline - klp_now_ms();
		if (done || !there || left <= 0)
			break;
		if (waiting)
			waiting();
		waiting = NULL;

		ret = poll(&pfd, 1, want_gone && left > 20 ? 20 : left);
		if (ret < 0 && errno != EINTR)
			klp_die("poll");
		if (!ret && !want_gone)
			break;
	}
	if (!done && there) {
		klp_look(pfd.fd, file, value, sizeof(value));
		fprintf(stderr, "%s is %s after %d s%s, expected %s\n", file, value, seconds,
			strcmp(value, want) ? "" : " and nobody was woken", want);
	}
	close(pfd.fd);
	return done;
}

#endif
