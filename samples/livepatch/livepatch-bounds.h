/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What livepatch-bounds-target.c and its fix have in common. A real fix is built
 * from the same source as the code that it repairs.
 */
#ifndef _LIVEPATCH_BOUNDS_H
#define _LIVEPATCH_BOUNDS_H

#define BOUNDS_NOTES	8
#define BOUNDS_LEN	32

struct bounds_store {
	char notes[BOUNDS_NOTES][BOUNDS_LEN];
	/* Not for everyone. */
	char secret[BOUNDS_LEN];
};

#endif
