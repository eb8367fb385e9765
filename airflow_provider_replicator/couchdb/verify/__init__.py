# SPDX-License-Identifier: Apache-2.0
"""Does the target database hold what the source holds? Read-only, in bounded memory."""
