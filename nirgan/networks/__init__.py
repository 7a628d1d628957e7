"""Networks in plain torch; they know nothing of Lightning or files."""

from nirgan.utils.recording import Recorded as Recorded
