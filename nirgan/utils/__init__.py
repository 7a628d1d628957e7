"""What any other part may use."""
