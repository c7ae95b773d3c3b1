#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Jumps with somebody attached to the function and detached at each step of a
# patch's life.

exec "$(dirname "$0")/test-jump.sh" steps
