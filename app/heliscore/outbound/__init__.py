"""The one way to call out: to receivers of webhooks, and to the operator's mail server."""
