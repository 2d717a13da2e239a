"""OpenTelemetry's protocol: spans of model calls become logged requests, evaluation events become scores."""
