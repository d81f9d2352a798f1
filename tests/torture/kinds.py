"""All kinds of trials."""

from tests.torture import files, sessions, words, workers
from tests.torture.trial import Kind

KINDS = {
    kind.name: kind
    for kind in (
        Kind("pictures", files.picture, 5, 60, share=4),
        Kind("exported files", files.exported, 20, 2, share=12),
        Kind("pth files", files.pth, 10, 30, share=4),
        Kind("Parquet files", files.table, 10, 20),
        Kind("folders", files.images, 20, 10),
        Kind("configurations", words.configuration, 20, 30, share=4),
        Kind("addresses", words.address, 60, 1),
        Kind("kills", workers.kill, 300, 0, share=45, turn=300),
        Kind("disk faults", workers.disk, 300, 0, share=12, turn=300),
        Kind("sessions", sessions.sessions, 600, 0, share=2),
    )
}
