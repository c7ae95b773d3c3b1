// SPDX-License-Identifier: GPL-2.0
/*
 * Load or unload a module and say by which error the kernel refused it.
 *
 *	klp_module load FILE [PARAMETER...]
 *	klp_module unload NAME
 *
 * Prints "ok", or the error's name; the exit status is 1 for an error.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char params[4096] = "";
	long ret;
	int fd;
	int i;

	if (argc >= 3 && !strcmp(argv[1], "load")) {
		for (i = 3; i < argc; i++) {
			strncat(params, argv[i], sizeof(params) - strlen(params) - 2);
			strcat(params, " ");
		}
		fd = open(argv[2], O_RDONLY | O_CLOEXEC);
		if (fd < 0) {
			perror(argv[2]);
			return 2;
		}
		ret = syscall(SYS_finit_module, fd, params, 0);
	} else if (argc == 3 && !strcmp(argv[1], "unload")) {
		ret = syscall(SYS_delete_module, argv[2], O_NONBLOCK);
	} else {
		fprintf(stderr, "usage: klp_module load FILE [PARAMETER...] | unload NAME\n");
		return 2;
	}

	puts(ret ? strerrorname_np(errno) : "ok");
	return ret ? 1 : 0;
}
