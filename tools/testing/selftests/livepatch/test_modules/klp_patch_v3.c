// SPDX-License-Identifier: GPL-2.0
#define PATCH_VERSION 3
#include "patch.h"
