"""A small network that learns what a smooth background cannot be: sectors, holes, gradients.

Public names: `architecture.SkyNetworkSettings`, `runtime.SkyNetwork`, `search.NetworkSearch`,
`centres.CentreSearch`.
"""
