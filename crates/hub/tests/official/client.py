"""Does one thing with the Hub's own client and prints what came of it as one line of JSON."""

import json
import os
import sys
import time
from pathlib import Path

from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download
from huggingface_hub.utils._fixes import WeakFileLock


def snapshot(repo, revision):
    return {"path": snapshot_download(repo, revision=revision)}


def file(repo, revision, name):
    return {"path": hf_hub_download(repo, name, revision=revision)}


def scan():
    info = scan_cache_dir()
    repos = {repo.repo_id: sorted(len(r.files) for r in repo.revisions) for repo in info.repos}
    return {"repos": repos, "warnings": [str(warning) for warning in info.warnings]}


def hold(lock, ready, go, content, blob):
    """Holds a content's lock, and brings the content before it lets go."""
    Path(lock).parent.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(lock):
        Path(ready).touch()
        while not os.path.exists(go):
            time.sleep(0.02)
        Path(content).rename(blob)
    return {}


def wait(lock):
    """Tries to take a lock that somebody holds."""
    from filelock import Timeout

    try:
        with WeakFileLock(lock, timeout=0.2):
            return {"held": True}
    except Timeout:
        return {"held": False}


if __name__ == "__main__":
    try:
        result = globals()[sys.argv[1]](*sys.argv[2:])
    except Exception as error:
        result = {"error": type(error).__name__}
    print(json.dumps(result))
