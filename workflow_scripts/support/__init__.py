"""What the scripts share: files, checkpoints, data sources, jobs, configuration, code digests and plotting style."""
