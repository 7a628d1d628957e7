"""Methods x categories x protocols x seeds: trained, judged, compared, put on paper."""
