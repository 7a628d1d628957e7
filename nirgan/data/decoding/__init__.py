"""Files to pixels: one door for training and for those who only colorize."""
