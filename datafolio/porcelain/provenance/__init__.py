"""Where a snapshot came from: the code, the environment, and the program that ran.

Each of these looks at the running process and the disk, stores nothing, never raises for what it
finds there, and never reads a secret on purpose: no environment variable, no user or host name, and
no address that still has its credentials.
"""

from datafolio.porcelain.provenance.environment import capture_environment
from datafolio.porcelain.provenance.execution import capture_execution
from datafolio.porcelain.provenance.git import capture_git

__all__ = ["capture_environment", "capture_execution", "capture_git"]
