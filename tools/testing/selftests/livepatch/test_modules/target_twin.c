// SPDX-License-Identifier: GPL-2.0
/* The other functions of the same names: see target.c. */

#include <linux/compiler.h>
#include <linux/export.h>
#include <linux/init.h>

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

int klp_target_shared(void);
noinline int klp_target_shared(void)
{
	int ret = 3;

	OPTIMIZER_HIDE_VAR(ret);
	return ret;
}
EXPORT_SYMBOL_GPL(klp_target_shared);

/* It does not count: it is gone when the module has come. */
static noinline __noclone int __init klp_target_value(void)
{
	int ret = 0;

	OPTIMIZER_HIDE_VAR(ret);
	return ret;
}

int __init klp_target_init_value(void)
{
	return klp_target_value();
}
