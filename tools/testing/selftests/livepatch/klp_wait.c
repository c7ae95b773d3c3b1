// SPDX-License-Identifier: GPL-2.0
/*
 * Wait with poll(2) until a sysfs file has a value.
 *
 *	klp_wait [-n] [-s SECONDS] FILE VALUE
 *
 * FILE must wake its pollers when it changes: a value that is there although
 * nobody was woken is a failure, too. That the file vanishes counts as VALUE
 * "gone"; a removal wakes nobody, so only there the file is looked at now and
 * then. With -n, one line is printed when the file has been read for the first
 * time and poll(2) is next.
 *
 * Exit status: 0; 1 if it took longer than SECONDS (60); 2 for a misuse.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* Read the file into a string without its newline; false if it is gone. */
static bool look(int fd, const char *file, char *value, size_t size)
{
	ssize_t len = pread(fd, value, size - 1, 0);

	if (len < 0) {
		if (errno == ENODEV || errno == ENOENT)
			return false;
		perror(file);
		exit(2);
	}
	value[len] = '\0';
	value[strcspn(value, "\n")] = '\0';
	return true;
}

int main(int argc, char **argv)
{
	long long deadline, left;
	const char *file, *want;
	struct pollfd pfd = { .events = POLLPRI };
	bool want_gone, notify = false;
	char value[64];
	int seconds = 60;
	int opt, ret;

	while ((opt = getopt(argc, argv, "ns:")) != -1) {
		if (opt == 'n')
			notify = true;
		else if (opt == 's')
			seconds = atoi(optarg);
		else
			return 2;
	}
	if (argc - optind != 2)
		return 2;
	file = argv[optind];
	want = argv[optind + 1];
	want_gone = !strcmp(want, "gone");
	deadline = now_ms() + seconds * 1000LL;

	pfd.fd = open(file, O_RDONLY | O_CLOEXEC);
	if (pfd.fd < 0) {
		if (want_gone && errno == ENOENT)
			return 0;
		perror(file);
		return 1;
	}

	for (;;) {
		if (!look(pfd.fd, file, value, sizeof(value))) {
			if (want_gone)
				return 0;
			fprintf(stderr, "%s vanished, expected %s\n", file, want);
			return 1;
		}
		if (!strcmp(value, want))
			return 0;
		if (notify) {
			puts("waiting");
			fflush(stdout);
			notify = false;
		}

		left = deadline - now_ms();
		if (left <= 0)
			break;
		ret = poll(&pfd, 1, want_gone && left > 20 ? 20 : left);
		if (ret < 0) {
			perror("poll");
			return 2;
		}
		if (!ret && !want_gone)
			break;
	}

	look(pfd.fd, file, value, sizeof(value));
	fprintf(stderr, "%s is %s after %d s%s, expected %s\n", file, value, seconds,
		strcmp(value, want) ? "" : " and nobody was woken", want);
	return 1;
}
