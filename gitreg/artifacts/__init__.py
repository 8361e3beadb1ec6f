"""Artifacts: the bytes of versions, and where they came from.

====================  ===========================================================================
`store`               `ArtifactStore`: bytes into DVC's cache, onto its remote, out into a folder
`remote_in_tree`      a DVC remote that is a folder of the repository itself
`source`              where the bytes of a new version come from
`materialise`         delivers artifacts from the cache to a folder, verified
`swap`                exchanges the files of a folder that cannot be renamed
`verify`              whether bytes still match their manifests
`provenance`          `Provenance`: everything that is known of a version to register
`commands`            runs a user's command on a version's files
`collect`             finds out the provenance of a source, and brings the bytes
`doubts`              what a person who registers should know
`likely`              what in a project is probably a trained model
`training_data`       the data of versions, on the DVC remote
`data_listings`       which files a folder of data had
`lineage`             what DVC knows about the origin of a version
`dvc_files`           reads `.dvc`, `dvc.yaml` and `dvc.lock`
`pipeline_files`      the files in Git that a version was made from
`dvc_metrics`         the metrics that DVC lists for an output
`pointers`            pointers of Git LFS and DVC, which are refused as a model
`environment`         the code commit, interpreter and packages of a training run
`measurements`        what an evaluation wrote: numbers, slices, intervals
`evaluations`         makes an evaluation of what was measured
`predictions`         how sure a difference is, by labels and scores of both versions
`mlmodel`             MLflow's model folders, read without MLflow
`metrics_and_params`  metrics and params from files and from ``key=value``
`plain_values`        which values a manifest can hold
`python_values`       objects of training scripts (NumPy's too) as plain values
`files`               reads other people's files, up to a limit
====================  ===========================================================================
"""
