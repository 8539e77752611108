"""Where artefacts come from: paths, DVC, git, the Hugging Face Hub, MLflow and this package itself."""
