# SPDX-License-Identifier: Apache-2.0
"""A real S3 server on loopback: SeaweedFS, with its credentials checked."""
