# SPDX-License-Identifier: Apache-2.0
"""What the Makefile's targets run: the demo and the local Airflow to click through. No part of the installed package."""
