"""Many files: which becomes which, reading ahead, writing behind."""
