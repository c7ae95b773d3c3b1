// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The attacker of livepatch-bounds-target.c: asks for the note behind the last one
 * over and over, through one open file, and prints a line when the answer differs
 * from the one before. It runs on while the fix comes and goes.
 *
 *	./livepatch-bounds-user &
 *	insmod livepatch-bounds.ko
 *
 * Another number than 8 may be given as argument. Ends when it is killed, or with
 * an error when the file cannot be used.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TARGET "/proc/livepatch_bounds_target"

static void die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", TARGET, what, strerror(errno));
	exit(1);
}

/* One attempt; the answer is one line without its end. */
static void ask(int fd, const char *number, char *answer, size_t size)
{
	ssize_t len;

	if (write(fd, number, strlen(number)) < 0) {
		if (errno != EINVAL)
			die("write");
		snprintf(answer, size, "refused: %s", strerror(errno));
		return;
	}
	len = pread(fd, answer, size - 1, 0);
	if (len < 0)
		die("read");
	answer[len] = '\0';
	answer[strcspn(answer, "\n")] = '\0';
}

int main(int argc, char **argv)
{
	const char *number = argc > 1 ? argv[1] : "8";
	const struct timespec pause = { .tv_nsec = 1000000 };
	char before[64] = "", answer[64];
	unsigned long calls = 0;
	int fd;

	setvbuf(stdout, NULL, _IOLBF, 0);

	fd = open(TARGET, O_RDWR);
	if (fd < 0)
		die("open (is livepatch-bounds-target.ko loaded?)");

	for (;;) {
		ask(fd, number, answer, sizeof(answer));
		calls++;
		if (strcmp(answer, before)) {
			printf("call %lu: note %s: %s\n", calls, number, answer);
			memcpy(before, answer, sizeof(before));
		}
		/* Leave some of the machine to others. */
		nanosleep(&pause, NULL);
	}
}
