"""The official clients against a Hub: what they understand is printed as one JSON object.

`HF_ENDPOINT` says where; arguments are a token, a public Space, a private one, and one that sleeps.
"""

import json
import sys

from gradio_client import Client
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

token, public, private, sleeping = sys.argv[1:5]
known, stranger, wrong = HfApi(token=token), HfApi(token=False), HfApi(token="hf_wrong")


def refusal(question):
    try:
        question()
    except RepositoryNotFoundError:
        return "RepositoryNotFoundError"
    except HfHubHTTPError as error:
        return f"HfHubHTTPError {error.response.status_code}"
    return None


info = stranger.space_info(public)
runtime = stranger.get_space_runtime(public)
quota = known.get_zero_gpu_quota()
client = Client(public, token=token, verbose=False)
print(json.dumps({
    "id": info.id, "host": info.host, "private": info.private, "sdk": info.sdk,
    "stage": runtime.stage, "hardware": runtime.hardware, "requested": runtime.requested_hardware,
    "stage_in_info": info.runtime.stage,
    "private_host": known.space_info(private).host,
    "private_is_private": known.space_info(private).private,
    "sleeping": stranger.get_space_runtime(sleeping).stage,
    "whoami": known.whoami()["name"],
    "quota": [quota.base, quota.remaining, quota.resets_at.isoformat(), quota.overquota_used],
    "refusals": {
        "private to a stranger": refusal(lambda: stranger.space_info(private)),
        "unknown to a stranger": refusal(lambda: stranger.space_info("acme/nothing")),
        "unknown": refusal(lambda: known.space_info("acme/nothing")),
        "wrong token": refusal(lambda: wrong.space_info(public)),
        "quota of a stranger": refusal(lambda: stranger.get_zero_gpu_quota()),
        "runtime of a private": refusal(lambda: stranger.get_space_runtime(private)),
    },
    "sum": client.predict(4, 5, api_name="/add"),
}))
