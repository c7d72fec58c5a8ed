# SPDX-License-Identifier: Apache-2.0
"""One file per resource: its view, what its requests may hold, and what they do."""
