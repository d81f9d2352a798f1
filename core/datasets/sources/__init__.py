"""What datasets share: image files, Parquet files, downloaded archives, augmentation and splits."""
