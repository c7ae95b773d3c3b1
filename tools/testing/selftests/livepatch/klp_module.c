// SPDX-License-Identifier: GPL-2.0
/*
 * Load or unload a module and say by which error the kernel refused it.
 *
 *	klp_module load FILE [PARAMETER...]
 *	klp_module unload NAME
 *	klp_module force-unload NAME
 *
 * Prints "ok", or the error's name; the exit status is 1 for an error.
 */

#include "klp_user.h"

int main(int argc, char **argv)
{
	char params[4096] = "";
	int i, err;

	if (argc >= 3 && !strcmp(argv[1], "load")) {
		for (i = 3; i < argc; i++) {
			strncat(params, argv[i], sizeof(params) - strlen(params) - 2);
			strcat(params, " ");
		}
		err = klp_load(argv[2], params);
	} else if (argc == 3 && !strcmp(argv[1], "unload")) {
		err = klp_unload(argv[2]);
	} else if (argc == 3 && !strcmp(argv[1], "force-unload")) {
		err = klp_delete_module(argv[2], O_TRUNC);
	} else {
		fputs("usage: klp_module load FILE [PARAMETER...] | [force-]unload NAME\n", stderr);
		return 2;
	}

	puts(err ? strerrorname_np(err) : "ok");
	return err ? 1 : 0;
}
