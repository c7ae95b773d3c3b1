// SPDX-License-Identifier: GPL-2.0
/* klp_other: the same functions in another module, with files of its own. */

#include "target.c"

int klp_target_second_twin(void)
{
	return -2;
}
