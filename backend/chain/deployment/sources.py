"""What explorers want in order to show a contract's source: files beside the journal."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backend.chain.deployment.plan import Creation, Plan
from backend.chain.files import write_whole


def write_sources(folder: Path, plan: Plan, standard_input: Mapping[str, Any]) -> None:
    """Write a folder a contract, as docs/operations.md describes them.

    Args:
        folder: Where the folders go.
        plan: The contracts.
        standard_input: What the compiler was given for all of them.
    """
    for creation in plan.creations:
        own = folder / creation.name
        verification = {
            "contract": f"{creation.artifact.source}:{creation.name}",
            "address": creation.address,
            "chain_id": plan.network.chain_id,
            "compiler": "v" + json.loads(creation.artifact.metadata)["compiler"]["version"],
        }
        write_whole(own / "contract.json", _text(verification))
        write_whole(own / "standard-input.json", _text(input_of(creation, standard_input)))
        write_whole(own / "metadata.json", creation.artifact.metadata + "\n")
        write_whole(own / "constructor-arguments.txt", creation.encoded_arguments.hex() + "\n")


def input_of(creation: Creation, standard_input: Mapping[str, Any]) -> dict[str, Any]:
    """The compiler's input for one contract: the sources that it is made of, and the same settings."""
    used = json.loads(creation.artifact.metadata)["sources"]
    sources = {name: standard_input["sources"][name] for name in sorted(used)}
    wanted = {creation.artifact.source: {creation.name: ["*"]}}
    settings = {**standard_input["settings"], "outputSelection": wanted}
    return {**standard_input, "sources": sources, "settings": settings}


def _text(content: object) -> str:
    return json.dumps(content, indent=2) + "\n"
