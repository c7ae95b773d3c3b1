// SPDX-License-Identifier: GPL-2.0
/*
 * Enable, reverse, disable and unload a patch, again and again.
 *
 *	klp_rounds FILE NAME ROUNDS
 *
 * Each round differs from the one before in when it turns back. Prints how many
 * reversals met a transition; the exit status is 1 if a round does not end as
 * it must.
 */

#include "klp_user.h"

static char enabled[256], transition[256];

/* 0, or the error of writing to the patch's "enabled". */
static int ask(const char *value)
{
	int fd = open(enabled, O_WRONLY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return errno;
	err = write(fd, value, 1) < 0 ? errno : 0;
	close(fd);
	return err;
}

/* To and fro; returns how often there was something to turn round. */
static int turn(int times)
{
	int i, turned = 0;

	for (i = 0; i < times; i++)
		turned += !ask(i % 2 ? "1" : "0");
	return turned;
}

/* Wait until the patch is enabled, or gone. */
static bool settle(void)
{
	return klp_wait(transition, "0", KLP_SECONDS, NULL) ||
	       klp_wait(transition, "gone", KLP_SECONDS, NULL);
}

static bool do_round(const char *file, const char *name, int round, int *turned)
{
	long long deadline;
	int err;

	err = klp_load(file, "");
	if (err) {
		fprintf(stderr, "round %d: loading %s: %s\n", round, file, strerror(err));
		return false;
	}
	*turned += turn(round % 4);
	if (!settle())
		return false;
	*turned += turn(round / 4 % 4);
	if (!settle())
		return false;

	/* It may be gone, leaving, or enabled. */
	err = ask("0");
	if (err && err != EINVAL && err != ENOENT && err != ENODEV) {
		fprintf(stderr, "round %d: disabling %s: %s\n", round, name, strerror(err));
		return false;
	}
	if (!klp_wait(transition, "gone", KLP_SECONDS, NULL))
		return false;

	/* The last reference is dropped just after that. */
	deadline = klp_now_ms() + KLP_SECONDS * 1000LL;
	while ((err = klp_unload(name)) == EAGAIN && klp_now_ms() < deadline)
		usleep(1000);
	if (err)
		fprintf(stderr, "round %d: unloading %s: %s\n", round, name, strerror(err));
	return !err;
}

int main(int argc, char **argv)
{
	int i, rounds, turned = 0;

	if (argc != 4) {
		fprintf(stderr, "usage: klp_rounds FILE NAME ROUNDS\n");
		return 2;
	}
	snprintf(enabled, sizeof(enabled), "/sys/kernel/livepatch/%s/enabled", argv[2]);
	snprintf(transition, sizeof(transition), "/sys/kernel/livepatch/%s/transition", argv[2]);
	rounds = atoi(argv[3]);

	for (i = 0; i < rounds; i++) {
		if (!do_round(argv[1], argv[2], i, &turned))
			return 1;
	}
	printf("%d rounds, turned %d times\n", rounds, turned);
	return 0;
}
