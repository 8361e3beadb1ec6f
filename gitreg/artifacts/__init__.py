"""Artifacts: the bytes of versions, and where they came from.

=============  ===========================================================================
`store`        `ArtifactStore`: bytes into DVC's cache, onto its remote, out into a folder
`source`       where the bytes of a version are
`materialise`  delivers artifacts from the cache to a folder, verified
`verify`       whether bytes still match their manifests
`collect`      gathers what a registration needs: bytes, lineage, author, time
`lineage`      what DVC knows about the origin of a version
`environment`  the code commit, interpreter and packages of a training run
`mlmodel`      MLflow's model folders, read without MLflow
`provenance`   what a caller knows about a version to be registered
`values`       metrics and parameters from files and from ``key=value``
=============  ===========================================================================
"""
