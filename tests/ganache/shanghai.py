"""The platform's contracts for chains without Cancun, such as Ganache's.

The one thing of Cancun in them is ``mcopy``, in three of OpenZeppelin's files. For this build the
opcode becomes a loop that copies byte by byte.
"""

from pathlib import Path

from backend.chain import compiler

EVM_VERSION = "shanghai"
_ASSEMBLY = 'assembly ("memory-safe") {'
_COPY = (
    " function copy_(to_, from_, size_) { for { let i_ := 0 } lt(i_, size_) { i_ := add(i_, 1) }"
    " { mstore8(add(to_, i_), byte(0, mload(add(from_, i_)))) } }"
)


def artifacts(project: Path, *, cache: Path, solc: Path) -> dict[str, compiler.Artifact]:
    """The contracts by name, compiled once for each state of their sources and settings."""
    standard = compiler.standard_input(project)
    standard["settings"]["evmVersion"] = EVM_VERSION
    for source in standard["sources"].values():
        source["content"] = without_mcopy(source["content"])
    return compiler.compile_input(standard, compiler.SOURCES, cache=cache, solc=solc)


def without_mcopy(source: str) -> str:
    """The source with ``mcopy`` replaced; it moves memory only towards lower addresses or elsewhere."""
    if "mcopy(" not in source:
        return source
    return source.replace("mcopy(", "copy_(").replace(_ASSEMBLY, _ASSEMBLY + _COPY)
