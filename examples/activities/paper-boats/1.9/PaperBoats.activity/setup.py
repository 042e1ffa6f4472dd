#!/usr/bin/env python3
# SPDX-License-Identifier: MIT

from sugar3.activity import bundlebuilder

bundlebuilder.start()
