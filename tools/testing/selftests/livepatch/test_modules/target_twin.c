// SPDX-License-Identifier: GPL-2.0
/* The other function of the same name: see target.c. */

#include <linux/compiler.h>

#include "target.h"

static noinline __noclone int klp_target_twin(void)
{
	int ret = -2;

	OPTIMIZER_HIDE_VAR(ret);
	return ret;
}

int klp_target_second_twin(void)
{
	return klp_target_twin();
}
