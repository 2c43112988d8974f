"""Solidity to ABI and bytecode, through py-solc-x and whatever ``SOLC`` points at."""

import hashlib
import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import solcx

from backend.chain.files import write_whole

_IMPORT = re.compile(r'^\s*import\s[^"\']*["\']([^"\']+)["\']', re.MULTILINE)
_OUTPUT = ("abi", "metadata", "evm.bytecode.object", "evm.deployedBytecode")
SOURCES = {
    "MockStablecoin": "src/MockStablecoin.sol",
    "TimelockController": "@openzeppelin/contracts/governance/TimelockController.sol",
    "ParticipantRegistry": "src/ParticipantRegistry.sol",
    "MeterOracle": "src/MeterOracle.sol",
    "EnergyExchange": "src/EnergyExchange.sol",
    "DemandResponse": "src/DemandResponse.sol",
    "EnergyCertificate": "src/EnergyCertificate.sol",
}
"""The contracts that the platform uses, and the file of each."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """One compiled contract; code is 0x-prefixed hex.

    Attributes:
        source: The file's name, as the compiler knows it.
        bytecode: Creation code.
        runtime: What lies on the chain, with zeros for immutables.
        immutables: (start, length) in bytes of each place of an immutable in ``runtime``.
        metadata: The compiler's JSON: its version, its settings, the sources used.
    """

    abi: list[dict[str, Any]]
    bytecode: str
    source: str
    runtime: str
    immutables: list[list[int]]
    metadata: str


def compile_contracts(
    project: Path, *, cache: Path, solc: Path, contracts: Mapping[str, str] = SOURCES
) -> dict[str, Artifact]:
    """Contracts by name, compiled once for each state of their sources and settings.

    Each is compiled from the files that it is made of and no others. The compiler numbers what it reads, and
    its optimiser may order code by these numbers: beside other files, the same contract can get other
    bytecode than explorers make of its own sources.

    Args:
        project: The Foundry project's folder; ``foundry.toml`` holds the compiler's settings.
        cache: Folder for compiled output; made when it is missing.
        solc: The compiler, which answers ``--version`` and ``--standard-json``.
        contracts: The file of each.
    """
    found: dict[str, Artifact] = {}
    for name, file in contracts.items():
        own = {name: file}
        found |= compile_input(standard_input(project, own), own, cache=cache, solc=solc)
    return found


def compile_input(
    standard: Mapping[str, Any], contracts: Mapping[str, str], *, cache: Path, solc: Path
) -> dict[str, Artifact]:
    """Contracts by name, compiled together from given standard JSON, once for each state of it."""
    request = json.dumps([standard, contracts], sort_keys=True)
    stored = cache / f"{hashlib.sha256(request.encode()).hexdigest()[:24]}.json"
    if not stored.exists():
        compiled = solcx.compile_standard(dict(standard), solc_binary=solc)["contracts"]
        answer = {name: asdict(_artifact(file, compiled[file][name])) for name, file in contracts.items()}
        write_whole(stored, json.dumps(answer))
    return {name: Artifact(**fields) for name, fields in json.loads(stored.read_text()).items()}


def standard_input(project: Path, contracts: Mapping[str, str] = SOURCES) -> dict[str, Any]:
    """What the compiler is asked: every source with its content, and the settings of ``foundry.toml``."""
    profile = tomllib.loads((project / "foundry.toml").read_text())["profile"]["default"]
    return {
        "language": "Solidity",
        "sources": _sources(project, contracts),
        "settings": {
            "evmVersion": profile["evm_version"],
            "optimizer": {"enabled": profile["optimizer"], "runs": profile["optimizer_runs"]},
            "viaIR": profile["via_ir"],
            "metadata": {
                "bytecodeHash": profile["bytecode_hash"],
                "appendCBOR": profile["cbor_metadata"],
            },
            "outputSelection": {"*": {"*": list(_OUTPUT)}},
        },
    }


def _sources(project: Path, contracts: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Every file that the contracts reach by import, under the name that Solidity resolves it to."""
    sources: dict[str, dict[str, str]] = {}
    waiting = list(contracts.values())
    while waiting:
        name = waiting.pop()
        if name in sources:
            continue
        folder = project / "node_modules" if name.startswith("@") else project
        text = (folder / name).read_text()
        sources[name] = {"content": text}
        for target in _IMPORT.findall(text):
            relative = target.startswith(".")
            waiting.append(os.path.normpath(Path(name).parent / target) if relative else target)
    return sources


def _artifact(source: str, compiled: Mapping[str, Any]) -> Artifact:
    runtime = compiled["evm"]["deployedBytecode"]
    places = [place for found in runtime["immutableReferences"].values() for place in found]
    return Artifact(
        abi=compiled["abi"],
        bytecode="0x" + compiled["evm"]["bytecode"]["object"],
        source=source,
        runtime="0x" + runtime["object"],
        immutables=sorted([place["start"], place["length"]] for place in places),
        metadata=compiled["metadata"],
    )
