# SPDX-License-Identifier: Apache-2.0
"""A plan as a picture: HTML and SVG, no server needed."""
