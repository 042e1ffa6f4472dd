#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0

from sugar3.activity import bundlebuilder

bundlebuilder.start()
