"""The Model Context Protocol: our API as tools for language models, over HTTP and stdio.

Nothing here but `protocol_server` imports the SDK, which is an extra and takes a second: it is imported where
a client first asks.
"""
