// SPDX-License-Identifier: GPL-2.0
#define PATCH_VERSION 1
#include "patch.h"
