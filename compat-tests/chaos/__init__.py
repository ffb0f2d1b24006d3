"""Clusters of real processes under faults drawn from a seed (docs/reliability.md).

nodes.py has the cluster: each node in a network namespace and on disks of its own. faults.py has what is done to it.
session.py draws the faults, keeps the loads going and checks what must hold. main.py is `make chaos`.
"""
