"""Where images come from: picture files, Parquet tables, downloaded archives, and how they are divided into parts."""
