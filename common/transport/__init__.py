"""Entropic optimal transport: Sinkhorn's iterations in two domains, and its dual value."""

from common.transport.sinkhorn import DOMAINS, dual_value, half_steps, sinkhorn, transport_plan

__all__ = ["DOMAINS", "dual_value", "half_steps", "sinkhorn", "transport_plan"]
