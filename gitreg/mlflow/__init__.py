"""The MLflow plugin: MLflow's own code, unchanged, on a registry of gitreg.

Nothing outside this package imports MLflow, and no other package but `gitreg.cli` imports this one.

=====================  ============================================================
`plugin`               the entry points that MLflow calls
`store`                the model registry store; each write is a commit
`reading`              what the store reads, at one commit
`search`               MLflow's search filters, with the semantics of its SQL store
`entities`             values of a registry as MLflow's entities
`sources`              what ``create_model_version`` gets, as bytes and lineage
`artifact_repository`  MLflow's artifact repositories over a registry
`serving`              how a server was started, and whether its clients can load models
`checkouts`            artifacts as files in the user's cache folder
`uri`                  URIs of registries and artifacts
`pool`                 one open registry for each thread that needs one
`arguments`            the types of a call's arguments
`commits`              the commit of one call, with the time of the call
`callers`              the commit author for each caller of a server
`failures`             gitreg's errors as MLflow's
`webhooks`             MLflow's webhooks, in a database beside the history index
`ui`                   ``gitreg ui``: MLflow's server and web pages
`transfer`             import from MLflow's registries and export to them
=====================  ============================================================
"""
