"""Networks in plain torch, independent of Lightning and of files."""

from nirgan.utils.recording import Recorded as Recorded
