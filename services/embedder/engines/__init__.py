"""Engines that run a network: torch eagerly, torch compiled, or OpenVINO; and the choice among
them.
"""
