"""The short form of the machine that drives a folio at random."""

from __future__ import annotations

from hypothesis import settings

from tests.reliability.machine import CHECKS, FolioMachine

TestFolioMachine = FolioMachine.TestCase
TestFolioMachine.settings = settings(max_examples=20, stateful_step_count=16, suppress_health_check=CHECKS)
