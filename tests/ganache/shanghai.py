"""The platform's contracts for chains without Cancun, such as Ganache's.

The one thing of Cancun in them is ``mcopy``, in two of OpenZeppelin's files. For this build the
opcode becomes a loop that copies byte by byte.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import solcx

from backend.chain import compiler

EVM_VERSION = "shanghai"
_ASSEMBLY = 'assembly ("memory-safe") {'
_COPY = (
    " function copy_(to_, from_, size_) { for { let i_ := 0 } lt(i_, size_) { i_ := add(i_, 1) }"
    " { mstore8(add(to_, i_), byte(0, mload(add(from_, i_)))) } }"
)


def artifacts(project: Path, *, cache: Path, solc: Path) -> dict[str, compiler.Artifact]:
    """The contracts by name, compiled once for each state of their sources and settings."""
    request = compiler._standard_input(project)
    request["settings"]["evmVersion"] = EVM_VERSION
    for source in request["sources"].values():
        source["content"] = without_mcopy(source["content"])
    stored = cache / f"{hashlib.sha256(json.dumps(request).encode()).hexdigest()[:24]}.{EVM_VERSION}.json"
    if not stored.exists():
        compiled = solcx.compile_standard(request, solc_binary=solc)["contracts"]
        found: dict[str, Any] = {
            name: compiler._artifact(compiled[f"src/{name}.sol"][name]) for name in compiler._CONTRACTS
        }
        compiler._write(stored, json.dumps(found))
    return {name: compiler.Artifact(**fields) for name, fields in json.loads(stored.read_text()).items()}


def without_mcopy(source: str) -> str:
    """The source with ``mcopy`` replaced; it moves memory only towards lower addresses or elsewhere."""
    if "mcopy(" not in source:
        return source
    return source.replace("mcopy(", "copy_(").replace(_ASSEMBLY, _ASSEMBLY + _COPY)
