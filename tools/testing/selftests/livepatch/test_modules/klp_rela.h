/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What klp_rela finds by late relocations. Weak, so that kbuild lets it pass;
 * test-relocs.sh says where it is.
 */

extern char *late_command_line;
extern u32 late_secret;

int late_twin1(void);
int late_twin2(void);
int late_shared(void);

#pragma weak late_command_line
#pragma weak late_secret
#pragma weak late_twin1
#pragma weak late_twin2
#pragma weak late_shared
