// SPDX-License-Identifier: GPL-2.0
/* 1,000 functions. */
#include "functions.h"
#define FUNCTIONS(F)	FUNCTIONS_1000(F)
#define REPLACE		false
#include "bench_patch.h"
