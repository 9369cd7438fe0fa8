"""The version and the branch of what is published, from git."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import Self

from galeproof.errors import UsageError

__all__ = ["Version"]

# a CI system checks out a commit without a branch, and says here which it was
_BRANCHES = ("GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME",
             "CI_COMMIT_REF_NAME", "BITBUCKET_BRANCH")


@dataclass(frozen=True, slots=True)
class Version:
    """A commit and its branch."""

    number: str
    branch: str

    @classmethod
    def of_here(cls) -> Self:
        """Return those of the working folder's repository.

        Raises:
            UsageError: No repository, changes that are in no commit, or no branch.
        """
        number = _git("rev-parse", "HEAD")
        if changed := _git("status", "--porcelain", "--untracked-files=no"):
            raise UsageError(f"git: changes that are in no commit ({changed.splitlines()[0].strip()}): "
                             "what is published would be no version")
        branch = _git("rev-parse", "--abbrev-ref", "HEAD")
        if branch == "HEAD":
            branch = next((value for name in _BRANCHES if (value := os.environ.get(name))), "")
        if not branch:
            raise UsageError("git: no branch is checked out, and the environment names none")
        return cls(number, branch)


def _git(*words: str) -> str:
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, timeout=30, check=False)
    except OSError as error:
        raise UsageError(f"git: {error}") from None
    if done.returncode:
        raise UsageError(f"git {words[0]}: {done.stderr.strip()}")
    return done.stdout.strip()
