"""The verbs fit, validate, test and predict, on top of LightningCLI."""
