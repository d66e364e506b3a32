"""Probes a real deployment for what no stand-in can show: ``make preflight URL=… TOKEN=…``.

Each check says pass, fail, or that it could not tell, and why. They use the deployment as its users do, over its public address, and
remove what they have stored.
"""
