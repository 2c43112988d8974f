"""Putting the contracts on a chain: what is built (``contents``), where (``plan``), how (``building``)."""

from backend.chain.deployment.building import deploy
from backend.chain.deployment.contents import Terms
from backend.chain.deployment.journal import Deployment
from backend.chain.deployment.plan import DeploymentError, Plan

__all__ = ["Deployment", "DeploymentError", "Plan", "Terms", "deploy"]
