// SPDX-License-Identifier: GPL-2.0
/* A good patch in a module that does not say that it carries one. */
#define PATCH_VERSION 9
#define PATCH_UNMARKED
#include "patch.h"
