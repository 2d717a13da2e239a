"""Forwards calls to providers of models, and logs them: one row for each, as a log call would make it.

`gateway_endpoints` has the addresses, `forwarding` follows a call from its key to its answer, and
`forwarded_answer` passes the answer on. `call_record` keeps what is logged at the end.
"""
