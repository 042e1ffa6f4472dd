#!/usr/bin/env python
# SPDX-License-Identifier: Apache-2.0

from sugar.activity import bundlebuilder

bundlebuilder.start()
