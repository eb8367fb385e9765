# SPDX-License-Identifier: Apache-2.0
"""A stand-in for Apache CouchDB 3.5 that really stores documents."""
