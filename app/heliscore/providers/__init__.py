"""What providers of language models, and the loggers of their calls, send: read into the service's own nouns.

Pure: no input, no output, nothing but values in and values out, and no value makes any of it raise.
`exchange` reads a request and its response, `stream_assembly` puts a stream together, `prices` computes what
a call cost. Each format is a module in `families/`; `registry` asks them by the shape of a body.
"""
