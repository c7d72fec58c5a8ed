# SPDX-License-Identifier: Apache-2.0
"""What a process counts and measures of itself, without I/O; ``watcher.exporter`` shows it."""
