// SPDX-License-Identifier: GPL-2.0
/*
 * Wait with poll(2) until a sysfs file has a value, or is "gone".
 *
 *	klp_wait [-n] FILE VALUE
 *
 * With -n, one line says when the file was read and poll(2) is next. The exit
 * status is 1 if the value does not come.
 */

#include "klp_user.h"

static void waiting(void)
{
	puts("waiting");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	bool tell = argc == 4 && !strcmp(argv[1], "-n");

	if (argc != 3 && !tell) {
		fprintf(stderr, "usage: klp_wait [-n] FILE VALUE\n");
		return 2;
	}
	argv += tell;
	return klp_wait(argv[1], argv[2], KLP_SECONDS, tell ? waiting : NULL) ? 0 : 1;
}
