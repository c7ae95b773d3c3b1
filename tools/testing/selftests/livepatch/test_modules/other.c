// SPDX-License-Identifier: GPL-2.0
/* klp_other: the same functions in another module, with files of its own. */

#include "target.c"

int klp_target_second_twin(void)
{
	return -2;
}

int __init klp_target_init_value(void)
{
	return 0;
}

void klp_target_direct_init(unsigned long addr, struct dentry *dir)
{
}

void klp_target_direct_exit(void)
{
}
