"""A live model in a process: it follows its reference, and serves on when a new version fails.

================  =================================================================
`live`            `LiveModel`: what a reference names, loaded, verified and checked
`following`       which version the reference names, asked cheaply
`copies`          verified copies on disk, shared by processes
`served`          what serves now, as a value; `status` also what failed
`health`          the routes of one live model; `metrics` and `webhook` beside it
`loaders`         from an artifact's path to a model: joblib, ONNX, MLflow and so on
`guess`           which of them, by what is in the artifact
`router`          `Router`: several references of one model, each with a share
`traffic`         shares, shadow and record over live models; `split` chooses by key
`predictions`     who predicted, as lines of JSON
`background`      work that a request does not wait for
`scorers`         models of any kind behind one face
`plain`           MLflow's protocol without MLflow
`tensors`         those of the Open Inference Protocol
`open_inference`  its routes
`app`             the application of `gitreg serve`
`listening`       host, port and end of a server; `server` runs it
================  =================================================================
"""
