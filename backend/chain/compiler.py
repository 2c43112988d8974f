"""Solidity to ABI and bytecode, through py-solc-x and whatever ``SOLC`` points at."""

import hashlib
import json
import os
import re
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import solcx

_IMPORT = re.compile(r'^\s*import\s[^"\']*["\']([^"\']+)["\']', re.MULTILINE)
_CONTRACTS = ("MockStablecoin", "ParticipantRegistry", "MeterOracle", "EnergyExchange")


@dataclass(frozen=True, slots=True)
class Artifact:
    """One compiled contract; ``bytecode`` is its creation code, 0x-prefixed hex."""

    abi: list[dict[str, Any]]
    bytecode: str


def compile_contracts(project: Path, *, cache: Path, solc: Path) -> dict[str, Artifact]:
    """The platform's contracts by name, compiled once for each state of their sources and settings.

    Args:
        project: The Foundry project's folder; ``foundry.toml`` holds the compiler's settings.
        cache: Folder for compiled output; made when it is missing.
        solc: The compiler, which answers ``--version`` and ``--standard-json``.
    """
    request = json.dumps(_standard_input(project), sort_keys=True)
    stored = cache / f"{hashlib.sha256(request.encode()).hexdigest()[:24]}.json"
    if not stored.exists():
        compiled = solcx.compile_standard(json.loads(request), solc_binary=solc)["contracts"]
        answer = {name: _artifact(compiled[f"src/{name}.sol"][name]) for name in _CONTRACTS}
        _write(stored, json.dumps(answer))
    return {name: Artifact(**fields) for name, fields in json.loads(stored.read_text()).items()}


def _standard_input(project: Path) -> dict[str, Any]:
    profile = tomllib.loads((project / "foundry.toml").read_text())["profile"]["default"]
    return {
        "language": "Solidity",
        "sources": _sources(project),
        "settings": {
            "evmVersion": profile["evm_version"],
            "optimizer": {"enabled": profile["optimizer"], "runs": profile["optimizer_runs"]},
            "viaIR": profile["via_ir"],
            "metadata": {"bytecodeHash": profile["bytecode_hash"]},
            "outputSelection": {"*": {"*": ["abi", "evm.bytecode.object"]}},
        },
    }


def _sources(project: Path) -> dict[str, dict[str, str]]:
    """Every file that the contracts reach by import, under the name that Solidity resolves it to."""
    sources: dict[str, dict[str, str]] = {}
    waiting = [f"src/{name}.sol" for name in _CONTRACTS]
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


def _artifact(compiled: Mapping[str, Any]) -> dict[str, Any]:
    return {"abi": compiled["abi"], "bytecode": "0x" + compiled["evm"]["bytecode"]["object"]}


def _write(path: Path, text: str) -> None:
    """All of the file or none of it, whoever else writes it at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as draft:
        draft.write(text)
    Path(draft.name).replace(path)
