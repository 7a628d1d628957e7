"""Videos, with PyAV."""
